"""Recordings over real TLS; with tus by a client of another hand where it is installed."""

import asyncio
import base64
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.intake.recording_store import incoming_path
from gateway.intake.recordings_place import recordings_directory
from tests.gateway.intake.uploading import wav
from tests.installation import Installation
from tests.promises.processes import wait_until

TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def alpha(gateway: Installation) -> Iterator[httpx.Client]:
    with gateway.vendor("alpha") as client:
        yield client


def said(content: bytes, **changes: str) -> dict[str, str]:
    ended = datetime.now(tz=UTC) - timedelta(minutes=5)
    return {
        "call_id": f"C-{uuid4().hex[:12]}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": str(len(content)),
        "codec": "wav",
        "duration_s": f"{(len(content) - 44) / 8000:.3f}",
        "started_at": (ended - timedelta(hours=2)).isoformat(),
        "ended_at": ended.isoformat(),
        "notice_given": "true",
        **changes,
    }


def encoded(metadata: dict[str, str]) -> str:
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items()
    )


def announce(client: httpx.Client, content: bytes, **changes: str) -> httpx.Response:
    headers = {
        **TUS,
        "Upload-Length": str(len(content)),
        "Upload-Metadata": encoded(said(content, **changes)),
    }
    return client.post("/v1/recordings", headers=headers)


def send(
    client: httpx.Client, place: str, offset: int, part: bytes, **more: str
) -> httpx.Response:
    headers = {**PART, "Upload-Offset": str(offset), **more}
    return client.patch(place, content=part, headers=headers)


def test_the_server_says_which_tus_it_speaks(alpha: httpx.Client) -> None:
    answer = alpha.options("/v1/recordings")

    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,termination,checksum,expiration"
    assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256"
    assert int(answer.headers["tus-max-size"]) == 1024**3


def test_a_recording_travels_in_parts_and_staff_hear_it_for_a_reason(
    gateway: Installation, alpha: httpx.Client
) -> None:
    content = wav(20)
    created = announce(alpha, content)
    place = created.headers["location"]
    assert (created.status_code, created.headers["upload-offset"]) == (201, "0")

    first = send(alpha, place, 0, content[:70_000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "70000")
    shown = alpha.head(place, headers=TUS)
    assert (shown.headers["upload-offset"], shown.headers["upload-length"]) == (
        "70000",
        str(len(content)),
    )
    late = send(alpha, place, 0, content)
    assert (late.status_code, late.json()["code"]) == (409, "UPLOAD_OFFSET")
    assert late.headers["tus-resumable"] == "1.0.0"
    digest = base64.b64encode(hashlib.sha1(content[70_000:]).digest()).decode()  # noqa: S324
    last = send(alpha, place, 70_000, content[70_000:], **{"Upload-Checksum": f"sha1 {digest}"})

    assert last.headers["casegate-receipt"].partition("/")[0].isdigit()
    assert alpha.get(place).json()["state"] == "verified"
    number = place.rpartition("/")[2]
    with gateway.staff("compliance") as compliance:
        path = f"/company/v1/recordings/{number}"
        heard = compliance.get(path, params={"reason": "complaint"})
        assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/wav")
        assert heard.content == content
        part = compliance.get(
            path, params={"reason": "complaint"}, headers={"Range": "bytes=100-199"}
        )
        assert (part.status_code, part.content) == (206, content[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
        assert compliance.get(path).status_code == 422
        listed = compliance.get("/company/v1/recordings", params={"vendor": "alpha"}).json()
        assert number in {item["recording_id"] for item in listed["items"]}
    with gateway.staff("operator") as operator:
        refused = operator.get(path, params={"reason": "complaint"})
        assert refused.json()["code"] == "ROLE_NOT_ALLOWED"


def test_a_vendor_never_hears_what_it_sent_and_no_other_sees_it(
    gateway: Installation, alpha: httpx.Client
) -> None:
    content = wav(1)
    place = announce(alpha, content).headers["location"]
    send(alpha, place, 0, content)

    assert alpha.get(place).headers["content-type"] == "application/json"
    with gateway.vendor("beta") as beta:
        for answer in (
            beta.get(place),
            beta.head(place, headers=TUS),
            beta.delete(place, headers=TUS),
            send(beta, place, 0, content),
        ):
            assert answer.status_code == 404


def test_what_does_not_fit_is_refused_with_its_code(alpha: httpx.Client) -> None:
    content = wav(1)
    for changes, code in (
        ({"codec": "exe"}, "SCHEMA_INVALID"),
        ({"bytes": "5"}, "SCHEMA_INVALID"),
        ({"started_at": "yesterday"}, "SCHEMA_INVALID"),
        # PostgreSQL would take it, as a year before the first, and nobody could read it back.
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "SCHEMA_INVALID"),
        ({"call_id": "13812345678"}, "PII_IN_PAYLOAD"),
        ({"call_id": "张三"}, "SCHEMA_INVALID"),
    ):
        refused = announce(alpha, content, **changes)
        assert (refused.status_code, refused.json()["code"]) == (422, code), changes
        assert "13812345678" not in refused.text
    place = announce(alpha, content).headers["location"]
    assert alpha.head(place, headers={"Tus-Resumable": "0.2.2"}).status_code == 412
    assert (
        alpha.patch(place, content=b"x", headers={**TUS, "Upload-Offset": "0"}).json()["code"]
        == "RECORDING_TYPE"
    )
    wrong = send(alpha, place, 0, content, **{"Upload-Checksum": "sha1 AAAA"})
    assert (wrong.status_code, wrong.json()["code"]) == (460, "UPLOAD_CHECKSUM")
    other = send(alpha, place, 0, b"#!AMR\n" + content[6:])
    assert (other.status_code, other.json()["code"]) == (415, "RECORDING_TYPE")
    changed = send(alpha, place, 0, content[:-1] + b"!")
    assert (changed.status_code, changed.json()["code"]) == (422, "RECORDING_MISMATCH")
    assert alpha.head(place, headers=TUS).status_code == 410


def test_a_connection_that_breaks_loses_nothing_that_had_come(
    gateway: Installation, alpha: httpx.Client
) -> None:
    content = wav(300)
    place = announce(alpha, content).headers["location"]
    growing = incoming_path(recordings_directory(gateway.settings), UUID(place.rpartition("/")[2]))

    def breaking() -> Iterator[bytes]:
        yield content[:1_500_000]
        wait_until(lambda: growing.exists() and growing.stat().st_size >= 2**20, seconds=30)
        raise ConnectionError

    with gateway.vendor("alpha") as other, pytest.raises(ConnectionError):
        other.patch(
            place,
            content=breaking(),
            headers={**PART, "Upload-Offset": "0", "Content-Length": str(len(content))},
        )

    def offset() -> int:
        return int(alpha.head(place, headers=TUS).headers["upload-offset"])

    assert wait_until(lambda: offset() > 0, seconds=30)
    there = offset()
    assert 2**20 <= there <= 1_500_000
    assert send(alpha, place, there, content[there:]).status_code == 204
    assert alpha.get(place).json()["state"] == "verified"


def test_a_client_of_another_hand_uploads_and_resumes(gateway: Installation) -> None:
    aiotus: Any = pytest.importorskip("aiotus")
    content = wav(30)
    with gateway.vendor("alpha") as client:
        token = client.headers["Authorization"]
    metadata = {name: value.encode() for name, value in said(content).items()}

    async def run() -> str:
        retry = aiotus.RetryConfiguration(
            retry_attempts=2, max_retry_period_seconds=1, ssl=gateway.tls("vendors/alpha")
        )
        headers = {"Authorization": token}
        endpoint = f"{gateway.vendor_url}/v1/recordings"
        return str(
            await aiotus.upload(
                endpoint,
                io.BytesIO(content),
                metadata,
                client_session=None,
                config=retry,
                headers=headers,
                chunksize=50_000,
            )
        )

    place = asyncio.run(run())
    with gateway.vendor("alpha") as client:
        assert client.get(httpx.URL(place).path).json()["state"] == "verified"
