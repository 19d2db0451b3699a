from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.entry import EventType
from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from gateway.identity.principal import VendorPrincipal
from gateway.offboarding.certificate import MAX_DOCUMENT_BYTES, RetainedData
from gateway.offboarding.record import Step
from tests.gateway.offboarding.stage import CONTRACT, PAPER, Stage
from tests.gateway.store.lender import ACTOR, START


@pytest.fixture
def stage(postgres_url: str, tmp_path: Path) -> Stage:
    made = Stage.make(postgres_url, tmp_path)
    made.desk.add_sub_processor("alpha", CONTRACT, "cloud-voice", name="云语音", actor=ACTOR)
    made.release(0)
    made.offboard()
    return made


@pytest.fixture
def closing(stage: Stage) -> VendorPrincipal:
    return stage.closing_principal()


NAMED: dict[str, Any] = {"sub_processors": ("cloud-voice",)}


def test_a_complete_certificate_is_filed_and_stands_in_the_log_by_digest(
    stage: Stage, closing: VendorPrincipal
) -> None:
    filing = stage.file(closing, **NAMED)

    (entry,) = stage.entries(EventType.DESTRUCTION_CERTIFIED)
    (filed,) = stage.desk.one(CONTRACT)["certificates"]
    assert (entry["destruction"], entry["document_sha256"]) == (
        str(filing.certificate_id),
        filing.document_sha256,
    )
    assert (filed["status"], filed["says"]["signer"]["name"]) == ("filed", "王经理")
    assert "王经理" not in str(entry)
    assert stage.desk.paper(CONTRACT, filing.certificate_id) == ("application/pdf", PAPER)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"backups": ()}, "backups"),
        ({"systems": ()}, "systems"),
        ({"sub_processors": ()}, "cloud-voice"),
        ({"sub_processors": ("cloud-voice", "nobody-knows")}, "not on record"),
        ({"destroyed_on": date(2026, 5, 2)}, "to come"),
        ({"exceptions": (RetainedData("call list", " "),)}, "law"),
        ({"paper": b""}, "10 MiB"),
        ({"paper": bytes(MAX_DOCUMENT_BYTES + 1)}, "10 MiB"),
    ],
)
def test_an_incomplete_certificate_is_refused(
    stage: Stage, closing: VendorPrincipal, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(RequestInvalidError, match=why):
        stage.file(closing, **{**NAMED, **changes})
    assert stage.desk.one(CONTRACT)["certificates"] == []


def test_a_second_certificate_waits_until_the_first_is_contested(
    stage: Stage, closing: VendorPrincipal
) -> None:
    stage.file(closing, **NAMED)
    with pytest.raises(AlreadyExistsError):
        stage.file(closing, **NAMED)

    stage.desk.contest(CONTRACT, reason="the tape vault is not named", actor=ACTOR)
    stage.later(days=1)
    stage.file(closing, **NAMED)

    statuses = [one["status"] for one in stage.desk.one(CONTRACT)["certificates"]]
    assert statuses == ["contested", "filed"]


def test_accepting_closes_the_contract_and_its_last_credential(
    stage: Stage, closing: VendorPrincipal
) -> None:
    stage.file(closing, **NAMED)

    closed = stage.desk.accept(CONTRACT, actor=ACTOR)

    assert (closed.step, closed.contract_status) == (Step.CLOSED, "purged")
    assert stage.lender.query(
        "SELECT DISTINCT status FROM casegate.credential WHERE vendor_id = 'alpha'"
    ) == [("revoked",)]
    assert closed.facts["destruction"]["closing_certificates_revoked"] == [
        closing.thumbprint.hex()
    ]
    assert stage.desk.accept(CONTRACT, actor=ACTOR).facts == closed.facts
    with pytest.raises(NotFoundError):
        stage.file(closing, **NAMED)
    with pytest.raises(psycopg.Error) as caught:
        stage.closing_principal()
    assert caught.value.sqlstate == "CG031"


def test_without_a_filed_certificate_there_is_nothing_to_decide(stage: Stage) -> None:
    with pytest.raises(NotFoundError):
        stage.desk.accept(CONTRACT, actor=ACTOR)
    with pytest.raises(NotFoundError):
        stage.desk.contest(CONTRACT, reason="late", actor=ACTOR)
    with pytest.raises(RequestInvalidError):
        stage.desk.contest(CONTRACT, reason=" ", actor=ACTOR)
    assert stage.desk.one(CONTRACT)["contract_status"] == "purge_pending"


def test_before_the_end_and_with_a_working_credential_nothing_can_be_filed(stage: Stage) -> None:
    working = VendorPrincipal("alpha", CONTRACT, bytes(32), START + timedelta(days=9))
    other = VendorPrincipal(
        "beta",
        "beta-2026",
        bytes(32),
        START + timedelta(days=9),
        None,
        stage.closing_principal().scope,
    )

    for principal in (working, other):
        with pytest.raises(NotFoundError):
            stage.file(principal)


def test_a_sub_processor_is_recorded_once_under_a_contract_that_is_there(stage: Stage) -> None:
    add = stage.desk.add_sub_processor
    with pytest.raises(AlreadyExistsError):
        add("alpha", CONTRACT, "cloud-voice", name="again", actor=ACTOR)
    with pytest.raises(NotFoundError):
        add("alpha", "beta-2026", "cloud-voice", name="云", actor=ACTOR)
    with pytest.raises(RequestInvalidError):
        add("alpha", CONTRACT, "Cloud Voice", name="云", actor=ACTOR)


def test_a_document_is_found_under_its_own_contract_only(
    stage: Stage, closing: VendorPrincipal
) -> None:
    filing = stage.file(closing, **NAMED)

    with pytest.raises(NotFoundError):
        stage.desk.paper("beta-2026", filing.certificate_id)


def test_calls_without_a_recording_are_said_to_be_missing(stage: Stage) -> None:
    (row,) = stage.lender.query("SELECT case_id FROM casegate.assigned_case LIMIT 1")
    calls = (("told", 30), ("recorded", 30), ("no answer", 0))
    with stage.lender.owner() as connection:
        for name, talked in calls:
            connection.execute(
                "INSERT INTO casegate.call_record (vendor_id, contract_id, call_id, case_id,"
                " agent_ref, direction, call_kind, started_at, ended_at, talk_s, result_code,"
                " disclosures, summary_state, received_at, batch_id, body_sha256)"
                " VALUES ('alpha', %s, %s, %s, 'a1', 'outbound', 'interactive', %s, %s, %s,"
                " 'RPC_PTP', '{}', 'none', %s, gen_random_uuid(), '')",
                (CONTRACT, name, row[0], START, START, talked, START),
            )
        connection.execute(
            "INSERT INTO casegate.recording (recording_id, vendor_id, contract_id, call_id,"
            " sha256, bytes, codec, duration_s, started_at, ended_at, notice_given, state,"
            " received, kek_id, wrapped_key, announced_at, expires_at, retention_until)"
            " VALUES (gen_random_uuid(), 'alpha', %s, 'recorded', %s, 1, 'wav', 30, %s, %s, true,"
            " 'verified', 1, 'k', '', %s, %s, %s)",
            (CONTRACT, bytes(32), *(5 * (START,))),
        )

    missing = stage.desk.one(CONTRACT)["missing"]

    assert missing["recordings"] == {"count": 1, "first": ["told"]}
    assert missing["records"] == {"count": 0, "first": []}
