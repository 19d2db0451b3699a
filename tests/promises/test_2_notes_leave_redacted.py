"""Promise 2, for free text: notes leave only where the policy says so, and without the persons."""

import os
import re
import signal
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.installation import Installation
from tests.promises.ledger import LoggedEntry, log_size, logged_entries
from tests.promises.processes import children_of, wait_until

CASES = 60
# What says who somebody is. Amounts, dates and stages are what a note is about.
TELLING = (
    *("source_case_no", "core_account_no", "id_number", "full_name", "mobile_phone"),
    *("home_phone", "work_phone", "related_name", "related_phone", "home_address"),
    *("work_address", "employer_name", "bank_account_no"),
)
_DIGITS: dict[str, str | int | None] = {
    **dict.fromkeys("零〇洞", "0"),
    **dict.fromkeys("幺一壹", "1"),
    **dict.fromkeys("二两贰", "2"),
    **{one: str(value) for value, one in enumerate("三四五六七八九", 3)},
    "拐": "7",
    "勾": "9",
}
_BETWEEN = re.compile(r"[^\w]+|_")


@dataclass(frozen=True, slots=True)
class Noted:
    """An installation with notes, and its supervisor."""

    installation: Installation
    supervisor: int

    def analysers(self) -> list[int]:
        """Process ids of the analysers that the watcher has started."""
        return [
            analyser
            for watcher, command in children_of(self.supervisor).items()
            if "analysis" in command
            for analyser in children_of(watcher)
        ]


@pytest.fixture(scope="module")
def served(open_directory: Path) -> Iterator[Noted]:
    """A served installation whose policy gives alpha redacted notes, and beta none."""
    made = Installation.make(open_directory / f"noted-{uuid4().hex[:8]}", cases=CASES)
    path = made.directory / "policies" / "alpha.yaml"
    path.write_text(path.read_text().replace("free_text: none", "free_text: redacted"))
    made.activate()
    with made.serving(workers=1) as supervisor:
        assert wait_until(lambda: waiting(made) == 0, seconds=90)
        yield Noted(made, supervisor.pid)


@pytest.fixture
def noted(served: Noted) -> Installation:
    return served.installation


def status_of(made: Installation) -> dict[str, Any]:
    done = made.run("analyse", "--status", "--json")
    assert done.returncode == 0, done.stderr
    status: dict[str, Any] = orjson.loads(done.stdout)
    return status


def waiting(made: Installation) -> int:
    with made.office().connection() as connection:
        row = connection.execute(
            "SELECT count(*) FROM casegate.case_note WHERE state = 'pending'"
            " AND vendor_id = 'alpha'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def pulled(made: Installation, vendor: str) -> tuple[list[dict[str, Any]], LoggedEntry]:
    """All cases of a vendor in one page, and the entry of that release."""
    before = log_size(made)
    with made.vendor(vendor) as client:
        answer = client.get("/v1/cases", params={"limit": 500})
    answer.raise_for_status()
    (entry,) = [
        entry
        for entry in logged_entries(made, since=before)
        if entry.fields["type"] == "access.release"
    ]
    return answer.json()["items"], entry


def plain(text: str) -> str:
    """Letters and digits alone, whatever way the digits were written."""
    spelled = unicodedata.normalize("NFKC", text).translate(str.maketrans(_DIGITS))
    return _BETWEEN.sub("", spelled).casefold()


def test_alpha_receives_every_note_that_was_looked_at(noted: Installation) -> None:
    items, entry = pulled(noted, "alpha")
    truth = {case["case_ref"]: case for case in noted.truth() if case["vendor_id"] == "alpha"}
    with_notes = {ref for ref, case in truth.items() if case.get("past_notes")}
    status = status_of(noted)

    received = {item["case_ref"] for item in items if "redacted_notes" in item}
    dropped = entry.fields.get("notes_dropped", {})

    assert received <= with_notes
    assert len(received) + sum(dropped.values()) == len(with_notes)
    assert len(received) == entry.fields["notes"] == status["ready"]
    assert dropped.get("withheld", 0) == status["withheld"]
    assert set(dropped) <= {"withheld"}
    assert len(received) > 0.9 * len(with_notes)
    assert entry.fields["recognizers"] == [status["recognizers"]]


def test_staff_are_shown_what_leaves_of_a_note_as_far_as_their_role_goes(
    noted: Installation,
) -> None:
    items, _entry = pulled(noted, "alpha")
    item = next(item for item in items if "〔" in item.get("redacted_notes", ""))
    asked = ("policy", "explain", "--vendor", "alpha", "--case", str(item["case_ref"]), "--json")

    shown = {
        role: orjson.loads(noted.run(*asked, "--role", role).stdout)["notes"]
        for role in ("compliance", "auditor")
    }

    assert shown["compliance"]["result"] == item["redacted_notes"]
    assert shown["compliance"]["outcome"] == "released"
    assert re.fullmatch(r"(?:\*\*\*|〔[^〔〕]+〕)+", shown["auditor"]["result"])
    assert sum(shown["auditor"]["found"].values()) == shown["auditor"]["result"].count("〔")


def test_no_value_of_the_lenders_file_is_in_a_released_note(noted: Installation) -> None:
    items, _entry = pulled(noted, "alpha")
    truth = noted.truth()
    values = {
        plain(str(case[field])): field for case in truth for field in TELLING if case.get(field)
    }
    originals = {case["case_ref"]: str(case.get("past_notes")) for case in truth}
    hidden = 0

    for item in items:
        note = item.get("redacted_notes")
        if note is None:
            continue
        text = plain(note)
        assert not [field for value, field in values.items() if value in text], item["case_ref"]
        before = plain(originals[item["case_ref"]])
        hidden += sum(value in before for value in values)

    assert hidden > len(items), "the notes held such values before"


def test_the_place_of_what_was_cut_out_shows(noted: Installation) -> None:
    items, _entry = pulled(noted, "alpha")
    notes = "".join(item.get("redacted_notes", "") for item in items)

    for placeholder in ("〔姓名〕", "〔电话〕", "〔证件号〕", "〔单位〕", "〔地址〕"):
        assert placeholder in notes


def test_beta_whose_policy_says_none_receives_no_word_of_any_note(noted: Installation) -> None:
    items, entry = pulled(noted, "beta")
    with_notes = sum(
        bool(case.get("past_notes")) for case in noted.truth() if case["vendor_id"] == "beta"
    )

    assert items
    assert not any("notes" in key for item in items for key in item)
    assert entry.fields["notes_dropped"] == {"not_in_scope": with_notes}
    assert "recognizers" not in entry.fields
    assert status_of(noted)["resting"] == with_notes


def test_what_nobody_releases_is_not_even_opened(noted: Installation) -> None:
    with noted.office().connection() as connection:
        rows = connection.execute(
            "SELECT DISTINCT state, attempts, tried_by, rendered_by FROM casegate.case_note"
            " WHERE vendor_id = 'beta'"
        ).fetchall()

    assert rows == [("pending", 0, None, None)]


def test_the_command_has_nothing_left_to_do_and_needs_to_be_told_what(
    noted: Installation,
) -> None:
    once = noted.run("analyse", "--once", "--json")
    unclear = noted.run("analyse", "--once", "--status")

    assert orjson.loads(once.stdout)["run"] == {
        "ready": 0,
        "withheld": 0,
        "failed_attempts": 0,
        "void": 0,
    }
    assert once.returncode == 0
    assert unclear.returncode == 2


def test_a_note_that_was_given_up_is_told_and_taken_up_again_when_asked_for(
    noted: Installation,
) -> None:
    with noted.office().connection() as connection:
        connection.execute(
            "UPDATE casegate.case_note SET state = 'failed', reason = 'worker_died', attempts = 3"
            " WHERE case_id ="
            " (SELECT case_id FROM casegate.case_note WHERE state = 'done' LIMIT 1)"
        )

    told = noted.run("analyse", "--status")
    retried = noted.run("analyse", "--retry")

    assert told.returncode == 1
    assert "failed worker_died: 1" in told.stdout
    assert retried.stdout == "1 notes queued again\n"
    assert wait_until(lambda: waiting(noted) == 0, seconds=60)
    assert status_of(noted)["failed"] == 0


@pytest.mark.long
def test_an_analyser_killed_at_its_work_is_replaced_and_no_note_is_lost(served: Noted) -> None:
    made = served.installation
    before = status_of(made)
    with made.office().connection() as connection:
        connection.execute(
            "UPDATE casegate.case_note SET tried_by = repeat('0', 64) WHERE state = 'done'"
        )
        assert wait_until(lambda: waiting(made) > 0, seconds=30)

    (killed,) = served.analysers()
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: waiting(made) == 0, seconds=90)

    assert wait_until(lambda: killed not in served.analysers(), seconds=10)
    assert status_of(made) == before
