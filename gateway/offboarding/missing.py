"""What a vendor still owes of its calls when its contract is over: recordings, and records."""

from typing import Any

import psycopg

_SHOWN = 200
_RECORDINGS = """
SELECT c.call_id FROM casegate.call_record c
 WHERE c.vendor_id = %(vendor)s AND c.contract_id = %(contract)s AND c.superseded_by IS NULL
   AND c.talk_s > 0
   AND NOT EXISTS (SELECT FROM casegate.recording r
                    WHERE r.vendor_id = c.vendor_id AND r.contract_id = c.contract_id
                      AND r.call_id = c.call_id
                      AND (r.state = 'verified' OR r.erased_why IN ('retention', 'person')))
"""
# Permits whose call was told of, or that were dialled, and no record has come.
_RECORDS = """
SELECT c.contact_id::text FROM casegate.contact c
 WHERE c.vendor_id = %(vendor)s AND c.contract_id = %(contract)s
   AND (c.state = 'used' OR c.dialed_at IS NOT NULL AND c.state IN ('expired', 'voided'))
"""


def missing_of(connection: psycopg.Connection, vendor_id: str, contract_id: str) -> dict[str, Any]:
    """Calls without their recordings and permits without their records, each counted.

    Of each the first 200 are named, by the vendor's id of the call and by the permit's. A closing
    credential can still send them; who accepts the destruction certificate closes that way.
    """
    named: dict[str, str | int] = {
        "vendor": vendor_id,
        "contract": contract_id,
        "limit": _SHOWN,
    }
    return {
        "recordings": _counted(connection, _RECORDINGS, named),
        "records": _counted(connection, _RECORDS, named),
    }


def _counted(
    connection: psycopg.Connection, query: str, named: dict[str, str | int]
) -> dict[str, Any]:
    counting = f"WITH owed (id) AS ({query}) SELECT count(*) FROM owed"  # noqa: S608 - our own
    showing = f"WITH owed (id) AS ({query}) SELECT id FROM owed ORDER BY id LIMIT %(limit)s"  # noqa: S608 - our own
    found = connection.execute(counting.encode(), named).fetchone()
    rows = connection.execute(showing.encode(), named).fetchall()
    return {"count": 0 if found is None else int(found[0]), "first": [str(row[0]) for row in rows]}
