"""The commands about leaks, on an installation that nobody serves."""

import orjson
import pytest

from tests.installation import Installation

# Everything served, more than once: left to `make test-long`.
pytestmark = pytest.mark.long


def test_canaries_are_planted_shown_and_found_again_by_a_trace(
    own_installation: Installation,
) -> None:
    where = ("--vendor", "alpha", "--contract", "alpha-2026")
    planted = own_installation.run("canary", "plant", *where, "--count", "3", "--json")
    refs = orjson.loads(planted.stdout)["case_refs"]
    assert len(refs) == 3
    assert "made up and may be somebody's" in planted.stderr

    listed = orjson.loads(own_installation.run("canary", "list", "--json").stdout)
    assert {one["case_ref"] for one in listed} == set(refs)

    leak = own_installation.directory / "leak.csv"
    leak.write_text(f"编号,余额\n{refs[0]},100\n{refs[1]},200\n")
    told = own_installation.run("trace", str(leak))
    assert told.returncode == 0, told.stderr
    assert "3 lines, 2 with something to go by: 2 lead to a case" in told.stdout
    assert told.stdout.count("a canary is among the rows") == 2

    found = orjson.loads(own_installation.run("finding", "list", "--json").stdout)
    assert {one["evidence"]["case_ref"] for one in found} == set(refs[:2])
    closed = own_installation.run("finding", "close", found[0]["finding_id"], "--reason", "演练")
    assert closed.returncode == 0
    left = own_installation.run("finding", "list", "--vendor", "alpha").stdout
    assert found[0]["finding_id"] not in left
    again = own_installation.run("finding", "close", found[0]["finding_id"], "--reason", "演练")
    assert again.returncode == 1
    assert own_installation.run("trace", "no-such-file").returncode == 1
