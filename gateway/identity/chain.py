"""Verifies a client certificate that another host's TLS has accepted (RFC 5280, 6.1).

The `cryptography` verifier does not know URI name constraints, which our issuing authorities
have; so the path is walked here, for the narrow profile of vendors' certificates alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeGuard, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from gateway.errors import ProxyRefusedError

_E = TypeVar("_E", bound=x509.ExtensionType)
_HASHES = (SHA256, SHA384, SHA512)
_KNOWN_CRITICAL = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.NameConstraints,
    x509.SubjectAlternativeName,
)


class ClientChain:
    """Whom the vendor listener's bundle of authorities vouches for.

    Its self-signed certificates are where every path ends; the others are issuers that need not
    come with the request.
    """

    def __init__(self, bundle: Sequence[x509.Certificate], *, max_issuers: int) -> None:
        self._anchors = [one for one in bundle if _has_issued(one, one)]
        self._issuers = [one for one in bundle if one not in self._anchors]
        self._max_issuers = max_issuers

    def verify(
        self, leaf: x509.Certificate, offered: Sequence[x509.Certificate], at: datetime
    ) -> datetime:
        """Returns when the first certificate of the path ends: until then the answer stands.

        Raises:
            ProxyRefusedError: PROXY_CERTIFICATE_REFUSED with the reason `time`, `purpose`,
                `chain` (no path of issuers leads to an anchor, or a name is outside their
                constraints) or `malformed`.
        """
        try:
            if not leaf.not_valid_before_utc <= at < leaf.not_valid_after_utc:
                raise _refused("time")
            if not _is_client(leaf):
                raise _refused("purpose")
            path = self._path([leaf], offered, at)
        except ValueError as error:  # an extension that cannot be read, or stands twice
            raise _refused("malformed") from error
        if path is None:
            raise _refused("chain")
        return min(one.not_valid_after_utc for one in path)

    def _path(
        self, path: list[x509.Certificate], offered: Sequence[x509.Certificate], at: datetime
    ) -> list[x509.Certificate] | None:
        """The first path from its last certificate up to an anchor that keeps all the rules."""
        for issuer in (*self._anchors, *self._issuers, *offered):
            if issuer in path or not _has_issued(issuer, path[-1]):
                continue
            if not _may_issue(issuer, below=len(path) - 1, at=at) or not _permits(issuer, path[0]):
                continue
            longer = [*path, issuer]
            if issuer in self._anchors:
                return longer
            if len(path) < self._max_issuers:
                found = self._path(longer, offered, at)
                if found is not None:
                    return found
        return None


def _refused(reason: str) -> ProxyRefusedError:
    return ProxyRefusedError("PROXY_CERTIFICATE_REFUSED", reason)


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    is_modern = certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519 or (
        isinstance(certificate.signature_hash_algorithm, _HASHES)
    )
    if not is_modern:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_client(leaf: x509.Certificate) -> bool:
    usages = _found(leaf, x509.ExtendedKeyUsage)
    constraints = _found(leaf, x509.BasicConstraints)
    key_usage = _found(leaf, x509.KeyUsage)
    return (
        usages is not None
        and ExtendedKeyUsageOID.CLIENT_AUTH in usages
        and (constraints is None or not constraints.ca)
        and (key_usage is None or key_usage.digital_signature)
        and _is_understood(leaf)
    )


def _may_issue(issuer: x509.Certificate, *, below: int, at: datetime) -> bool:
    """Whether it is an authority now, with room for so many authorities under it."""
    constraints = _found(issuer, x509.BasicConstraints)
    key_usage = _found(issuer, x509.KeyUsage)
    return (
        issuer.not_valid_before_utc <= at < issuer.not_valid_after_utc
        and constraints is not None
        and constraints.ca
        and (constraints.path_length is None or constraints.path_length >= below)
        and key_usage is not None
        and key_usage.key_cert_sign
        and _is_understood(issuer)
    )


def _permits(issuer: x509.Certificate, leaf: x509.Certificate) -> bool:
    """Name constraints (RFC 5280, 4.2.1.10), for certificates that are named by URIs alone."""
    constraints = _found(issuer, x509.NameConstraints)
    if constraints is None:
        return True
    names = _found(leaf, x509.SubjectAlternativeName)
    hosts = []
    for name in names or ():
        host = urlsplit(name.value).hostname if _is_uri(name) else None
        if host is None:
            return False
        hosts.append(host)
    permitted = [
        tree.value.lower() for tree in constraints.permitted_subtrees or () if _is_uri(tree)
    ]
    excluded = [
        tree.value.lower() for tree in constraints.excluded_subtrees or () if _is_uri(tree)
    ]
    return all(
        (not permitted or any(_is_under(host, tree) for tree in permitted))
        and not any(_is_under(host, tree) for tree in excluded)
        for host in hosts
    )


def _is_uri(name: x509.GeneralName) -> TypeGuard[x509.UniformResourceIdentifier]:
    return isinstance(name, x509.UniformResourceIdentifier)


def _is_under(host: str, tree: str) -> bool:
    """A tree that begins with a dot means hosts below it, any other the host itself."""
    return host.endswith(tree) if tree.startswith(".") else host == tree


def _is_understood(certificate: x509.Certificate) -> bool:
    return all(
        isinstance(extension.value, _KNOWN_CRITICAL)
        for extension in certificate.extensions
        if extension.critical
    )


def _found(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
