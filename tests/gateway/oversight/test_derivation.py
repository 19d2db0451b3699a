"""Whatever the log holds, the index made of it goes on: entries cannot be changed any more."""

from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli import audit
from gateway.oversight.derivation import Derivation, commitments_of
from gateway.oversight.search import LogHit, LogPage

BASE = {"v": 1, "time": "2026-11-24T00:42:26.053Z", "vendor": "alpha"}
# Counts, where other events have lists.
COUNTED: list[dict[str, Any]] = [
    {**BASE, "type": "offboarding.advanced", "step": "inventoried", "cases": 1},
    {**BASE, "type": "case.imported", "rows": 9, "assigned": 2, "changed": 3},
]


@pytest.mark.parametrize("entry", COUNTED, ids=lambda entry: entry["type"])
def test_an_entry_with_a_count_in_place_of_a_list_is_indexed_as_concerning_no_case(
    entry: dict[str, Any],
) -> None:
    derived = Derivation()

    derived.add(7, 0, orjson.dumps(entry))

    assert [row.event for row in derived.rows] == [entry["type"]]
    assert derived.subjects == []
    assert commitments_of(entry) == []


def test_an_entry_that_lists_cases_concerns_each_once() -> None:
    one, two = "11" * 16, "22" * 16
    entry = {**BASE, "type": "case.assigned", "cases": [two, one], "changed": [one]}
    derived = Derivation()

    derived.add(7, 0, orjson.dumps(entry))

    assert derived.subjects == [(bytes.fromhex(one), 7), (bytes.fromhex(two), 7)]
    assert [volume.cases for volume in derived.volumes.values()] == [2]


def test_a_search_shows_such_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeOffice:
        def search(self, _query: object, *, actor: str) -> LogPage:
            assert actor
            return LogPage([LogHit(7, "", entry) for entry in COUNTED], None, 9)

    monkeypatch.setattr(audit, "open_office", lambda _config: FakeOffice())

    answer = CliRunner().invoke(audit.app, ["search"])

    assert answer.exception is None
    assert "offboarding.advanced" in answer.output
