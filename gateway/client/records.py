"""Call records sent from files: in batches that may be sent again without doubling anything."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.client.connection import Answer, Connection, Pause
from gateway.client.errors import SetupError

RECORDS = "/v1/call-records"
BATCH_ROWS = 10_000
_MOST_ROWS = 100_000
_TYPES = {
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".json": "application/json",
    ".csv": "text/csv",
}
_POLL_SECONDS = 1.0

Progress = Callable[[int], None]


@dataclass(slots=True)
class Sent:
    """What became of the rows of a file; `rejected` names each by its place in the file."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)


def send_records(
    connection: Connection,
    path: Path,
    *,
    batch: int = BATCH_ROWS,
    progress: Progress = lambda _rows: None,
    pause: Pause | None = None,
) -> Sent:
    """Sends a file of records: NDJSON in batches, JSON and CSV as they are.

    The idempotency key of a batch is the hash of its bytes: a file that is sent again, after a
    crash in the middle too, is answered again as it was, and nothing is doubled.

    Raises:
        SetupError: the file is of no known kind, or a batch of more than 100,000 rows is wanted.
        RefusedError, UnreachableError: a batch was refused as a whole; those before it went in.
    """
    media_type = _TYPES.get(path.suffix.lower())
    if media_type is None:
        raise SetupError(f"{path.name}: name it .ndjson, .jsonl, .json or .csv")
    if not 1 <= batch <= _MOST_ROWS:
        raise SetupError(f"a batch has 1 to {_MOST_ROWS} rows")
    sent = Sent()
    wait = pause or threading.Event().wait
    is_in_lines = media_type == _TYPES[".ndjson"]
    for begin, content in _batches(path, batch) if is_in_lines else [(0, path.read_bytes())]:
        for document, receipt in _outcomes(connection, content, media_type, wait):
            _count(sent, document, begin)
            if receipt is not None and receipt not in sent.receipts:
                sent.receipts.append(receipt)
        progress(sent.accepted + sent.duplicates + len(sent.rejected))
    return sent


def _batches(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    lines: list[bytes] = []
    begin = 0
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            lines.append(line)
            if len(lines) == size:
                yield begin, b"".join(lines)
                begin += size
                lines = []
    if lines:
        yield begin, b"".join(lines)


def _outcomes(
    connection: Connection, content: bytes, media_type: str, wait: Pause
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The pages of one batch's outcome."""
    digest = hashlib.sha256(content).digest()
    headers = {
        "Content-Type": media_type,
        "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "Idempotency-Key": f"records-{digest.hex()[:48]}",
    }
    answer = connection.ask("POST", RECORDS, body=content, headers=headers)
    place = f"{RECORDS}/batches/{answer.document()['batch_id']}"
    while answer.document()["state"] != "done":
        wait(_POLL_SECONDS)
        answer = connection.ask("GET", place)
    yield from _pages(connection, answer, place)


def _pages(
    connection: Connection, answer: Answer, place: str
) -> Iterator[tuple[dict[str, Any], str | None]]:
    while True:
        document = answer.document()
        yield document, answer.receipt
        cursor = document.get("next_cursor")
        if cursor is None:
            return
        answer = connection.ask("GET", f"{place}?cursor={cursor}")


def _count(sent: Sent, document: dict[str, Any], begin: int) -> None:
    for item in document["items"]:
        match item["outcome"]:
            case "accepted":
                sent.accepted += 1
            case "duplicate":
                sent.duplicates += 1
            case _:
                sent.rejected.append({**item, "index": begin + int(item["index"])})
