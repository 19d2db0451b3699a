"""Vendors of a test's own with several systems, credentials and certificates."""

from datetime import timedelta
from itertools import count
from uuid import uuid4

from gateway.operations.registration import VendorOwner, register_credential
from gateway.trial.authorities import TRUST_HOST
from keys.authority import CertificateAuthority
from keys.profiles import Profile
from tests.gateway.operations.enrolling import add_vendor
from tests.gateway.store.lender import ACTOR, START, Lender

_NUMBERS = count(1)


def new_vendor(lender: Lender) -> str:
    """A vendor under a contract, without any certificate."""
    vendor = f"vendor-{next(_NUMBERS)}"
    with lender.role() as connection:
        add_vendor(connection, vendor)
    return vendor


def new_reference() -> str:
    return uuid4().hex[:16]


def hold(
    lender: Lender,
    vendor: str,
    reference: str,
    *,
    system: str = "main",
    authority: CertificateAuthority | None = None,
    replaces: bytes | None = None,
) -> bytes:
    """Registers a certificate of a credential; returns its thumbprint."""
    authority = authority or lender.authority
    issued = authority.issue(
        Profile.VENDOR_CLIENT,
        common_name=f"vendor {vendor} {reference}",
        uris=[f"https://{TRUST_HOST}/vendor/{vendor}"],
        not_before=START,
        not_after=START + timedelta(days=60),
    )
    owner = VendorOwner(vendor, f"{vendor}-2026", reference, system, replaces=replaces)
    with lender.role() as connection:
        return register_credential(
            connection,
            issued.certificate,
            owner,
            issuer_id=authority.issuer_id,
            actor=ACTOR,
            at=START,
        )


def status(lender: Lender, thumbprint: bytes) -> str:
    rows = lender.query(
        "SELECT status FROM casegate.credential WHERE thumbprint = %s", (thumbprint,)
    )
    return str(rows[0][0])
