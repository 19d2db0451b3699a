"""Holds an installation to the pseudonym keys under which its vendors know their cases.

Another master key or another algorithm would give every case a new reference: the vendor could
not ask for one that it holds, and a leak would be traced to nobody.
"""

from collections.abc import Callable
from datetime import datetime

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.errors import ConfigurationError
from gateway.logs import logger
from gateway.masking.pseudonyms import PseudonymKey

_NOTE = """
INSERT INTO casegate.pseudonym_key (vendor_id, contract_id, algorithm, key_check, noted_at)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT (contract_id) DO NOTHING
"""
_KNOWN = """
SELECT algorithm, key_check FROM casegate.pseudonym_key WHERE vendor_id = %s AND contract_id = %s
"""
_ALL = "SELECT vendor_id, contract_id, algorithm, key_check FROM casegate.pseudonym_keys()"


def note_pseudonym_key(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    key: PseudonymKey,
    *,
    at: datetime,
) -> None:
    """Keeps algorithm and check value of a contract's first key; a later one has to be the same.

    Raises:
        ConfigurationError: the contract's references were made with another key or algorithm.
    """
    connection.execute(_NOTE, (vendor_id, contract_id, key.algorithm.value, key.check, at))
    row = connection.execute(_KNOWN, (vendor_id, contract_id)).fetchone()
    assert row is not None
    _verify(vendor_id, contract_id, (str(row[0]), str(row[1])), key)


async def verify_pseudonym_keys(
    pool: AsyncConnectionPool, key_of: Callable[[str, str], PseudonymKey]
) -> None:
    """Compares the keys of all running contracts with what is noted of them.

    A worker that gets no answer starts unheld: it releases nothing without the database either,
    and no import goes in under another key.

    Raises:
        ConfigurationError: the references of a contract were made with another key or algorithm.
    """
    try:
        async with pool.connection() as connection:
            rows = await (await connection.execute(_ALL)).fetchall()
    except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
        logger().warning("pseudonym_keys.unread", error_type=type(error).__name__)
        return
    for vendor_id, contract_id, algorithm, check in rows:
        _verify(vendor_id, contract_id, (algorithm, check), key_of(vendor_id, contract_id))


def _verify(vendor_id: str, contract_id: str, noted: tuple[str, str], key: PseudonymKey) -> None:
    if noted == (key.algorithm.value, key.check):
        return
    what = (
        f"keys.pseudonym_algorithm has to stay {noted[0]}"
        if noted[0] != key.algorithm.value
        else "keys.pseudonym names another key than the one they were made with"
    )
    raise ConfigurationError(
        f"the references of {vendor_id} under {contract_id} would all change: {what}"
    )
