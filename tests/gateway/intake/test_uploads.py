import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from audit.bundle import decode_bundle
from gateway.errors import (
    GatewayError,
    NotFoundError,
    RateLimitedError,
    RequestInvalidError,
    UploadRefusedError,
)
from gateway.intake.recording_store import incoming_path
from gateway.intake.recordings import RecordingLimits
from gateway.intake.recordings_format import Codec
from gateway.intake.uploads_part import PartChecksum
from keys.errors import EnvelopeError
from tests.gateway.intake.uploading import Uploading, wav
from tests.gateway.store.lender import START, Lender


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def uploading(lender: Lender, tmp_path: Path) -> Uploading:
    lender.clock.at = START
    return Uploading(lender, tmp_path)


@pytest.fixture
def call() -> str:
    return f"C-{uuid4().hex[:12]}"


def _refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(GatewayError) as caught:
        act()
    assert caught.value.code == code


def test_a_recording_in_one_part_is_verified_and_comes_back_byte_by_byte(
    uploading: Uploading, call: str
) -> None:
    content = wav(3)

    recording_id = uploading.send(call, content)

    shown = uploading.desk().one(uploading.principal(), recording_id)
    assert (shown["state"], shown["measured_s"], shown["received"]) == (
        "verified",
        3.0,
        len(content),
    )
    assert uploading.heard(recording_id) == content
    assert uploading.heard(recording_id, (100, 300)) == content[100:300]
    assert uploading.findings(recording_id) == []


@pytest.mark.parametrize("step", [1000, 4097, 8192, 15_999])
def test_parts_of_any_size_make_the_same_recording(uploading: Uploading, step: int) -> None:
    content = wav(2)

    recording_id = uploading.send(f"C-{uuid4().hex[:12]}", content, step=step)

    assert uploading.state(recording_id) == "verified"
    assert uploading.heard(recording_id) == content


def test_nothing_of_it_lies_on_the_disk_in_clear(uploading: Uploading, call: str) -> None:
    content = wav(1, fill=b"spoken words ")

    uploading.send(call, content, step=5000)

    files = [path for path in uploading.directory.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert b"spoken words" not in files[0].read_bytes()
    assert files[0].stat().st_mode & 0o077 == 0


def test_an_upload_that_was_cut_off_goes_on_where_the_server_says(
    uploading: Uploading, call: str
) -> None:
    content, desk, own = wav(2), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    part = desk.resume(own, recording_id, 0, None)
    part.write(content[:7000])
    desk.note(own, part)
    part.write(content[7000:9000])
    part.close()  # as when the worker dies: the last 2,000 bytes were never told of

    assert desk.look(own, recording_id).received == 7000
    _refused("UPLOAD_OFFSET", lambda: desk.resume(own, recording_id, 9000, None))
    part = desk.resume(own, recording_id, 7000, None)
    part.write(content[7000:])
    receipt = desk.settle(own, part)

    assert receipt is not None
    assert uploading.state(recording_id) == "verified"
    assert uploading.heard(recording_id) == content


def test_a_whole_upload_whose_end_was_not_told_is_settled_when_somebody_looks(
    uploading: Uploading, call: str
) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    for is_moved in (False, True):
        recording_id, _ = desk.announce(own, uploading.wish(f"{call}-{is_moved}", content))
        part = desk.resume(own, recording_id, 0, None)
        part.write(content)
        desk.note(own, part)
        if is_moved:  # put in its place, and then the worker died
            uploading.kept.keep(recording_id, part.file.path)
        part.close()

        assert desk.look(own, recording_id).received == len(content)

        assert uploading.state(recording_id) == "verified"
        assert uploading.heard(recording_id) == content
        assert not incoming_path(uploading.directory, recording_id).exists()


def test_one_request_at_a_time_writes_to_an_upload(uploading: Uploading, call: str) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    part = desk.resume(own, recording_id, 0, None)

    _refused("UPLOAD_BUSY", lambda: desk.resume(own, recording_id, 0, None))

    part.close()
    desk.resume(own, recording_id, 0, None).close()


def test_content_that_disappeared_ends_the_upload_and_the_call_may_be_sent_anew(
    uploading: Uploading, call: str
) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    part = desk.resume(own, recording_id, 0, None)
    part.write(content[:5000])
    desk.settle(own, part)
    incoming_path(uploading.directory, recording_id).write_bytes(b"")

    _refused("UPLOAD_OVER", lambda: desk.resume(own, recording_id, 5000, None))

    assert desk.one(own, recording_id)["erased_why"] == "lost"
    assert uploading.state(uploading.send(call, content)) == "verified"


def test_another_content_than_was_announced_is_a_mismatch_and_a_finding(
    uploading: Uploading, call: str
) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    part = desk.resume(own, recording_id, 0, None)
    part.write(content[:-1] + b"!")

    _refused("RECORDING_MISMATCH", lambda: desk.settle(own, part))

    assert uploading.state(recording_id) == "mismatch"
    assert uploading.findings(recording_id) == [("RECORDING_MISMATCH", "major")]
    assert [path for path in uploading.directory.rglob("*") if path.is_file()] == []
    with pytest.raises(NotFoundError):
        uploading.heard(recording_id)
    assert uploading.state(uploading.send(call, content)) == "verified"


def test_what_is_not_of_its_codec_is_refused_with_its_first_bytes(
    uploading: Uploading, call: str
) -> None:
    content, desk, own = b"MZ" + bytes(500), uploading.desk(), uploading.principal()
    wish = uploading.wish(call, content, codec=Codec.MP3)
    recording_id, _ = desk.announce(own, wish)
    part = desk.resume(own, recording_id, 0, None)

    _refused("RECORDING_TYPE", lambda: part.write(content))

    part.close()
    assert desk.look(own, recording_id).received == 0


def test_first_bytes_sent_one_by_one_are_looked_at_in_the_end(
    uploading: Uploading, call: str
) -> None:
    content = b"MZ" + bytes(20)

    _refused(
        "RECORDING_MISMATCH",
        lambda: uploading.send(call, content, step=4, codec=Codec.OGG),
    )


def test_more_than_was_announced_is_refused(uploading: Uploading, call: str) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    part = desk.resume(own, recording_id, 0, None)

    _refused("RECORDING_TOO_LARGE", lambda: part.write(content + b"x"))
    part.close()


def test_a_part_with_a_wrong_checksum_leaves_nothing(uploading: Uploading, call: str) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, content))
    for algorithm in ("sha1", "sha256"):
        wrong = PartChecksum(algorithm, hashlib.new(algorithm, b"other").digest())
        part = desk.resume(own, recording_id, 0, wrong)
        part.write(content)
        with pytest.raises(UploadRefusedError, match="UPLOAD_CHECKSUM"):
            desk.settle(own, part)
        assert desk.look(own, recording_id).received == 0
    right = PartChecksum("sha256", hashlib.sha256(content).digest())
    part = desk.resume(own, recording_id, 0, right)
    part.write(content)
    desk.settle(own, part)

    assert uploading.state(recording_id) == "verified"


def test_the_same_announcement_leads_to_the_same_upload(uploading: Uploading, call: str) -> None:
    content, desk, own = wav(1), uploading.desk(), uploading.principal()
    wish = uploading.wish(call, content)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _n: desk.announce(own, wish)[0], range(8)))

    assert len(set(found)) == 1
    uploading.send(call, content)
    again, upload = desk.announce(own, wish)
    assert (again, upload.received) == (found[0], len(content))


def test_a_verified_recording_is_not_replaced_and_the_try_is_a_critical_finding(
    uploading: Uploading, call: str
) -> None:
    first = uploading.send(call, wav(1))
    other = uploading.wish(call, wav(1, fill=b"x"))

    for _ in range(2):
        _refused(
            "RECORDING_CHANGED", lambda: uploading.desk().announce(uploading.principal(), other)
        )

    assert uploading.findings(first) == [("RECORDING_CHANGED", "critical")]
    assert uploading.heard(first) == wav(1)
    raised = uploading.lender.query(
        "SELECT count(*) FROM casegate.finding WHERE evidence->>'call' = %s", (call,)
    )
    assert raised == [(1,)]


def test_while_a_content_is_on_its_way_no_other_is_announced(
    uploading: Uploading, call: str
) -> None:
    desk, own = uploading.desk(), uploading.principal()
    recording_id, _ = desk.announce(own, uploading.wish(call, wav(1)))
    other = uploading.wish(call, wav(2))

    _refused("UPLOAD_OPEN", lambda: desk.announce(own, other))
    desk.drop(own, recording_id)
    desk.announce(own, other)

    _refused("UPLOAD_OVER", lambda: desk.look(own, recording_id))
    _refused("UPLOAD_OVER", lambda: desk.drop(own, recording_id))


def test_another_vendor_sees_nothing_of_it(uploading: Uploading, call: str) -> None:
    recording_id = uploading.send(call, wav(1))
    desk, other = uploading.desk(), uploading.principal("beta")

    for act in (desk.look, desk.one, desk.drop):
        with pytest.raises(NotFoundError):
            act(other, recording_id)
    with pytest.raises(NotFoundError):
        desk.resume(other, recording_id, 0, None)
    listed = desk.page(other, call_id=call, cursor=None, limit=10)
    assert listed == {"items": [], "next_cursor": None}
    theirs, _ = desk.announce(other, uploading.wish(call, wav(1)))
    assert theirs != recording_id


def test_bounds_of_size_number_and_day_hold(uploading: Uploading, call: str) -> None:
    own = uploading.principal("beta")
    sizes = replace(uploading.limits, max_bytes=9000)
    uploading.limits = sizes
    _refused(
        "RECORDING_TOO_LARGE",
        lambda: uploading.desk().announce(own, uploading.wish(call, wav(2))),
    )
    open_now = len(_open(uploading, own.vendor_id))
    uploading.limits = RecordingLimits(open_uploads=open_now + 1)
    uploading.desk().announce(own, uploading.wish(call, wav(1)))
    with pytest.raises(RateLimitedError):
        uploading.desk().announce(own, uploading.wish(f"{call}-2", wav(1)))
    uploading.limits = RecordingLimits(bytes_per_day=20_000)
    _refused(
        "UPLOAD_QUOTA",
        lambda: uploading.desk().announce(own, uploading.wish(f"{call}-3", wav(2))),
    )
    uploading.lender.clock.at += timedelta(days=1)
    uploading.desk().announce(own, uploading.wish(f"{call}-3", wav(2)))


def _open(uploading: Uploading, vendor_id: str) -> list[tuple[object, ...]]:
    return uploading.lender.query(
        "SELECT 1 FROM casegate.recording WHERE vendor_id = %s"
        " AND state IN ('expected', 'receiving')",
        (vendor_id,),
    )


def test_times_out_of_order_or_to_come_are_refused(uploading: Uploading, call: str) -> None:
    for changes in (
        {"started_at": START, "ended_at": START - timedelta(seconds=1)},
        {"ended_at": START + timedelta(minutes=1)},
        {"started_at": START - timedelta(seconds=10), "ended_at": START, "duration_s": 60},
    ):
        with pytest.raises(RequestInvalidError):
            uploading.desk().announce(
                uploading.principal(), uploading.wish(call, wav(1), **changes)
            )


def test_a_header_that_says_another_length_is_a_finding(uploading: Uploading, call: str) -> None:
    near = uploading.send(call, wav(5), duration_s=3)
    far = uploading.send(f"{call}-far", wav(5), duration_s=30)

    assert uploading.findings(near) == []
    assert uploading.findings(far) == [("RECORDING_DURATION", "major")]


def test_listings_page_through_everything_once(uploading: Uploading, call: str) -> None:
    sent = [uploading.send(f"{call}-{number}", wav(0.1)) for number in range(3)]
    desk, own = uploading.desk(), uploading.principal()

    found, cursor = [], None
    while True:
        page = desk.page(own, call_id=None, cursor=cursor, limit=2)
        found += [UUID(item["recording_id"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert [one for one in found if one in sent] == sent
    company = uploading.company().page(
        vendor="alpha", call_id=f"{call}-1", state=None, only_held=False, cursor=None, limit=5
    )
    assert [item["recording_id"] for item in company["items"]] == [str(sent[1])]


def test_hearing_is_logged_with_its_reason_and_range(uploading: Uploading, call: str) -> None:
    recording_id = uploading.send(call, wav(1))

    uploading.heard(recording_id, (0, 50))

    entry = _last_entry(uploading.lender)
    assert entry["type"] == "recording.heard"
    assert (entry["recording"], entry["actor"]) == (str(recording_id), "staff:sun")
    assert (entry["reason"], entry["range"]) == ("complaint", [0, 50])


def _last_entry(lender: Lender) -> dict[str, Any]:
    row = lender.query("SELECT bundle FROM audit.batch ORDER BY first_index DESC LIMIT 1")[0]
    bundle = row[0]
    assert isinstance(bundle, bytes)
    entry: dict[str, Any] = orjson.loads(decode_bundle(bundle)[-1])
    return entry


def test_altered_content_is_not_heard(uploading: Uploading, call: str) -> None:
    recording_id = uploading.send(call, wav(1))
    path = next(uploading.directory.rglob(f"{recording_id.hex}.sealed"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x00\x00"[:1])
    altered = bytearray(path.read_bytes())
    altered[-5] ^= 1
    path.write_bytes(altered)

    with pytest.raises(EnvelopeError):
        uploading.heard(recording_id)
