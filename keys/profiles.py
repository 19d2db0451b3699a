"""Certificate profiles from profiles.toml: key usage, names, the longest life of each."""

import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from keys.errors import CertificateError


class Profile(StrEnum):
    """What a certificate is for."""

    VENDOR_CLIENT = "vendor-client"
    STAFF_CLIENT = "staff-client"
    GATEWAY_SERVER = "gateway-server"
    OCSP_SIGNER = "ocsp-signer"


_EXTENDED = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_NAME_KINDS: dict[str, type[x509.GeneralName]] = {
    "uri": x509.UniformResourceIdentifier,
    "dns": x509.DNSName,
    "ip": x509.IPAddress,
}


@dataclass(frozen=True, slots=True)
class CertificateProfile:
    """One profile's rules."""

    extended_key_usages: tuple[x509.ObjectIdentifier, ...]
    name_kinds: tuple[type[x509.GeneralName], ...]
    max_lifetime: timedelta
    is_ocsp_no_check: bool

    def verify_names(self, names: list[x509.GeneralName]) -> None:
        """Raises CertificateError unless the profile takes exactly such names."""
        if self.name_kinds and not names:
            raise CertificateError("a certificate of this profile needs a name")
        for name in names:
            if not isinstance(name, self.name_kinds):
                raise CertificateError("a certificate of this profile takes no such name")


@cache
def load_profiles() -> Mapping[Profile, CertificateProfile]:
    """The packaged profiles, one for each Profile."""
    text = (importlib.resources.files("keys") / "profiles.toml").read_text()
    content = tomllib.loads(text)
    return {profile: _parse(content[profile.value]) for profile in Profile}


def _parse(section: dict[str, Any]) -> CertificateProfile:
    if section["key_usage"] != ["digitalSignature"]:
        raise CertificateError("an end-entity key signs digitally and does nothing else")
    return CertificateProfile(
        extended_key_usages=tuple(_EXTENDED[name] for name in section["extended_key_usage"]),
        name_kinds=tuple(_NAME_KINDS[kind] for kind in section["names"]),
        max_lifetime=timedelta(days=section["max_days"]),
        is_ocsp_no_check=bool(section.get("ocsp_no_check", False)),
    )
