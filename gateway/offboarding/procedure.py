"""Carries a contract's end from step to step; killed anywhere and run again, it converges."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from gateway.clock import Clock, rfc3339
from gateway.identity.feed import ACK_CHANNEL
from gateway.offboarding.ending import Terms
from gateway.offboarding.inventory import gather, write_inventory
from gateway.offboarding.notices import ASKED, note
from gateway.offboarding.record import Offboarding, Step, advance, read_offboarding
from gateway.offboarding.report import ReportKind, make_report
from gateway.operations.invitation import propose_closing
from gateway.operations.revocation import await_workers
from gateway.working_days import last_day

_LOCK = 7310203
_ALL_OPEN = """
SELECT o.contract_id FROM casegate.offboarding o
 WHERE o.step NOT IN ('requested', 'closed') OR NOT EXISTS (
   SELECT FROM casegate.offboarding_report r WHERE r.contract_id = o.contract_id
      AND r.kind = CASE o.step WHEN 'closed' THEN 'closed' ELSE 'end' END)
 ORDER BY 1
"""
_SUB_PROCESSORS = """
SELECT sub_processor_id, name FROM casegate.sub_processor WHERE contract_id = %s ORDER BY 1
"""
ListPublisher = Callable[[psycopg.Connection], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Means:
    """What the steps need of an installation.

    `directory` takes the inventories, `publish_lists` brings the revocation lists up to date and
    says which, `sign` gives a detached signature over a report, `origin` is the log's name.
    """

    directory: Path
    publish_lists: ListPublisher
    sign: Callable[[bytes], str]
    origin: str
    clock: Clock
    terms: Terms


def carry_on(
    connection: psycopg.Connection,
    contract_id: str,
    means: Means,
    *,
    reached: Callable[[str], None] = lambda _what: None,
) -> Offboarding:
    """Does all that is left to be done without the vendor, and makes the report.

    `reached` hears each step when its work is done but not yet noted (`before STEP`), and noted
    (`after STEP`). A second run at once waits for the first and finds its work done.

    Raises:
        NotFoundError: the contract has not been ended.
    """
    with _alone(connection, contract_id):
        offboarding = read_offboarding(connection, contract_id)
        for step, work in _WORK.items():
            if offboarding.is_past(step):
                continue
            facts, told = work(connection, offboarding, means)
            reached(f"before {step.value}")
            with connection.transaction():
                if step is Step.REQUESTED:
                    _ask(connection, offboarding, means)
                offboarding = advance(connection, offboarding, facts, at=means.clock.now(), **told)
            reached(f"after {step.value}")
        for kind in ReportKind:
            if kind is ReportKind.CLOSED and offboarding.step is not Step.CLOSED:
                continue
            make_report(
                connection,
                offboarding,
                kind,
                origin=means.origin,
                sign=means.sign,
                at=means.clock.now(),
            )
            reached(f"after report {kind.value}")
    return offboarding


def unfinished(connection: psycopg.Connection) -> list[str]:
    """Contracts whose end has not come as far as it can without the vendor."""
    return [str(row[0]) for row in connection.execute(_ALL_OPEN)]


def _obey(
    connection: psycopg.Connection, offboarding: Offboarding, _means: Means
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A worker that has not acknowledged refuses everybody 5 s after it last heard."""
    connection.execute(f"LISTEN {ACK_CHANNEL}")
    effect = await_workers(
        connection,
        len(offboarding.facts["end"]["certificates"]),
        offboarding.epoch,
        offboarding.asked_at,
        offboarding.log_index,
    )
    connection.execute(f"UNLISTEN {ACK_CHANNEL}")
    told: dict[str, Any] = {
        "workers": effect.workers,
        "acknowledged": effect.acknowledged,
        "connections_closed": effect.connections_closed,
        "milliseconds": None if effect.seconds is None else round(effect.seconds * 1000),
    }
    return {"workers": {**told, "complete": effect.is_complete}}, told


def _list(
    connection: psycopg.Connection, _offboarding: Offboarding, means: Means
) -> tuple[dict[str, Any], dict[str, Any]]:
    published = means.publish_lists(connection)
    return {"revocation_lists": published}, {"lists": len(published)}


def _inventory(
    connection: psycopg.Connection, offboarding: Offboarding, means: Means
) -> tuple[dict[str, Any], dict[str, Any]]:
    gather(connection, offboarding)
    directory = means.directory / offboarding.contract_id
    inventory = write_inventory(connection, offboarding, directory)
    return {"inventory": inventory.document()}, {
        "cases": inventory.cases,
        "sha256": inventory.sha256,
    }


def _request(
    connection: psycopg.Connection, offboarding: Offboarding, means: Means
) -> tuple[dict[str, Any], dict[str, Any]]:
    rows = connection.execute(_SUB_PROCESSORS, (offboarding.contract_id,)).fetchall()
    due = rfc3339(offboarding.due_at)
    return {
        "request": {
            "due_at": due,
            "due_day": last_day(offboarding.due_at).isoformat(),
            "working_days": means.terms.certificate_days,
            "closing_until": rfc3339(offboarding.closing_until),
            "closing_invitation": "proposed",
            "sub_processors": [{"id": row[0], "name": row[1]} for row in rows],
        }
    }, {"due": due}


_Work = Callable[[psycopg.Connection, Offboarding, Means], tuple[dict[str, Any], dict[str, Any]]]
_WORK: Mapping[Step, _Work] = {
    Step.OBEYED: _obey,
    Step.LISTED: _list,
    Step.INVENTORIED: _inventory,
    Step.REQUESTED: _request,
}


def _ask(connection: psycopg.Connection, offboarding: Offboarding, means: Means) -> None:
    """From here on a closing credential may be given: for uploads, for nothing else."""
    connection.execute(
        "UPDATE casegate.contract SET status = 'purge_pending'"
        " WHERE contract_id = %s AND status = 'ended'",
        (offboarding.contract_id,),
    )
    note(
        connection,
        offboarding.vendor_id,
        offboarding.contract_id,
        kind=ASKED,
        day=last_day(offboarding.due_at),
        at=means.clock.now(),
    )
    # Whoever ended the contract proposes; a second person approves, and the code is then shown
    # to who makes the invitation. It may wait as long as the credential could be of use.
    now = means.clock.now()
    if now < offboarding.closing_until:
        propose_closing(
            connection,
            offboarding.vendor_id,
            offboarding.contract_id,
            actor=offboarding.started_by,
            at=now,
            lifetime=offboarding.closing_until - now,
        )


@contextmanager
def _alone(connection: psycopg.Connection, contract_id: str) -> Iterator[None]:
    """Holds a contract's end for this connection; it is let go when the process dies."""
    connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_LOCK, contract_id))
    try:
        yield
    finally:
        if not connection.broken and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_LOCK, contract_id))
