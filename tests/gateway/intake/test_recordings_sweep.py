from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from gateway.errors import GatewayError, IllegalTransitionError, NotFoundError, UploadRefusedError
from gateway.identity.principal import StaffRole
from gateway.installation import kek_keys
from gateway.intake.recording_store import incoming_path
from gateway.intake.recordings import years_after
from gateway.intake.recordings_desk import HearingReason
from gateway.key_office import KeyOffice
from gateway.operations.rotation import KeyPurpose
from keys.errors import EnvelopeError, KeyRotationError
from keys.kek import KeyRing
from tests.gateway.contact.centre import id_number
from tests.gateway.intake.uploading import Uploading, wav
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row

_RECORD = """
INSERT INTO casegate.call_record (vendor_id, contract_id, call_id, case_id, agent_ref, direction,
  call_kind, started_at, ended_at, talk_s, result_code, disclosures, summary_state, received_at,
  batch_id, body_sha256, recording_sha256)
VALUES ('alpha', 'alpha-2026', %s, %s, 'alpha-001', 'outbound', 'interactive', %s, %s, %s,
  'RPC_PTP', '{}', 'none', %s, %s, '', %s)
"""


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    directory = tmp_path_factory.mktemp("lender")
    lender = Lender.fresh(postgres_url, directory)
    rows = [case_row(number, id_number=id_number(number)) for number in range(3)]
    lender.put(directory / "cases.csv", "\n".join([HEADER, *rows]))
    return lender


@pytest.fixture
def uploading(lender: Lender, tmp_path: Path) -> Uploading:
    lender.clock.at = START
    return Uploading(lender, tmp_path)


@pytest.fixture
def call() -> str:
    return f"C-{uuid4().hex[:12]}"


def _case(lender: Lender, number: int) -> UUID:
    rows = lender.query("SELECT case_id FROM casegate.assigned_case ORDER BY sequence")
    return UUID(str(rows[number][0]))


def _put_record(
    uploading: Uploading, call: str, talk_s: int, *, case: int = 0, sha256: bytes | None = None
) -> None:
    case_id = _case(uploading.lender, case)
    row = (call, case_id, START, START, talk_s, START, uuid4(), sha256)
    with uploading.lender.owner() as connection:
        connection.execute(_RECORD.encode(), row)


def test_a_recording_is_compared_with_the_talk_time_that_came_before_it(
    uploading: Uploading, call: str
) -> None:
    _put_record(uploading, f"{call}-a", 12)
    _put_record(uploading, f"{call}-b", 300)

    near, far = uploading.send(f"{call}-a", wav(10)), uploading.send(f"{call}-b", wav(12))

    assert uploading.findings(near) == []
    assert uploading.findings(far) == [("RECORDING_DURATION", "major")]
    assert uploading.sweep().keep_time() == 0


def test_a_recording_is_compared_with_the_talk_time_that_comes_after_it(
    uploading: Uploading, call: str
) -> None:
    recording_id = uploading.send(call, wav(12))
    uploading.sweep().keep_time()
    assert uploading.findings(recording_id) == []
    _put_record(uploading, call, 300)

    assert uploading.sweep().keep_time() == 1
    assert uploading.sweep().keep_time() == 0

    assert uploading.findings(recording_id) == [("RECORDING_DURATION", "major")]


def test_a_recording_that_is_not_the_one_of_its_record_is_a_critical_finding(
    uploading: Uploading, call: str
) -> None:
    recording_id = uploading.send(call, wav(12))
    _put_record(uploading, call, 12, sha256=bytes(32))

    uploading.sweep().keep_time()

    assert uploading.findings(recording_id) == [("RECORDING_CHANGED", "critical")]


def test_an_erased_person_is_not_heard_any_more(uploading: Uploading, call: str) -> None:
    gone, held = uploading.send(call, wav(3)), uploading.send(f"{call}-held", wav(3))
    for one in (call, f"{call}-held"):
        _put_record(uploading, one, 3, case=2)
    uploading.company().hold(held, HearingReason.COURT, actor="staff:sun")
    case_id = _case(uploading.lender, 2)

    with uploading.lender.owner() as connection, connection.transaction():
        connection.execute("DELETE FROM casegate.assigned_case WHERE case_id = %s", (case_id,))
        connection.execute("DELETE FROM casegate.case_record WHERE case_id = %s", (case_id,))

    assert (uploading.state(gone), uploading.state(held)) == ("erased", "verified")
    uploading.sweep().keep_time()
    assert [path.stem for path in uploading.directory.rglob("*.sealed")] == [held.hex]


def test_what_is_over_its_time_is_erased_by_its_key_and_then_by_its_bytes(
    uploading: Uploading, call: str
) -> None:
    recording_id = uploading.send(call, wav(1))
    uploading.lender.clock.at = years_after(START, 5) - timedelta(days=1)
    uploading.sweep().keep_time()
    assert uploading.heard(recording_id) == wav(1)

    uploading.lender.clock.at = years_after(START, 5)
    replace(uploading.sweep(), retention_years=6).keep_time()
    assert uploading.state(recording_id) == "verified"  # a longer time holds for what is here

    uploading.sweep().keep_time()

    assert uploading.state(recording_id) == "erased"
    with pytest.raises(NotFoundError):
        uploading.heard(recording_id)
    assert uploading.lender.query(
        "SELECT wrapped_key, erased_why FROM casegate.recording WHERE recording_id = %s",
        (recording_id,),
    ) == [(None, "retention")]
    assert list(uploading.directory.rglob("*.sealed")) == []
    with pytest.raises(UploadRefusedError, match="UPLOAD_OVER"):
        uploading.send(call, wav(1))


def test_what_an_open_complaint_asked_for_is_kept_until_it_is_over(
    uploading: Uploading, call: str
) -> None:
    recording_id = uploading.send(call, wav(1))
    state = "UPDATE casegate.affair SET state = %s WHERE call_ids = ARRAY[%s]"
    with uploading.lender.owner() as connection:
        connection.execute(
            "INSERT INTO casegate.affair (affair_id, kind, vendor_id, contract_id, state, codes,"
            " call_ids, opened_at, opened_by, due_at) VALUES (%s, 'complaint', 'alpha',"
            " 'alpha-2026', 'investigating', '{rude_words}', ARRAY[%s], %s, 'staff:li', %s)",
            (uuid4(), call, START, START),
        )
        uploading.lender.clock.at = years_after(START, 6)
        uploading.sweep().keep_time()
        assert uploading.state(recording_id) == "verified"

        connection.execute(state, ("closed", call))
        uploading.sweep().keep_time()
        assert uploading.state(recording_id) == "erased"


def test_a_legal_hold_outlasts_retention_and_two_lift_it(uploading: Uploading, call: str) -> None:
    recording_id, company = uploading.send(call, wav(1)), uploading.company()
    company.hold(recording_id, HearingReason.COURT, actor="staff:sun")
    with pytest.raises(IllegalTransitionError):
        company.hold(recording_id, HearingReason.COURT, actor="staff:sun")
    uploading.lender.clock.at = years_after(START, 6)
    uploading.sweep().keep_time()
    assert uploading.state(recording_id) == "verified"

    proposal = company.free(recording_id, actor="staff:sun")
    assert isinstance(proposal, UUID)
    assert company.free(recording_id, actor="staff:sun") == proposal
    office = uploading.lender.office()
    with pytest.raises(GatewayError, match="another person"):
        office.scopes().approve(proposal, role=StaffRole.COMPLIANCE, actor="staff:sun")
    office.scopes().approve(proposal, role=StaffRole.COMPLIANCE, actor="staff:wu")
    freed = company.free(recording_id, actor="staff:sun")

    assert isinstance(freed, dict)
    assert freed["legal_hold"] is False
    uploading.sweep().keep_time()
    assert uploading.state(recording_id) == "erased"


def test_an_upload_that_is_not_finished_in_time_is_over(uploading: Uploading, call: str) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    part = desk.resume(own, recording_id, 0, None)
    part.write(content[:5000])
    desk.settle(own, part)
    uploading.lender.clock.at += timedelta(hours=25)

    with pytest.raises(UploadRefusedError, match="UPLOAD_OVER"):
        desk.look(own, recording_id)
    uploading.sweep().keep_time()

    assert desk.one(own, recording_id)["erased_why"] == "expired"
    assert not incoming_path(uploading.directory, recording_id).exists()


def test_recordings_move_to_a_new_key_encryption_key_before_the_old_one_retires(
    uploading: Uploading, call: str
) -> None:
    recording_id = uploading.send(call, wav(1))
    office = KeyOffice(uploading.lender.database, uploading.lender.clock)
    rotation = office.rotate(KeyPurpose.KEK, actor=ACTOR)
    newest = KeyRing(kek_keys(uploading.lender.database.settings)[:1])
    company = replace(uploading.company(), kek=lambda: newest)

    def heard() -> bytes:
        hearing = company.hear(recording_id, HearingReason.COURT, (0, None), actor="staff:sun")
        return b"".join(hearing.content)

    with pytest.raises(EnvelopeError):
        heard()
    with pytest.raises(KeyRotationError):
        office.retire(KeyPurpose.KEK, str(rotation.previous_id), actor=ACTOR)
    assert office.rewrap(actor=ACTOR, progress=lambda _done, _all: None).left == 0

    assert heard() == wav(1)
    office.retire(KeyPurpose.KEK, str(rotation.previous_id), actor=ACTOR)
