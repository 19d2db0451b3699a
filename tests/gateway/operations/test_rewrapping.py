import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.cases.record import StoredCase, open_record
from gateway.installation import kek_keys, kek_slot
from gateway.key_office import KeyOffice
from gateway.operations.rewrapping import rewrap_cases
from gateway.operations.rotation import KeyPurpose
from keys.errors import EnvelopeError, KeyFileError, KeyRotationError
from keys.kek import KeyRing
from tests.gateway.store.lender import ACTOR, HEADER, Lender, case_row

CASES = 60
KEK = KeyPurpose.KEK


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    lender = Lender.fresh(postgres_url, tmp_path)
    lender.put(tmp_path / "a.csv", "\n".join([HEADER, *map(case_row, range(CASES))]))
    return lender


def _office(lender: Lender) -> KeyOffice:
    return KeyOffice(lender.database, lender.clock)


def _counts(lender: Lender) -> dict[str, int]:
    rows = lender.query("SELECT kek_id, count(*)::int FROM casegate.case_record GROUP BY 1")
    return {str(kek): int(str(count)) for kek, count in rows}


def _open_all(lender: Lender, ring: KeyRing) -> int:
    rows = lender.query(
        "SELECT a.sequence, r.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment,"
        " r.kek_id, r.wrapped_key, r.sealed FROM casegate.assigned_case a"
        " JOIN casegate.case_record r USING (case_id)"
    )
    return len([open_record(StoredCase(*row), ring) for row in rows])  # type: ignore[arg-type]


def _ring(lender: Lender) -> KeyRing:
    return KeyRing(kek_keys(lender.database.settings))


def test_after_a_rotation_new_cases_hang_on_the_new_key_and_old_ones_still_open(
    lender: Lender, tmp_path: Path
) -> None:
    rotation = _office(lender).rotate(KEK, actor=ACTOR)
    lender.put(tmp_path / "b.csv", f"{HEADER}\n{case_row(CASES)}")

    assert _counts(lender) == {rotation.previous_id: CASES, rotation.key_id: 1}
    assert _open_all(lender, _ring(lender)) == CASES + 1


def test_rewrapping_moves_every_case_and_leaves_every_ciphertext(lender: Lender) -> None:
    sealed = "SELECT case_id, sealed, updated_at FROM casegate.case_record ORDER BY 1"
    before = lender.query(sealed)
    rotation = _office(lender).rotate(KEK, actor=ACTOR)
    heard: list[tuple[int, int]] = []
    done = _office(lender).rewrap(
        actor=ACTOR, progress=lambda cases, total: heard.append((cases, total))
    )

    assert (done.cases, done.left) == (CASES, 0)
    assert heard[-1] == (CASES, CASES)
    assert _counts(lender) == {rotation.key_id: CASES}
    assert lender.query(sealed) == before
    alone = KeyRing(kek_keys(lender.database.settings)[:1])
    assert _open_all(lender, alone) == CASES
    again = _office(lender).rewrap(actor=ACTOR, progress=lambda _cases, _total: None)
    assert (again.cases, again.left) == (0, 0)


def test_a_key_retires_only_when_no_case_hangs_on_it_and_its_file_is_kept(
    lender: Lender,
) -> None:
    office = _office(lender)
    old = office.rotate(KEK, actor=ACTOR).previous_id
    with pytest.raises(KeyRotationError, match=f"{CASES} cases hang on key {old}"):
        office.retire(KEK, old, actor=ACTOR)
    office.rewrap(actor=ACTOR, progress=lambda _cases, _total: None)
    office.retire(KEK, old, actor=ACTOR)

    slot = kek_slot(lender.database.settings)
    assert slot is not None
    assert old not in _ring(lender).kek_ids
    assert slot.active.with_name(f"kek.retired-{old}.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyRotationError, match="no kek key"):
        office.retire(KEK, old, actor=ACTOR)


def test_a_key_does_not_retire_while_an_import_may_use_it(lender: Lender) -> None:
    office = _office(lender)
    old = office.rotate(KEK, actor=ACTOR).previous_id
    office.rewrap(actor=ACTOR, progress=lambda _cases, _total: None)
    with lender.role() as importing:
        importing.execute("SELECT pg_advisory_lock(7310202)")
        with pytest.raises(KeyRotationError, match="an import is running"):
            office.retire(KEK, old, actor=ACTOR)


def test_two_runs_do_not_rewrap_at_once(lender: Lender) -> None:
    with lender.role() as other:
        other.execute("SELECT pg_advisory_lock(7310203)")
        with pytest.raises(KeyRotationError, match="already"):
            _office(lender).rewrap(actor=ACTOR, progress=lambda _cases, _total: None)


def test_a_case_of_an_unknown_key_stops_the_run_and_is_not_changed(lender: Lender) -> None:
    lender.query(
        "UPDATE casegate.case_record SET kek_id = 'lost' WHERE case_id ="
        " (SELECT case_id FROM casegate.case_record LIMIT 1) RETURNING 1"
    )
    _office(lender).rotate(KEK, actor=ACTOR)

    with pytest.raises(EnvelopeError, match="not loaded"):
        _office(lender).rewrap(actor=ACTOR, progress=lambda _cases, _total: None)
    assert _counts(lender)["lost"] == 1


def test_a_row_that_is_being_changed_is_met_in_a_later_pass(lender: Lender) -> None:
    _office(lender).rotate(KEK, actor=ACTOR)
    ring = _ring(lender)
    with lender.owner() as other, lender.role() as connection:
        other.execute("BEGIN")
        other.execute(
            "SELECT 1 FROM casegate.case_record WHERE case_id ="
            " (SELECT min(case_id::text)::uuid FROM casegate.case_record) FOR UPDATE"
        )
        timer = threading.Timer(0.5, lambda: other.execute("COMMIT"))
        timer.start()
        done = rewrap_cases(connection, ring, actor=ACTOR, at=lender.clock.now(), batch=7)
        timer.join()

    assert (done.cases, done.left) == (CASES, 0)


KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from gateway.operations.rewrapping import rewrap_cases
from keys.kek import KeyRing, LocalKeyEncryptionKey, read_secret_key
from datetime import datetime, UTC
url, *files = sys.argv[1:]
ring = KeyRing(LocalKeyEncryptionKey(read_secret_key(f"file:{f}", Path("/"), {})) for f in files)
def die(done, total):
    if done >= 20:
        os.kill(os.getpid(), signal.SIGKILL)
with psycopg.connect(url, autocommit=True) as connection:
    rewrap_cases(connection, ring, actor="cli:killed", at=datetime(2026, 5, 1, tzinfo=UTC),
                 progress=die, batch=10)
"""


def test_a_run_that_was_killed_is_run_again_and_finds_what_is_left(lender: Lender) -> None:
    rotation = _office(lender).rotate(KEK, actor=ACTOR)
    slot = kek_slot(lender.database.settings)
    assert slot is not None
    url = lender.database.conninfo("company")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, *map(str, slot.known())],
        env={**os.environ},
        timeout=60,
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    assert _counts(lender) == {rotation.key_id: 20, rotation.previous_id: CASES - 20}
    assert _open_all(lender, _ring(lender)) == CASES
    done = _office(lender).rewrap(actor=ACTOR, progress=lambda _cases, _total: None)
    assert (done.cases, done.left) == (CASES - 20, 0)


def test_a_rotation_that_was_killed_after_its_announcement_goes_on_with_that_key(
    lender: Lender,
) -> None:
    slot = kek_slot(lender.database.settings)
    assert slot is not None
    slot.announce(b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
    announced = _ring(lender).kek_ids[1]

    assert _office(lender).rotate(KEK, actor=ACTOR).key_id == announced


def test_a_worker_that_has_not_loaded_the_key_holds_the_rotation_back(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    monkeypatch.setattr("gateway.operations.rotation._PATIENCE", timedelta(seconds=0.3))
    before = _ring(lender).kek_id
    lender.query(
        "INSERT INTO casegate.worker (worker_id, listener, host, pid, epoch)"
        " VALUES (gen_random_uuid(), 'vendor', 'elsewhere', 1, 1) RETURNING 1"
    )

    with pytest.raises(KeyRotationError, match="1 of 1 workers have not loaded"):
        _office(lender).rotate(KEK, actor=ACTOR)
    assert _ring(lender).kek_id == before


def test_what_the_rotation_leaves_in_files_can_be_read_by_its_owner_alone(lender: Lender) -> None:
    _office(lender).rotate(KEK, actor=ACTOR)
    slot = kek_slot(lender.database.settings)
    assert slot is not None

    assert [path.stat().st_mode & 0o777 for path in slot.known()] == [0o600] * 2
    slot.known()[1].chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        _ring(lender)
