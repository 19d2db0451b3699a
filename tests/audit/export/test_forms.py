"""The written forms of exports: one spelling each, read back exactly or refused."""

import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint
from audit.encoding import canonical
from audit.errors import FramingError
from audit.export.filters import EntryFilter
from audit.export.lines import ShownEntry, read_lines
from audit.export.manifest import ExportRequest, Manifest
from audit.export.sums import FileSums, read_sums
from audit.merkle import leaf_hash

MANIFEST = Manifest(
    checkpoint=Checkpoint("audit.example.com/gw", 900, b"\x07" * 32),
    filters=EntryFilter("alpha", "2026-01-01T00:00:00.000Z"),
    first=10,
    end=500,
    shown=40,
    has_proofs=True,
    request=ExportRequest(890, "cli:auditor", "2026-03-01T00:00:00.000Z"),
    files="ab" * 32,
)


@given(st.integers(0, 2**53 - 1), st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_a_line_gives_back_the_very_bytes_that_were_hashed(index: int, entry: bytes) -> None:
    line = ShownEntry(index, entry).to_line()

    assert ShownEntry.from_line(line) == ShownEntry(index, entry)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert orjson.loads(line)["leaf_hash"] == leaf_hash(entry).hex()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}\n",
        b"[1]\n",
        ShownEntry(3, b"{}").to_line()[:-1],
        ShownEntry(3, b"{}").to_line().replace(b":3,", b": 3,"),
        ShownEntry(3, b"{}").to_line().replace(b":3,", b":3.0,"),
        ShownEntry(1, b"{}").to_line().replace(b":1,", b":true,"),
        ShownEntry(3, b"{}").to_line().replace(b'"index"', b'"index":4,"index"'),
        ShownEntry(3, b"{}").to_line().replace(b"{}", b"[]"),
        ShownEntry(3, b"\xff").to_line().replace(b"/w==", b"/x=="),
        canonical({"entry_base64": "e30=", "index": 3, "leaf_hash": leaf_hash(b"{}").hex()})
        + b"\n",
    ],
)
def test_any_other_line_is_refused(line: bytes) -> None:
    with pytest.raises(FramingError):
        ShownEntry.from_line(line)


def test_a_line_without_end_is_not_read_into_memory() -> None:
    with pytest.raises(FramingError, match="longer than an entry"):
        list(read_lines(io.BytesIO(b"x" * 500_000)))


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert Manifest.from_bytes(MANIFEST.to_bytes()) == MANIFEST
    assert MANIFEST.withheld == 450


@pytest.mark.parametrize(
    "change",
    [
        {"shown": 491, "withheld": -1},
        {"range": {"first": 500, "end": 500}, "withheld": 0},
        {"range": {"first": 10, "end": 901}},
        {"withheld": 3},
        {"kind": "whole"},
        {"filters": {}},
        {"filters": {"case": "x"}},
        {"filters": {"vendor": 3}},
        {"size": "900"},
        {"size": True},
        {"root": "00"},
        {"files": "AB" * 32},
        {"proofs": "some"},
        {"also": 1},
    ],
)
def test_a_manifest_that_contradicts_itself_or_says_more_is_refused(
    change: dict[str, Any],
) -> None:
    document = orjson.loads(MANIFEST.to_bytes()) | change

    with pytest.raises(FramingError):
        Manifest.from_bytes(canonical(document) + b"\n")


@pytest.mark.parametrize(
    ("entry", "passes"),
    [
        (b'{"time":"2026-01-01T00:00:00.000Z","vendor":"alpha"}', True),
        (b'{"time":"2026-01-31T23:59:59.999Z","vendor":"alpha"}', True),
        (b'{"time":"2026-02-01T00:00:00.000Z","vendor":"alpha"}', False),
        (b'{"time":"2025-12-31T23:59:59.999Z","vendor":"alpha"}', False),
        (b'{"time":"2026-01-15T00:00:00.000Z","vendor":"beta"}', False),
        (b'{"time":"2026-01-15T00:00:00.000Z","query":{"vendor":"alpha"}}', False),
        (b'{"time":20260115,"vendor":"alpha"}', False),
        (b'["alpha"]', False),
        (b"\xff", False),
    ],
)
def test_a_filter_looks_at_the_entrys_own_vendor_and_time(entry: bytes, *, passes: bool) -> None:
    asked = EntryFilter("alpha", "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z")

    assert asked.matches(entry) == passes
    assert EntryFilter().matches(entry)


def test_the_list_of_files_is_read_as_it_was_written_and_leads_nowhere_else() -> None:
    with FileSums() as sums:
        sums.add("tile/0/x001/234.p/7", "ab" * 32)
        for path in ("../up", "/etc/passwd", "a//b", "a/.hidden", "a b", "a\n", "-r", ""):
            with pytest.raises(FramingError):
                sums.add(path, "ab" * 32)
        file = io.BytesIO()
        sums.write_to(file)
    file.seek(0)

    assert list(read_sums(file)) == [("tile/0/x001/234.p/7", "ab" * 32)]
    for line in (f"{'ab' * 32}  ../up\n", f"{'ab' * 32}  a", "x  a\n"):
        with pytest.raises(FramingError):
            list(read_sums(io.BytesIO(line.encode())))
