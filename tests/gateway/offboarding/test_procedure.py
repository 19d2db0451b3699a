import hashlib
import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from audit.entry import EventType
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.identity.principal import CredentialScope
from gateway.offboarding.desk import OffboardingDesk
from gateway.offboarding.ending import Terms, cut_term, end_contract
from gateway.offboarding.record import Offboarding, Step
from gateway.operations.approval import decide
from gateway.operations.invitation import invite, propose_closing
from gateway.operations.registration import VendorOwner, register_contract, register_credential
from keys.profiles import Profile
from tests.gateway.offboarding.stage import CONTRACT, ENDS, Stage, killed
from tests.gateway.store.lender import ACTOR, HEADER, START, case_row

pytestmark = pytest.mark.long

POINTS = [
    *(f"{when} {step.value}" for step in list(Step)[1:5] for when in ("before", "after")),
    "after report end",
]


@pytest.fixture
def stage(postgres_url: str, tmp_path: Path) -> Stage:
    made = Stage.make(postgres_url, tmp_path)
    made.load_policy()
    made.release(0, 1)
    made.release(1, 2, profile="p2")
    return made


def _standing(stage: Stage, vendor: str) -> dict[str, object]:
    rows = stage.lender.query(
        "SELECT k.status, (SELECT array_agg(c.status ORDER BY c.thumbprint)"
        " FROM casegate.credential c WHERE c.contract_id = k.contract_id),"
        " (SELECT array_agg(DISTINCT a.status) FROM casegate.assigned_case a"
        "   WHERE a.contract_id = k.contract_id),"
        " (SELECT count(*) FROM casegate.case_record r WHERE r.holder_vendor_id = k.vendor_id)"
        " FROM casegate.contract k WHERE k.vendor_id = %s",
        (vendor,),
    )
    status, credentials, cases, held = rows[0]
    return {"contract": status, "credentials": credentials, "cases": cases, "held": held}


def test_one_command_ends_everything_of_the_vendor_and_nothing_of_another(stage: Stage) -> None:
    beta = _standing(stage, "beta")

    ended = stage.offboard()

    assert (ended.step, ended.cause) == (Step.REQUESTED, "command")
    assert _standing(stage, "alpha") == {
        "contract": "purge_pending",
        "credentials": ["revoked"],
        "cases": ["recalled"],
        "held": 0,
    }
    assert _standing(stage, "beta") == beta
    (row,) = stage.lender.query(
        "SELECT revocation_reason, revoked_at FROM casegate.credential WHERE vendor_id = 'alpha'"
    )
    assert row == ("cessationOfOperation", stage.lender.clock.at)


def test_the_end_stands_in_the_log_with_what_it_took(stage: Stage) -> None:
    stage.offboard()

    (ended,) = stage.entries(EventType.CONTRACT_ENDED)
    (recalled,) = stage.entries(EventType.CASE_RECALLED)
    steps = [entry.get("step") for entry in stage.entries(EventType.OFFBOARDING_ADVANCED)]
    assert (ended["recalled"], ended["cause"]) == (4, "command")
    assert ended["certificates"] == [stage.lender.thumbprints["alpha"].hex()]
    assert sorted(recalled["cases"]) == sorted(stage.commitments)
    assert [step for step in steps if step] == ["obeyed", "listed", "inventoried", "requested"]


def test_the_pseudonym_key_of_the_contract_is_marked_as_dead(stage: Stage) -> None:
    stage.offboard()

    assert stage.lender.query(
        "SELECT key_id, retired_at FROM casegate.key_age WHERE purpose = 'pseudonym'"
    ) == [(f"alpha/{CONTRACT}", stage.lender.clock.at)]


def test_offboarding_twice_has_the_same_effect_and_the_same_report(stage: Stage) -> None:
    first = stage.offboard()
    report = stage.desk.report(CONTRACT)
    size = stage.lender.query("SELECT size FROM audit.tail")
    stage.later(hours=3)

    again = stage.offboard()

    assert again == first
    assert stage.desk.report(CONTRACT) == report
    assert stage.lender.query("SELECT size FROM audit.tail") == size


def test_two_commands_at_once_end_a_contract_once(stage: Stage) -> None:
    found: list[Offboarding] = []
    threads = [threading.Thread(target=lambda: found.append(stage.offboard())) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(found) == 2
    assert found[0] == found[1]
    assert len(stage.entries(EventType.CONTRACT_ENDED)) == 1
    steps = [entry.get("step") for entry in stage.entries(EventType.OFFBOARDING_ADVANCED)]
    assert [step for step in steps if step] == ["obeyed", "listed", "inventoried", "requested"]


def test_killed_in_the_transaction_of_the_end_nothing_has_happened(stage: Stage) -> None:
    def work() -> None:
        with stage.lender.role() as connection, connection.transaction():
            end_contract(connection, "alpha", CONTRACT, terms=Terms(), actor=ACTOR, at=START)
            os.kill(os.getpid(), signal.SIGKILL)

    before = _standing(stage, "alpha")

    assert killed(work)

    assert _standing(stage, "alpha") == before
    assert not stage.entries(EventType.CONTRACT_ENDED)


def test_killed_at_every_step_and_run_again_it_converges(stage: Stage) -> None:
    with stage.lender.role() as connection:
        end_contract(
            connection,
            "alpha",
            CONTRACT,
            terms=Terms(),
            actor=ACTOR,
            at=stage.lender.clock.now(),
        )

    for point in POINTS:
        assert stage.killed_at(point), point
    kept = stage.desk.report(CONTRACT)
    ended = stage.offboard()

    assert stage.desk.report(CONTRACT) == kept
    assert ended.step is Step.REQUESTED
    assert len(stage.entries(EventType.CONTRACT_ENDED)) == 1
    steps = [entry.get("step") for entry in stage.entries(EventType.OFFBOARDING_ADVANCED)]
    assert [step for step in steps if step] == ["obeyed", "listed", "inventoried", "requested"]
    assert ended.facts["inventory"]["releases_of_cases"] == 4
    path = stage.means.directory / CONTRACT / "inventory.ndjson"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == ended.facts["inventory"]["sha256"]
    assert list(path.parent.glob("*.part")) == []


def test_a_command_killed_after_its_first_word_is_carried_out_by_the_clockwork(
    stage: Stage,
) -> None:
    with stage.lender.role() as connection:
        assert cut_term(connection, "alpha", CONTRACT, actor=ACTOR, at=stage.lender.clock.now())
        assert not cut_term(
            connection, "alpha", CONTRACT, actor=ACTOR, at=stage.lender.clock.now()
        )

    stage.later(seconds=5)
    stage.desk.keep_time()

    (alpha,) = stage.desk.listing()
    assert (alpha["cause"], alpha["step"]) == ("command", "requested")
    assert alpha["ended_at"] == "2026-05-01T08:00:00.000Z"
    term = stage.desk.one(CONTRACT)["facts"]["end"]["term"]
    assert term["ends_at"] == "2026-08-09T08:00:00.000Z"


def test_by_itself_a_contract_ends_at_its_instant_and_not_before(stage: Stage) -> None:
    stage.lender.clock.at = ENDS - timedelta(microseconds=1)
    stage.desk.keep_time()
    assert _standing(stage, "alpha")["contract"] == "active"
    assert stage.desk.next_end() == ENDS

    stage.lender.clock.at = ENDS
    done = stage.desk.keep_time()

    assert done == 4  # two contracts ended, both gone on with
    (alpha,) = stage.desk.listing("alpha")
    assert (alpha["cause"], alpha["step"]) == ("term", "requested")
    assert stage.desk.next_end() is None
    assert stage.desk.keep_time() == 0


def test_what_was_left_half_done_is_taken_up_by_itself(stage: Stage) -> None:
    with stage.lender.role() as connection:
        end_contract(
            connection, "alpha", CONTRACT, terms=Terms(), actor=ACTOR, at=stage.lender.clock.now()
        )
    assert stage.killed_at("after listed")

    assert stage.desk.keep_time() == 1

    assert stage.desk.one(CONTRACT)["step"] == "requested"


def test_of_two_hosts_at_once_only_one_ends_it(stage: Stage) -> None:
    stage.lender.clock.at = ENDS
    threads = [threading.Thread(target=stage.desk.keep_time) for _ in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    ended = stage.entries(EventType.CONTRACT_ENDED)
    assert sorted(entry["contract"] for entry in ended) == ["alpha-2026", "beta-2026"]


@pytest.mark.parametrize(("vendor", "contract"), [("nobody", None), ("alpha", "beta-2026")])
def test_what_is_not_there_cannot_be_ended(
    stage: Stage, vendor: str, contract: str | None
) -> None:
    before = stage.lender.query("SELECT * FROM casegate.contract ORDER BY contract_id")

    with pytest.raises(NotFoundError):
        stage.desk.offboard(vendor, contract, actor=ACTOR)
    assert stage.lender.query("SELECT * FROM casegate.contract ORDER BY contract_id") == before


def test_a_contract_that_has_not_begun_is_not_ended(stage: Stage) -> None:
    stage.lender.clock.at = START - timedelta(days=200)

    with pytest.raises(RequestInvalidError, match="not begun"):
        stage.offboard()


@pytest.mark.parametrize(
    "change",
    [
        "SET status = 'active'",
        "SET ends_at = ends_at + interval '1 day'",
        "SET closing_until = closing_until + interval '1 day'",
    ],
)
def test_an_ended_contract_does_not_come_back(stage: Stage, change: str) -> None:
    stage.offboard()

    with pytest.raises(psycopg.Error) as caught, stage.lender.role() as connection:
        connection.execute(f"UPDATE casegate.contract {change} WHERE vendor_id = 'alpha'".encode())
    assert caught.value.sqlstate == "CG030"


def test_a_term_that_is_over_cannot_be_extended(stage: Stage) -> None:
    with pytest.raises(psycopg.Error) as caught, stage.lender.role() as connection:
        connection.execute("UPDATE casegate.contract SET ends_at = ends_at + interval '1 year'")
    assert caught.value.sqlstate == "CG030"


def test_an_ended_contract_gets_neither_cases_nor_a_working_credential(
    stage: Stage, tmp_path: Path
) -> None:
    stage.offboard()
    now = stage.lender.clock.now()
    issued = stage.lender.authority.issue(
        Profile.VENDOR_CLIENT,
        common_name="alpha",
        uris=["https://casegate.example/alpha/late"],
        not_before=now,
        not_after=now + timedelta(days=9),
    )

    with pytest.raises(NotFoundError):
        stage.lender.put(tmp_path / "late.csv", f"{HEADER}\n{case_row(900)}\n")
    with pytest.raises(psycopg.Error) as caught, stage.lender.role() as connection:
        connection.execute("UPDATE casegate.assigned_case SET status = 'assigned'")
    assert caught.value.sqlstate == "CG031"
    with pytest.raises(psycopg.Error) as caught, stage.lender.role() as connection:
        register_credential(
            connection, issued.certificate, VendorOwner("alpha", CONTRACT), actor=ACTOR, at=now
        )
    assert caught.value.sqlstate == "CG031"


def test_an_invitation_from_before_is_void_and_a_new_contract_needs_a_new_one(
    stage: Stage,
) -> None:
    now = stage.lender.clock.now()
    with stage.lender.role() as connection:
        invite(connection, vendor_id="alpha", contract_id=CONTRACT, actor=ACTOR, at=now)
    stage.offboard()
    void = stage.lender.query("SELECT expires_at <= %s FROM casegate.invitation", (now,))

    with stage.lender.role() as connection:
        register_contract(
            connection,
            "alpha-2027",
            vendor_id="alpha",
            starts_at=now,
            ends_at=now + timedelta(days=300),
            actor=ACTOR,
            at=now,
        )
        fresh = invite(
            connection,
            vendor_id="alpha",
            contract_id="alpha-2027",
            actor=ACTOR,
            at=stage.later(hours=1),
        )
        proposal = propose_closing(connection, "alpha", CONTRACT, actor=ACTOR, at=now)
        decide(connection, proposal, is_approved=True, actor="staff:li", at=now)
        closing = invite(
            connection,
            vendor_id="alpha",
            contract_id=CONTRACT,
            scope=CredentialScope.CLOSING,
            actor=ACTOR,
            at=stage.later(hours=1),
        )

    assert void == [(True,)]
    assert fresh.contract_id == "alpha-2027"
    assert closing.scope is CredentialScope.CLOSING
    assert stage.lender.query(
        "SELECT count(*) FROM casegate.credential WHERE contract_id = 'alpha-2027'"
    ) == [(0,)]


def test_a_worker_that_does_not_answer_is_told_of(stage: Stage) -> None:
    stage.lender.query(
        "INSERT INTO casegate.worker (worker_id, listener, host, pid, epoch, heard_at)"
        " VALUES (gen_random_uuid(), 'vendor', 'here', 1, 1, now() + interval '1 hour')"
        " RETURNING 1"
    )

    ended = stage.offboard()

    assert ended.facts["workers"]["complete"] is False
    assert (ended.facts["workers"]["workers"], ended.facts["workers"]["acknowledged"]) == (1, 0)


def test_the_desk_goes_on_past_a_contract_that_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **names: object) -> None:
        if "alpha" in str(arguments):
            raise RequestInvalidError("no")
        end_contract(*arguments, **names)  # type: ignore[arg-type]

    monkeypatch.setattr("gateway.offboarding.desk.end_contract", fail)
    stage.lender.clock.at = ENDS

    desk: OffboardingDesk = stage.desk
    desk.keep_time()

    assert [one["contract"] for one in desk.listing()] == ["beta-2026"]
