"""Finds a person's cases by an identifier, without the identifier leaving this process."""

import psycopg

from gateway.errors import RequestInvalidError
from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import parse_id_number, parse_mobile
from gateway.portfolio.sealing import contact_mac, person_mac
from keys.secret import Secret

_BY_MAC = """
SELECT DISTINCT encode(a.commitment, 'hex') FROM casegate.assigned_case a
  JOIN casegate.case_record r USING (case_id)
 WHERE r.person_mac = ANY(%s) OR r.contact_mac = ANY(%s)
"""


def commitments_of_person(
    connection: psycopg.Connection, identifier: str, index_key: Secret
) -> tuple[str, ...]:
    """The log's commitments (hex) of every case, recalled ones too, of a person.

    Only keyed digests are sent to the database.

    Raises:
        RequestInvalidError: it is neither an ID number nor a mobile number.
    """
    people: list[bytes] = []
    contacts: list[bytes] = []
    for parse, digest, found in (
        (parse_id_number, person_mac, people),
        (parse_mobile, contact_mac, contacts),
    ):
        try:
            value = parse(identifier)
        except CellError:
            continue
        if value:
            found.append(digest(index_key, value))
    if not people and not contacts:
        raise RequestInvalidError("this is neither an ID number nor a mobile number")
    rows = connection.execute(_BY_MAC, (people, contacts)).fetchall()
    return tuple(str(row[0]) for row in rows)
