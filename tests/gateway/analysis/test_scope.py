from collections.abc import Sequence
from typing import Any, cast

import psycopg
import pytest

from gateway.analysis.scope import ALL, RELEASED, AnalysisScope
from policies.fields import load_field_catalog
from policies.load import LoadedPolicy, load_folder, packaged_directory


class Tables:
    """Stands in for a connection: policies in force, and a count of how often they were read."""

    def __init__(self, policies: Sequence[tuple[str, str, str, dict[str, str]]]) -> None:
        self.policies = policies
        self.documents_read = 0

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        if "casegate.vendor" in query:
            return [("alpha",), ("beta",), ("gamma",)]
        if "document" in query:
            self.documents_read += 1
            return list(self.policies)
        return [(row[0],) for row in self.policies]


def connection(tables: Tables) -> psycopg.Connection:
    return cast("psycopg.Connection", tables)


@pytest.fixture(scope="module")
def packaged() -> dict[str, LoadedPolicy]:
    return {loaded.policy.vendor: loaded for loaded in load_folder(packaged_directory())}


def row(loaded: LoadedPolicy, word: str) -> tuple[str, str, str, dict[str, str]]:
    text = loaded.text.replace("free_text: none", f"free_text: {word}")
    return f"{loaded.policy.digest}-{word}", loaded.file, text, loaded.sources


def test_only_vendors_whose_policy_releases_redacted_notes_are_in_it(
    packaged: dict[str, LoadedPolicy],
) -> None:
    tables = Tables([row(packaged["alpha"], "redacted"), row(packaged["beta"], "codes")])

    assert AnalysisScope(load_field_catalog()).vendors(connection(tables)) == {"alpha"}


def test_policies_are_parsed_only_when_others_are_in_force(
    packaged: dict[str, LoadedPolicy],
) -> None:
    tables = Tables([row(packaged["alpha"], "none")])
    scope = AnalysisScope(load_field_catalog(), RELEASED)

    first = [scope.vendors(connection(tables)) for _ in range(3)]
    tables.policies = [row(packaged["alpha"], "redacted")]
    second = [scope.vendors(connection(tables)) for _ in range(3)]

    assert first == [frozenset()] * 3
    assert second == [{"alpha"}] * 3
    assert tables.documents_read == 2


def test_a_policy_that_cannot_be_read_releases_nothing(
    packaged: dict[str, LoadedPolicy],
) -> None:
    digest, file, text, sources = row(packaged["alpha"], "redacted")
    tables = Tables([(digest, file, text + "\nnonsense: [", sources)])

    assert AnalysisScope(load_field_catalog()).vendors(connection(tables)) == frozenset()


def test_the_setting_can_name_everybody_or_nobody() -> None:
    tables = Tables([])
    catalog = load_field_catalog()

    assert len(AnalysisScope(catalog, ALL).vendors(connection(tables))) == 3
    assert AnalysisScope(catalog, "none").vendors(connection(tables)) == frozenset()
