"""A file of the ledger is posted as a whole, or told in one sentence what is wrong with it."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from gateway.affairs.ledger import Posting
from gateway.cli.payments import read_postings

HEADER = "entry_id,case_no,posted_at,amount,kind,balance_after\n"
TIME = "2026-11-01T00:00:00+08:00"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HEADER + "e,C1,2026-11-01,100,payment,0\n", 2),
        (HEADER + "e,C1,yesterday,100,payment,0\n", 2),
        (HEADER + f"e,C1,{TIME},1.5,payment,0\n", 2),
        (HEADER + f"e,C1,{TIME},100,payment,{9 * 10**20}\n", 2),
        (HEADER + f"e,C1,{TIME},100,payment,-5\n", 2),
        (HEADER + f"e,C1,{TIME},100,gift,0\n", 2),
        (HEADER + f"e,C1,{TIME},100,payment,0\ne,C1\n", 3),
        (HEADER + 'e,"C1\n', 2),
        ("number,case_no\n1,C1\n", 1),
        ("\0\n", 1),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused_with_its_line(
    content: str, line: int
) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        read_postings(io.StringIO(content, newline=""))

    said = str(caught.value)
    assert said.startswith(f"line {line}: ")
    assert "balance_after" in said
    assert "C1" not in said


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.csv"
    file.write_bytes(b"\xff\xfe")

    with (
        file.open(encoding="utf-8-sig") as text,
        pytest.raises(typer.BadParameter, match="line 1"),
    ):
        read_postings(text)


def test_a_row_is_a_movement_of_the_ledger() -> None:
    (posting,) = read_postings([HEADER, f"e,C1,{TIME},-100,adjustment,5\n"])

    assert posting == Posting(
        "e", "C1", datetime(2026, 10, 31, 16, tzinfo=UTC), -100, "adjustment", 5
    )
