"""A short soak, so that the long one stays alive."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

pytestmark = pytest.mark.long


def run_soak(out: Path, *options: str) -> tuple[int, dict[str, dict[str, int]], str]:
    """Runs `python -m tests.soak`; returns its exit status, its figures and what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    files = list(out.glob("*.json"))
    told = ended.stdout + ended.stderr
    return ended.returncode, orjson.loads(files[0].read_bytes()) if files else {}, told


def test_no_acknowledged_entry_is_lost_when_everything_is_killed(tmp_path: Path) -> None:
    code, document, told = run_soak(
        tmp_path, *("--minutes", "0.25", "--seed", "4", "--writers", "2", "--per-second", "1.5")
    )

    assert code == 0, told
    assert document["faults"] == {}
    assert sum(document["blows"].values()) > 5
    assert document["figures"]["acknowledged"] > 500
    assert document["figures"]["entries in log"] >= document["figures"]["acknowledged"]
