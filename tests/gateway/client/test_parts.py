import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client.cases import defused, write_csv
from gateway.client.configuration import load_client_settings
from gateway.client.errors import SetupError
from gateway.client.uploads import RecordingFile
from tests.gateway.intake.uploading import wav

START = datetime(2026, 5, 1, tzinfo=UTC)


@given(st.text(max_size=30))
def test_no_text_begins_as_a_formula(text: str) -> None:
    assert not defused(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert defused(text).endswith(text)


def test_numbers_stay_numbers_and_lists_become_json() -> None:
    assert (defused(-5), defused(None), defused(["a"])) == ("-5", "", '["a"]')


def test_a_table_has_every_column_that_some_case_has(tmp_path: Path) -> None:
    cases = [{"case_ref": "A", "full_name": "张*"}, {"case_ref": "B", "total_due": "5000-10000"}]
    path = tmp_path / "cases.csv"

    assert write_csv(iter(cases), path, lambda _done: None) == 2

    rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
    assert rows == [
        ["case_ref", "full_name", "total_due"],
        ["A", "张*", ""],
        ["B", "", "5000-10000"],
    ]


def test_a_table_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("yesterday")

    def broken() -> Iterator[dict[str, Any]]:
        yield {"case_ref": "A"}
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_csv(broken(), path, lambda _done: None)
    assert path.read_text() == "yesterday"
    assert [left.name for left in tmp_path.iterdir()] == ["cases.csv"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "url is"),
        ('url = "http://localhost:8443"', "url is"),
        ('url = "https://localhost/v1"', "url is"),
        ('url = "https://localhost:8443"\ntoken = "x"', "unknown key token"),
        ('url = "https://localhost:8443"\nattempts = 0', "above zero"),
        ('url = "https://localhost:8443"\nattempts = "many"', "are numbers"),
        ("url = ", "not TOML"),
    ],
)
def test_wrong_settings_are_told_by_their_key(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "casegate-vendor.toml"
    path.write_text(text)

    with pytest.raises(SetupError, match=complaint):
        load_client_settings(path)


def test_a_recording_tells_its_hash_codec_and_length_before_its_content(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(wav(12.5))
    said = RecordingFile(path, "C-1", START, START + timedelta(minutes=1)).metadata()

    assert (said["codec"], said["duration_s"], said["bytes"]) == ("wav", "12.500", "100044")
    with pytest.raises(SetupError, match="zone"):
        RecordingFile(path, "C-1", START.replace(tzinfo=None), START).metadata()
    with pytest.raises(SetupError, match="recordings are"):
        RecordingFile(path.with_suffix(".exe"), "C-1", START, START).metadata()
