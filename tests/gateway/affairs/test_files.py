import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.affairs import files as limits
from gateway.affairs.files import FiledFile
from gateway.affairs.files_format import MediaType, media_type_of, verify_content
from gateway.affairs.grievance import Grievance
from gateway.affairs.rectifications import Notice
from gateway.affairs.vendor_desk import Paper
from gateway.errors import (
    ContentMismatchError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.intake.recordings import years_after
from tests.gateway.affairs.settling import Settling
from tests.gateway.intake.uploading import wav
from tests.gateway.store.lender import START, Lender

ACTOR = "staff:wang"
SOUND = {
    MediaType.PDF: b"%PDF-1.7\n",
    MediaType.JPEG: b"\xff\xd8\xff\xe0",
    MediaType.PNG: b"\x89PNG\r\n\x1a\n",
    MediaType.WAV: wav(0.01),
    MediaType.MPEG: b"ID3\x04" + bytes(12),
    MediaType.OGG: b"OggS" + bytes(12),
    MediaType.AMR: b"#!AMR\n" + bytes(12),
}


@pytest.fixture(autouse=True)
def _the_clock_starts_anew(shared_lender: Lender) -> Iterator[None]:
    shared_lender.clock.at = START
    yield
    shared_lender.clock.at = START


@pytest.mark.parametrize("kind", MediaType)
def test_a_file_begins_as_its_type_says_and_is_nothing_else(kind: MediaType) -> None:
    assert media_type_of(f"{kind.value.upper()}; charset=utf-8") is kind
    verify_content(kind, SOUND[kind])
    for other in MediaType:
        if other is not kind:
            with pytest.raises(RequestInvalidError, match="first bytes"):
                verify_content(other, SOUND[kind])


@pytest.mark.parametrize("header", ["", "text/html", "application/zip", "image/svg+xml", "image/"])
def test_other_types_are_not_taken(header: str) -> None:
    with pytest.raises(RequestInvalidError, match="Content-Type"):
        media_type_of(header)


def test_a_file_is_kept_once_and_read_for_a_reason_that_is_logged(settling: Settling) -> None:
    affair_id, content = _complaint(settling), _pdf()

    filed = _file(settling, affair_id, content)

    assert (filed.is_new, _file(settling, affair_id, content)) == (
        True,
        FiledFile(filed.file_id, filed.sha256, is_new=False),
    )
    received = settling.debtors.entries("file.received")
    assert [entry["sha256"] for entry in received].count(filed.sha256) == 1
    read = settling.files.read(
        "complaint", affair_id, filed.file_id, reason="decision", actor=ACTOR
    )
    assert read == ("application/pdf", content)
    entry = settling.debtors.entries("file.read")[0]
    assert (entry["file"], entry["reason"], entry["actor"]) == (
        str(filed.file_id),
        "decision",
        ACTOR,
    )
    listed = settling.complaints.read(affair_id, reason="decision", actor=ACTOR)["files"]
    assert [(one["sha256"], one["bytes"]) for one in listed] == [(filed.sha256, len(content))]
    (row,) = settling.lender.query(
        "SELECT sealed FROM casegate.affair_file WHERE file_id = %s", (filed.file_id,)
    )
    assert isinstance(row[0], bytes)
    assert content[:8] not in row[0]


def test_a_file_that_is_not_what_its_name_says_is_not_kept(settling: Settling) -> None:
    affair_id = _complaint(settling)

    with pytest.raises(ContentMismatchError):
        _file(settling, affair_id, _pdf(), sha256="0" * 64)
    with pytest.raises(RequestInvalidError, match="first bytes"):
        _file(settling, affair_id, b"MZ\x90\x00")
    for size in (0, limits.MAX_BYTES + 1):
        with pytest.raises(RequestInvalidError, match="10 MiB"):
            _file(settling, affair_id, bytes(size))
    assert settling.complaints.read(affair_id, reason="check", actor=ACTOR)["files"] == []


def test_a_file_is_for_an_affair_of_the_vendors_own_that_is_open(
    settling: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    affair_id = _complaint(settling)
    unseen = _complaint(settling, is_asked=False)
    for vendor, affair in (("beta", affair_id), ("alpha", unseen), ("alpha", uuid4())):
        with pytest.raises(NotFoundError):
            _file(settling, affair, _pdf(), vendor=vendor)

    monkeypatch.setattr(limits, "MAX_FILES", 2)
    filed = [_file(settling, affair_id, _pdf()) for _ in range(2)]
    with pytest.raises(IllegalTransitionError, match="as many files"):
        _file(settling, affair_id, _pdf())
    settling.complaints.move(affair_id, "withdraw", actor=ACTOR)
    with pytest.raises(IllegalTransitionError):
        _file(settling, affair_id, _pdf())

    with pytest.raises(NotFoundError):
        settling.files.read("complaint", unseen, filed[0].file_id, reason="check", actor=ACTOR)


def test_a_file_is_erased_when_its_time_and_its_affair_are_over(settling: Settling) -> None:
    affair_id, open_one = _complaint(settling), _complaint(settling)
    filed, kept = _file(settling, affair_id, _pdf()), _file(settling, open_one, _pdf())
    settling.complaints.move(affair_id, "withdraw", actor=ACTOR)
    settling.lender.clock.at = years_after(START, 5) - timedelta(days=1)
    settling.keeper.keep_time()
    assert _read(settling, affair_id, filed)

    settling.lender.clock.at = years_after(START, 5)
    settling.keeper.keep_time()

    with pytest.raises(NotFoundError):
        _read(settling, affair_id, filed)
    assert _read(settling, open_one, kept)
    erased = [entry["file"] for entry in settling.debtors.entries("file.erased")]
    assert erased.count(str(filed.file_id)) == 1
    assert str(kept.file_id) not in erased


def test_a_notice_takes_files_too_and_says_which_are_missing(settling: Settling) -> None:
    notice = Notice(
        *("alpha", "alpha-2026", "minor", "inspection", (f"c-{uuid4().hex[:8]}",)),
        *("登记资料不全", ("补齐资料",)),
    )
    number = settling.notices.draft(notice, actor=ACTOR, repeat=(None, None))["affair_id"]
    content, principal = _pdf(), settling.debtors.principal()
    with pytest.raises(NotFoundError):  # a draft is the company's own
        _file(settling, number, content, kind="rectification")
    settling.notices.issue(number, actor=ACTOR)
    filed = _file(settling, number, content, kind="rectification")
    affairs = settling.vendor_side[0]
    for move in ("acknowledge", "submit_plan"):
        paper = Paper(files=(filed.sha256, "a" * 64)) if move == "submit_plan" else Paper()
        affairs.move(principal, "rectification", number, move, paper)

    read = settling.notices.read("rectification", number)

    assert [one["file_id"] for one in read["files"]] == [filed.file_id]
    assert read["files_missing"] == ["a" * 64]
    opened = settling.files.read(
        "rectification", number, filed.file_id, reason="re_test", actor=ACTOR
    )
    assert opened[1] == content
    with pytest.raises(NotFoundError):  # of a notice, and not of a complaint
        settling.files.read("complaint", number, filed.file_id, reason="re_test", actor=ACTOR)


def test_the_files_of_an_erased_person_go_with_him(settling: Settling) -> None:
    affair_id = _complaint(settling)
    filed = _file(settling, affair_id, _pdf())

    with settling.lender.role() as connection, connection.transaction():
        person = settling.debtors.person(settling.debtors.refs[0])
        connection.execute("SELECT casegate.erase_people(ARRAY[%s]::bytea[])", (person,))

    with pytest.raises(NotFoundError):
        _read(settling, affair_id, filed)


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _pdf() -> bytes:
    return b"%PDF-1.7\n" + uuid4().bytes


def _read(settling: Settling, affair_id: UUID, filed: FiledFile) -> bytes:
    desk = settling.files
    return desk.read("complaint", affair_id, filed.file_id, reason="check", actor=ACTOR)[1]


def _file(
    settling: Settling,
    affair_id: UUID,
    content: bytes,
    *,
    vendor: str = "alpha",
    kind: str = "complaint",
    **changes: Any,
) -> FiledFile:
    named = {
        "sha256": digest_of(content),
        "media_type": MediaType.PDF,
        "content": content,
        **changes,
    }
    principal = settling.debtors.principal(vendor)
    return settling.filing.file(principal, kind, affair_id, **named)


def _complaint(settling: Settling, *, is_asked: bool = True) -> UUID:
    grievance = Grievance(
        *("alpha", "alpha-2026", settling.debtors.refs[0], START, "hotline", "customer"),
        *("attitude", ("rude_words",), "态度恶劣"),
    )
    made = settling.complaints.register(grievance, actor=ACTOR, repeat=(None, None))
    affair_id = UUID(str(made["affair_id"]))
    if is_asked:
        settling.complaints.request_evidence(affair_id, ["call-1"], 4, actor=ACTOR)
    return affair_id
