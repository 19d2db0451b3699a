"""Finds a person's cases by an identifier, without the identifier leaving this process."""

from dataclasses import dataclass

import psycopg

from gateway.errors import RequestInvalidError
from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import (
    id_number_spellings,
    parse_id_number,
    parse_mobile,
    parse_other_document,
)
from gateway.portfolio.sealing import contact_mac, person_mac
from keys.secret import Secret

_BY_MAC = """
SELECT DISTINCT encode(a.commitment, 'hex') FROM casegate.assigned_case a
  JOIN casegate.case_record r USING (case_id)
 WHERE r.person_mac = ANY(%s) OR r.contact_mac = ANY(%s)
"""
_PEOPLE_OF_CONTACT = """
SELECT DISTINCT person_mac FROM casegate.case_record WHERE contact_mac = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class _Digests:
    """Keyed digests (32 bytes each) of all that an identifier may mean."""

    people: list[bytes]
    contacts: list[bytes]


def commitments_of_person(
    connection: psycopg.Connection, identifier: str, index_key: Secret
) -> tuple[str, ...]:
    """The log's commitments (hex) of every case, recalled ones too, of a person.

    Only keyed digests are sent to the database.

    Raises:
        RequestInvalidError: it is no ID number, other document or mobile number.
    """
    digests = _digests_of(identifier, index_key)
    rows = connection.execute(_BY_MAC, (digests.people, digests.contacts)).fetchall()
    return tuple(str(row[0]) for row in rows)


def person_macs_of(
    connection: psycopg.Connection, identifier: str, index_key: Secret
) -> list[bytes]:
    """The digests that one person is stored under; a mobile number leads to its owner.

    Raises:
        RequestInvalidError: it is no ID number, other document or mobile number, or several
            people have the mobile number.
    """
    digests = _digests_of(identifier, index_key)
    owners = connection.execute(_PEOPLE_OF_CONTACT, (digests.contacts,)).fetchall()
    if len(owners) > 1:
        raise RequestInvalidError("several people have this mobile number; give an ID number")
    return [*digests.people, *(bytes(row[0]) for row in owners)]


def _digests_of(identifier: str, index_key: Secret) -> _Digests:
    found = _Digests(_people(identifier, index_key), [])
    try:
        found.contacts.append(contact_mac(index_key, parse_mobile(identifier)))
    except CellError:
        if not found.people:
            raise RequestInvalidError("this is neither an ID number nor a mobile number") from None
    return found


def _people(identifier: str, index_key: Secret) -> list[bytes]:
    try:
        numbers = id_number_spellings(parse_id_number(identifier))
    except CellError:
        # A passport begins with a letter; a mistyped ID number must not pass for one.
        if not identifier.strip()[:1].isalpha():
            return []
        try:
            numbers = (parse_other_document(identifier),)
        except CellError:
            return []
    return [person_mac(index_key, number) for number in numbers]
