"""Promise 6 over a whole day: whatever everybody tried, no call began that is forbidden."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.rows import args_row

from gateway.contact.expiry import PermitExpiry
from tests.promises.day_checker import Contact, Day, GivenConsent, check
from tests.promises.ledger import logged_entries
from tests.promises.working_day import WorkingDay

# A day takes a minute and a half: `make test-long`. Its checker is tried at each run.
pytestmark = pytest.mark.long

_CONTACTS = """
SELECT contact_id::text, vendor_id, encode(person_mac, 'hex'), encode(point_mac, 'hex'), party,
       agent_ref, script_id || '/' || script_version, call_kind, requested_at, expires_at, state,
       handling, dialed_at, void_reason, result
  FROM casegate.contact
"""
_CONSENTS = """
SELECT consent_id::text, encode(person_mac, 'hex'), scope, captured_at, begins, ends, revoked_at
  FROM casegate.consent
"""
_PERSONS = """
SELECT encode(a.commitment, 'hex'), encode(r.person_mac, 'hex')
  FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
"""


def live(directory: Path, *, seconds: float, calls: int, seed: int) -> tuple[WorkingDay, Day]:
    """Lets a day pass and takes down what is on record of it."""
    day = WorkingDay.make(directory, seconds=seconds)
    steps = day.plan(calls, seed=seed)
    day.start_clock()
    with day.installation.serving(workers=2):
        asyncio.run(day.live(steps))
    # What the clockwork would do within a quarter of a minute of its own.
    office = day.installation.office()
    PermitExpiry(office.connection, office.clock).keep_time()
    with office.connection() as connection:
        with connection.cursor(row_factory=args_row(Contact)) as cursor:
            contacts = cursor.execute(_CONTACTS).fetchall()
        with connection.cursor(row_factory=args_row(GivenConsent)) as cursor:
            consents = cursor.execute(_CONSENTS).fetchall()
        persons = dict(connection.execute(_PERSONS).fetchall())
    entries = [(entry.index, entry.fields) for entry in logged_entries(day.installation)]
    own = [one for one in contacts if one.vendor is None]
    return day, Day(
        {one.contact_id: one for one in contacts},
        entries,
        {one.consent_id: one for one in consents},
        persons,
        {one.contact_id: day.own_known[one.requested_at] for one in own},
    )


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[WorkingDay, Day]:
    return live(tmp_path_factory.mktemp("day") / "sandbox", seconds=60, calls=900, seed=6)


def test_no_forbidden_call_began_on_the_whole_day(lived: tuple[WorkingDay, Day]) -> None:
    assert check(lived[1]) == []


def test_the_day_was_one_on_which_much_was_tried(lived: tuple[WorkingDay, Day]) -> None:
    day, record = lived
    states = Counter(one.state for one in record.contacts.values())
    refused = {code for code in day.answers if code.isupper()}

    # However slow the machine: hundreds on a quiet one, and every kind of refusal.
    assert day.answers["granted"] > 30, day.answers
    assert {"AGENT_NOT_QUALIFIED", "OUTSIDE_WINDOW_AMBER_NO_CONSENT"} <= refused, day.answers
    assert {"used", "expired", "recorded"} <= states.keys(), states


def test_the_checker_finds_what_is_planted_in_the_day(lived: tuple[WorkingDay, Day]) -> None:
    record = lived[1]
    talk = next(
        one for one in record.contacts.values() if one.vendor is not None and one.may_be_talk()
    )
    copies = {f"planted-{number}": replace(talk) for number in range(3)}
    moved = replace(talk, requested_at=talk.requested_at + timedelta(hours=14))
    crowded = replace(record, contacts={**record.contacts, **copies})
    late = replace(record, contacts={**record.contacts, talk.contact_id: moved})
    unheard = [item for item in record.entries if item[1].get("permit") != talk.contact_id]

    assert any("more than 3 talks" in line for line in check(crowded))
    assert any("red" in line or "amber" in line for line in check(late))
    assert any("the log has no" in line for line in check(replace(record, entries=unheard)))


def test_no_forbidden_call_begins_on_a_day_in_slower_motion(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    _day, record = live(tmp_path / "sandbox", seconds=300, calls=15_000, seed=66)

    assert check(record) == []
