"""The commands on files of policies: they need no installation."""

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from policies.load import load_packaged_bundle, packaged_directory

PACKAGED = str(packaged_directory())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments])


def test_check_lists_what_the_company_has_not_decided() -> None:
    found = orjson.loads(run("check", PACKAGED, "--json").stdout)

    assert found["digest"] == load_packaged_bundle().digest
    assert "routing.complaint" in found["unset_parameters"]


def test_the_packaged_tables_hold() -> None:
    outcome = run("test", PACKAGED, "--json")

    assert outcome.exit_code == 0
    assert orjson.loads(outcome.stdout) == {
        "tables": ["alpha_test.yaml", "beta_test.yaml"],
        "failures": [],
    }


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("beta", "alpha", "+ permit gender: drop -> clear"),
        ("alpha", "beta", "- permit gender: clear -> drop"),
        ("none", "beta", "+ bulk full_name: drop -> partial name"),
        ("alpha", "alpha", "no difference"),
    ],
)
def test_diff_says_what_is_more_and_what_is_less(old: str, new: str, line: str) -> None:
    names = [name if name == "none" else f"{PACKAGED}/vendors/{name}.yaml" for name in (old, new)]

    assert line in run("diff", *names).stdout.splitlines()


def test_the_schema_is_printed_for_editors() -> None:
    schema = orjson.loads(run("schema").stdout)

    bulk = schema["properties"]["stages"]["properties"]["bulk"]["properties"]
    assert bulk["full_name"]["enum"] == ["drop", "redact", "partial name"]
    assert bulk["pan"]["enum"] == ["drop"]
