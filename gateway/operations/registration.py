"""Registers vendors, contracts and certificates."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.entry import EventType
from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.identity.principal import StaffRole
from keys.thumbprint import certificate_thumbprint, spki_digest


@dataclass(frozen=True, slots=True)
class VendorOwner:
    """A certificate that acts for a vendor under a contract."""

    vendor_id: str
    contract_id: str


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
    actor: str,
    at: datetime,
) -> bytes:
    """Registers a certificate and returns its thumbprint (32 bytes).

    Raises:
        AlreadyExistsError: the certificate is registered already.
        NotFoundError: there is no such contract of this vendor.
    """
    thumbprint = certificate_thumbprint(certificate.public_bytes(Encoding.DER))
    if isinstance(owner, VendorOwner):
        kind, vendor, contract, staff, role = (
            "vendor",
            owner.vendor_id,
            owner.contract_id,
            None,
            None,
        )
    else:
        kind, vendor, contract, staff, role = "staff", None, None, owner.staff_id, owner.role.value
    try:
        with connection.transaction():
            connection.execute(
                "INSERT INTO casegate.credential (thumbprint, kind, vendor_id, contract_id,"
                " staff_id, staff_role, spki_sha256, serial_number, not_before, not_after)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    thumbprint,
                    kind,
                    vendor,
                    contract,
                    staff,
                    role,
                    spki_digest(certificate),
                    f"{certificate.serial_number:x}",
                    certificate.not_valid_before_utc,
                    certificate.not_valid_after_utc,
                ),
            )
            record_with_change(
                connection,
                EventType.CREDENTIAL_REGISTERED,
                at=at,
                actor=actor,
                certificate=thumbprint.hex(),
                vendor=vendor,
                contract=contract,
                staff=staff,
                role=role,
            )
    except psycopg.errors.UniqueViolation as error:
        raise AlreadyExistsError("the certificate is registered already") from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise NotFoundError(f"vendor {vendor} has no contract {contract}") from error
    return thumbprint
