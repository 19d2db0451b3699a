"""Registers vendors, contracts and certificates."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from psycopg import sql

from audit.entry import EventType
from gateway.errors import (
    AlreadyExistsError,
    EnrolmentRefusedError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.identity.principal import CredentialScope, StaffRole
from keys.thumbprint import certificate_thumbprint, spki_digest

# See migration 0009.
_GROWS_OUT_OF_REVOKED = "CG041"


@dataclass(frozen=True, slots=True)
class VendorOwner:
    """A certificate that acts for a vendor under a contract, as one of its systems.

    `credential_ref` names the credential that the certificate continues; without one it begins a
    credential named by its thumbprint. `replaces` is the thumbprint of the one before it.
    """

    vendor_id: str
    contract_id: str
    credential_ref: str | None = None
    system: str = "main"
    scope: CredentialScope = CredentialScope.FULL
    replaces: bytes | None = None


@dataclass(frozen=True, slots=True)
class StaffOwner:
    """A certificate of a member of the company's staff."""

    staff_id: str
    role: StaffRole


def register_vendor(
    connection: psycopg.Connection, vendor_id: str, *, name: str, actor: str, at: datetime
) -> None:
    """Registers a vendor.

    Raises:
        AlreadyExistsError: the id is taken.
        RequestInvalidError: the id is not of lower-case letters, digits and hyphens.
    """
    try:
        with connection.transaction():
            connection.execute(
                "INSERT INTO casegate.vendor (vendor_id, name) VALUES (%s, %s)", (vendor_id, name)
            )
            record_with_change(
                connection, EventType.VENDOR_REGISTERED, at=at, actor=actor, vendor=vendor_id
            )
    except psycopg.errors.UniqueViolation as error:
        raise AlreadyExistsError(f"vendor {vendor_id} is registered already") from error
    except psycopg.errors.CheckViolation as error:
        raise RequestInvalidError(
            "a vendor id has 1 to 63 lower-case letters, digits and hyphens"
        ) from error


def register_contract(
    connection: psycopg.Connection,
    contract_id: str,
    *,
    vendor_id: str,
    starts_at: datetime,
    ends_at: datetime,
    actor: str,
    at: datetime,
) -> None:
    """Registers a contract; nothing of the vendor works outside its term.

    Raises:
        AlreadyExistsError: the id is taken.
        NotFoundError: there is no such vendor.
        RequestInvalidError: the term is empty or the id malformed.
    """
    try:
        with connection.transaction():
            connection.execute(
                "INSERT INTO casegate.contract (contract_id, vendor_id, starts_at, ends_at)"
                " VALUES (%s, %s, %s, %s)",
                (contract_id, vendor_id, starts_at, ends_at),
            )
            record_with_change(
                connection,
                EventType.CONTRACT_ACTIVATED,
                at=at,
                actor=actor,
                vendor=vendor_id,
                contract=contract_id,
                starts=starts_at.isoformat(),
                ends=ends_at.isoformat(),
            )
    except psycopg.errors.UniqueViolation as error:
        raise AlreadyExistsError(f"contract {contract_id} is registered already") from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise NotFoundError(f"there is no vendor {vendor_id}; register it first") from error
    except psycopg.errors.CheckViolation as error:
        raise RequestInvalidError(
            "a contract ends after it starts, its id is [a-z0-9-]"
        ) from error


def register_credential(
    connection: psycopg.Connection,
    certificate: x509.Certificate,
    owner: VendorOwner | StaffOwner,
    *,
    issuer_id: bytes | None = None,
    actor: str,
    at: datetime,
) -> bytes:
    """Registers a certificate and returns its thumbprint (32 bytes).

    `issuer_id` is the SHA-256 of its issuer's public key; without it the certificate is in no
    revocation list of ours.

    Raises:
        AlreadyExistsError: the certificate is registered already.
        NotFoundError: there is no such contract of this vendor.
        EnrolmentRefusedError: CONTRACT_NOT_RUNNING, when vendor, issuer or the certificate that
            it replaces is shut out, be it in this very moment.
    """
    der = certificate.public_bytes(Encoding.DER)
    thumbprint = certificate_thumbprint(der)
    names = _names_of(owner, thumbprint)
    columns: dict[str, object] = {
        "thumbprint": thumbprint,
        "spki_sha256": spki_digest(certificate),
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "issuer_id": issuer_id,
        "certificate": der,
        "replaces": owner.replaces if isinstance(owner, VendorOwner) else None,
        **names,
    }
    insert = sql.SQL("INSERT INTO casegate.credential ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    try:
        with connection.transaction():
            connection.execute(insert, columns)
            record_with_change(
                connection,
                EventType.CREDENTIAL_REGISTERED,
                at=at,
                actor=actor,
                certificate=thumbprint.hex(),
                vendor=names.get("vendor_id"),
                contract=names.get("contract_id"),
                credential=names.get("credential_ref"),
                staff=names.get("staff_id"),
                role=names.get("staff_role"),
            )
    except psycopg.errors.UniqueViolation as error:
        raise AlreadyExistsError("the certificate is registered already") from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise NotFoundError(
            f"vendor {names['vendor_id']} has no contract {names['contract_id']}"
        ) from error
    except psycopg.Error as error:
        if error.sqlstate != _GROWS_OUT_OF_REVOKED:
            raise
        raise EnrolmentRefusedError(
            "CONTRACT_NOT_RUNNING", "vendor, issuer or the certificate before it is shut out"
        ) from error
    return thumbprint


def _names_of(owner: VendorOwner | StaffOwner, thumbprint: bytes) -> dict[str, str]:
    if isinstance(owner, StaffOwner):
        return {"kind": "staff", "staff_id": owner.staff_id, "staff_role": owner.role.value}
    return {
        "kind": "vendor",
        "vendor_id": owner.vendor_id,
        "contract_id": owner.contract_id,
        "credential_ref": owner.credential_ref or thumbprint[:8].hex(),
        "system": owner.system,
        "scope": owner.scope.value,
    }
