from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.encoding import canonical
from audit.entry import EventType
from gateway.errors import NotFoundError
from gateway.offboarding.errors import ReportError
from gateway.offboarding.printing import print_report
from gateway.offboarding.report import Report
from gateway.offboarding.signature import read_report_key, sign_detached, verify_detached
from tests.gateway.offboarding.stage import CONTRACT, Stage
from tests.gateway.store.lender import ACTOR


@pytest.fixture
def stage(postgres_url: str, tmp_path: Path) -> Stage:
    made = Stage.make(postgres_url, tmp_path)
    made.load_policy()
    made.release(0, 3)
    made.offboard()
    return made


def _verify(stage: Stage, report: Report) -> None:
    settings = stage.lender.database.settings
    key = read_report_key(settings.resolve(settings.offboarding.report_key).read_bytes())
    verify_detached(key, report.document, report.signature)
    verify_detached(key, report.pdf, report.pdf_signature)


def test_the_report_says_what_was_done_and_is_signed(stage: Stage) -> None:
    report = stage.desk.report(CONTRACT)

    _verify(stage, report)
    said = orjson.loads(report.document)
    assert report.document == canonical(said)
    assert (said["kind"], said["vendor"], said["contract"]) == ("end", "alpha", CONTRACT)
    assert said["end"]["cases_recalled"] == 4
    assert said["inventory"]["cases"] == 2
    assert said["request"]["working_days"] == 10
    assert "destruction" not in said
    told = [entry for entry in stage.entries(EventType.OFFBOARDING_ADVANCED) if "report" in entry]
    assert [entry["sha256"] for entry in told] == [report.sha256]


def test_accepting_the_certificate_ends_in_a_second_report_with_it(stage: Stage) -> None:
    first = stage.desk.report(CONTRACT)
    filing = stage.file(stage.closing_principal())
    stage.desk.accept(CONTRACT, actor=ACTOR)

    report = stage.desk.report(CONTRACT)

    _verify(stage, report)
    said = orjson.loads(report.document)
    assert said["kind"] == "closed"
    (certified,) = said["destruction"]["certificates"]
    assert (certified["status"], certified["document_sha256"]) == (
        "accepted",
        filing.document_sha256,
    )
    assert said["end"] == orjson.loads(first.document)["end"]
    assert [notice["kind"] for notice in said["destruction"]["notices"]] == ["asked"]


def _shown(text: str) -> bytes:
    """How a page of the PDF holds a text in the font of two-byte characters."""
    raw = text.encode("utf-16-be")
    special = {0x28: b"\\(", 0x29: b"\\)", 0x5C: b"\\\\"}
    return b"".join(special.get(byte) or bytes([byte]) for byte in raw)


def _is_shown(pdf: bytes, text: str) -> bool:
    plain = "".join(
        f"\\{byte:03o}" if byte < 32 or byte > 126 else chr(byte)
        for byte in text.encode("utf-16-be")
    )
    return _shown(text) in pdf or plain.encode() in pdf


def test_the_pdf_shows_the_same_facts_and_the_digest_of_the_json(stage: Stage) -> None:
    report = stage.desk.report(CONTRACT)

    assert report.pdf.startswith(b"%PDF-")
    assert b"STSong-Light" in report.pdf
    for text in (report.sha256, "合同终止报告", "cases_recalled: 4", "销毁要求"):
        assert _is_shown(report.pdf, text), text


def test_the_same_content_prints_to_the_same_bytes(stage: Stage) -> None:
    content = orjson.loads(stage.desk.report(CONTRACT).document)

    assert print_report(content, "0" * 64) == print_report(content, "0" * 64)


def test_a_long_list_is_cut_in_print_and_names_from_a_vendor_cannot_break_the_page() -> None:
    content = {
        "kind": "closed",
        "contract": "alpha-2026",
        "end": {"certificates": [{"system": f"<b>{number}</i>&"} for number in range(300)]},
        "inventory": {},
    }

    pdf = print_report(content, "0" * 64)

    assert _is_shown(pdf, "100 more")
    assert _is_shown(pdf, "<b>7</i>&")


def test_what_was_altered_or_signed_by_another_does_not_verify() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signature = sign_detached(key, b"content")

    verify_detached(key.public_key(), b"content", signature)
    head, _, tail = signature.split(".")
    for content, wrong, by in (
        (b"contenT", signature, key),
        (b"content", signature, other),
        (b"content", sign_detached(other, b"content"), key),
        (b"content", f"{head}.Y29udGVudA.{tail}", key),
        (b"content", "nothing", key),
        (b"content", "!..!", key),
        (b"content", f"e30..{tail}", key),
        (b"content", f"W10..{tail}", key),
    ):
        with pytest.raises(ReportError):
            verify_detached(by.public_key(), content, wrong)


def test_only_an_ed25519_public_key_is_a_report_key() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    curve = generate_private_key(SECP256R1()).public_key()
    for pem in (b"no", curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        with pytest.raises(ReportError):
            read_report_key(pem)


def test_before_an_end_there_is_no_report(stage: Stage) -> None:
    with pytest.raises(NotFoundError):
        stage.desk.report("beta-2026")
