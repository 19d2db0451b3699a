"""Fills a log with made-up entries, fast, but as true as appended ones.

Leaf hashes, bundles, roots and frontier are right, so that each hit can be held to its leaf.
"""

import hashlib
import random  # the same seed asks the same questions
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import psycopg

from audit.bundle import encode_bundle
from audit.merkle import Frontier, leaf_hash
from gateway.clock import rfc3339

VENDORS = 20
CERTIFICATES_A_VENDOR = 3
DEBTORS = 100_000
STAFF = ("qian", "sun", "li", "zhou")
CODES = ("NOT_FOUND", "CRED_REVOKED", "TOKEN_EXPIRED", "NETWORK_NOT_LISTED", "PURPOSE_NOT_ALLOWED")
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
_BATCH_ENTRIES = 512
_BATCHES_A_TRANSACTION = 100
_PAGE_CASES = 50
# One vendor has left: all its entries are old, the worst case of a walk from the newest entry.
GONE_VENDOR, _GONE_SHARE = 0, 0.1
_COPY_BATCHES = """
COPY audit.batch (batch_id, first_index, entry_count, bundle, leaf_hashes, root, size_after)
FROM STDIN (FORMAT binary)
"""
_SET_TAIL = "UPDATE audit.tail SET size = %s, frontier = %s, root = %s"
_CHANGES = (
    "policy.loaded",
    "configuration.loaded",
    "credential.registered",
    "credential.revoked",
    "contract.activated",
)


def vendor_name(number: int) -> str:
    return f"vendor-{number:02}"


def certificate_of(vendor: int, number: int) -> str:
    return hashlib.sha256(f"certificate/{vendor}/{number}".encode()).hexdigest()


def case_of(number: int) -> str:
    return hashlib.sha256(f"case/{number}".encode()).hexdigest()[:32]


def digest_of(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind}/{number}".encode()).hexdigest()


@dataclass(slots=True)
class MadeUpTraffic:
    """A year of a lender's traffic as log entries; one in 20,000 releases never ends."""

    total: int
    seed: int = 1
    requests: list[str] = field(default_factory=list)

    def entries(self) -> Iterator[bytes]:
        """The bytes of each entry, in order."""
        chance = random.Random(self.seed)
        cases = [case_of(number) for number in range(DEBTORS)]
        made = 0
        release: dict[str, Any] | None = None
        while made < self.total:
            moment = rfc3339(BEGIN + YEAR * (made / self.total))
            if release is not None:
                content, release = self._end(release, made - 1), None
            else:
                content = self._event(chance, made, cases)
                if content["type"] == "access.release" and chance.random() > 1 / 20_000:
                    release = content
            content |= {"v": 1, "time": moment}
            yield orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
            made += 1

    def _event(self, chance: random.Random, made: int, cases: list[str]) -> dict[str, Any]:
        first = GONE_VENDOR if made < self.total * _GONE_SHARE else GONE_VENDOR + 1
        vendor = min(VENDORS - 1, first + int(chance.expovariate(0.25)))
        kind = chance.random()
        request = f"{chance.getrandbits(96):024x}"
        if made % 4096 < 2:
            self.requests.append(request)
        common = {
            "vendor": vendor_name(vendor),
            "contract": f"{vendor_name(vendor)}-2026",
            "certificate": certificate_of(vendor, chance.randrange(CERTIFICATES_A_VENDOR)),
            "request": request,
        }
        if kind < 0.83:
            return self._release(chance, vendor, common, cases)
        if kind < 0.97:
            return common | {
                "type": "access.denied",
                "listener": "vendor",
                "method": "GET",
                "route": "/v1/cases/{case_ref}",
                "source": f"203.0.113.{vendor}",
                "code": chance.choice(CODES),
                "status": 404,
            }
        if kind < 0.995:
            return common | {"type": "token.issued", "lifetime": 600}
        if kind < 0.9985:
            query = {"vendor": vendor_name(vendor), "limit": 100}
            actor = f"staff:{chance.choice(STAFF)}"
            return {"type": "log.searched", "actor": actor, "query": query}
        return {
            "type": chance.choice(_CHANGES),
            "actor": "cli:operator",
            "vendor": vendor_name(vendor),
            "digest": digest_of("policy", made % 7),
        }

    def _release(
        self, chance: random.Random, vendor: int, common: dict[str, Any], cases: list[str]
    ) -> dict[str, Any]:
        is_page = chance.random() < 0.03
        start = chance.randrange(DEBTORS - _PAGE_CASES)
        shown = cases[start : start + _PAGE_CASES] if is_page else [cases[start]]
        return common | {
            "type": "access.release",
            "token": f"{chance.getrandbits(64):016x}",
            "route": "/v1/cases" if is_page else "/v1/cases/{case_ref}",
            "source": f"203.0.113.{vendor}",
            "purpose": "DEBT_COLLECTION_TEL",
            "stage": "bulk",
            "policy": digest_of("policy", vendor),
            "profile": digest_of("profile", vendor),
            "cases": shown,
            "bytes": 700 * len(shown),
            "sha256": f"{chance.getrandbits(256):064x}",
        }

    def _end(self, release: dict[str, Any], index: int) -> dict[str, Any]:
        kept = ("vendor", "contract", "certificate", "request", "token", "bytes")
        return {name: release[name] for name in kept} | {
            "type": "access.end",
            "release": index,
            "aborted": False,
        }


def fill_log(
    connection: psycopg.Connection,
    traffic: MadeUpTraffic,
    *,
    progress: Callable[[int], None] = lambda _entries: None,
) -> None:
    """Writes the entries into an empty log, as its owner."""
    frontier = Frontier()
    entries = traffic.entries()
    while frontier.size < traffic.total:
        with connection.transaction():
            frontier = _fill_some(connection, entries, frontier)
            connection.execute(_SET_TAIL, (frontier.size, frontier.hashes, frontier.root))
        progress(frontier.size)


def _fill_some(
    connection: psycopg.Connection, entries: Iterator[bytes], frontier: Frontier
) -> Frontier:
    with connection.cursor() as cursor, cursor.copy(_COPY_BATCHES) as copy:
        copy.set_types(["uuid", "int8", "int4", "bytea", "bytea", "bytea", "int8"])
        for _number in range(_BATCHES_A_TRANSACTION):
            batch = list(islice(entries, _BATCH_ENTRIES))
            if not batch:
                break
            first = frontier.size
            leaves = [leaf_hash(entry) for entry in batch]
            frontier = frontier.extend(leaves)
            copy.write_row(
                (
                    UUID(int=first),
                    first,
                    len(batch),
                    encode_bundle(batch),
                    b"".join(leaves),
                    frontier.root,
                    frontier.size,
                )
            )
    return frontier
