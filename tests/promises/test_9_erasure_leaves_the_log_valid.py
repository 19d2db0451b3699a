"""Promise 9, the other half: a person is erased, and the log and its receipts stay valid."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from gateway.oversight.search import LogQuery
from tests.installation import Installation
from tests.promises.processes import wait_until

NOBODY = "A" * 26
REASON = ("--reason", "consent-withdrawn")


@dataclass(frozen=True, slots=True)
class Story:
    """What was seen before and after all cases of one debtor were erased."""

    installation: Installation
    id_number: str
    refs: list[str]
    receipts: dict[int, bytes]
    before: bytes
    erasure: dict[str, object]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A debtor's cases are pulled, their receipts kept, and he is erased while vendors pull."""
    installation = Installation.make(tmp_path_factory.mktemp("erasure") / "sandbox", cases=20)
    person = str(installation.truth()[0]["id_number"])
    cases = [case for case in installation.truth() if case["id_number"] == person]
    refs = [str(case["case_ref"]) for case in cases if case["vendor_id"] == "alpha"]
    with installation.serving(workers=2):
        with installation.vendor("alpha") as client:
            pulls = [client.get(f"/v1/cases/{ref}") for ref in refs]
            assert {pull.status_code for pull in pulls} == {200}
            listed = client.get("/v1/cases", params={"limit": 500})
            indexes = [_index(pull) for pull in (*pulls, listed)]
            receipts = {index: _receipt(client, index) for index in indexes}
            counted = _erase(installation, person)
            assert (counted.returncode, orjson.loads(counted.stdout)["cases"]) == (1, len(cases))
            before = _searched(installation, person)
            done = _erase(installation, person, "--confirm", str(len(cases)))
            assert done.returncode == 0, done.stderr
        yield Story(installation, person, refs, receipts, before, orjson.loads(done.stdout))


def _index(answer: httpx.Response) -> int:
    return int(answer.headers["Casegate-Receipt"].partition("/")[0])


def _receipt(client: httpx.Client, index: int) -> bytes:
    assert wait_until(lambda: client.get(f"/v1/receipts/{index}").status_code == 200, seconds=20)
    return client.get(f"/v1/receipts/{index}").content


def _erase(
    installation: Installation, person: str, *more: str
) -> "subprocess.CompletedProcess[bytes]":
    command = ["cases", "erase", "--debtor", "-", *REASON, "--json", *more]
    return _run(installation, command, person)


def _searched(installation: Installation, person: str) -> bytes:
    done = _run(installation, ["audit", "search", "--debtor", "-", "--json"], person)
    assert done.returncode == 0
    return done.stdout


def _run(
    installation: Installation, command: list[str], typed: str
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *command, "--config", str(installation.config)],
        input=typed.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_every_vendor_is_named_with_what_it_must_destroy(story: Story) -> None:
    named = story.erasure["assignments"]

    assert isinstance(named, list)
    assert {held["case_ref"] for held in named if held["vendor"] == "alpha"} == set(story.refs)


def test_an_erased_case_is_answered_like_one_that_never_was(story: Story) -> None:
    with story.installation.vendor("alpha") as client:
        answers = [client.get(f"/v1/cases/{ref}") for ref in (*story.refs, NOBODY)]
        listed = client.get("/v1/cases", params={"limit": 500}).json()["items"]

    bodies = [
        {name: part for name, part in answer.json().items() if name != "request_id"}
        for answer in answers
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert bodies == [bodies[-1]] * len(bodies)
    assert not {item["case_ref"] for item in listed} & set(story.refs)


def test_a_search_by_the_debtor_finds_nothing_any_more(story: Story) -> None:
    assert len(orjson.loads(story.before)["items"]) >= 3

    assert orjson.loads(_searched(story.installation, story.id_number))["items"] == []


def test_the_log_and_the_receipts_of_before_stay_valid(story: Story, tmp_path: Path) -> None:
    installation = story.installation
    for index, receipt in story.receipts.items():
        (tmp_path / f"{index}.tlog-proof").write_bytes(receipt)
        with installation.vendor("alpha") as client:
            newer = _receipt(client, index)
        # Index and leaf are the same; only the checkpoint has moved on.
        assert newer.splitlines()[:3] == receipt.splitlines()[:3]
    export = tmp_path / "export"
    verified = installation.run("audit", "verify")
    exported = installation.run("audit", "export", "--out", str(export))

    arguments = (export, "--policy", export / "log.policy", "--receipts", tmp_path)
    checked = subprocess.run(
        [sys.executable, "-m", "audit", "verify", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (verified.returncode, exported.returncode) == (0, 0)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_erasure_is_an_entry_with_counts_and_a_reason_alone(story: Story) -> None:
    (hit,) = story.installation.office().search(LogQuery(event="subject.erased"), actor="t").hits

    assert set(hit.entry) == {"v", "type", "time", "actor", "reason", "erased", "assignments"}
    assert hit.entry["erased"] == story.erasure["cases"]
    assert hit.entry["reason"] == "consent-withdrawn"
