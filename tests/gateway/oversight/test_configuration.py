"""What an installation runs with is noted when it changes, and only then."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.bundle import decode_bundle
from gateway.oversight.configuration import (
    Loaded,
    key_id_of,
    note_configuration,
    note_keys,
    note_loaded,
    note_policies,
)
from gateway.settings import Settings
from keys.secret import Secret
from policies.load import load_packaged_bundle
from policies.model import PolicyBundle
from tests.gateway.store.lender import ACTOR, START, Lender


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


def _entries(lender: Lender, kind: str) -> list[dict[str, Any]]:
    bundles = lender.query("SELECT bundle FROM audit.batch ORDER BY first_index")
    contents = [
        orjson.loads(entry)
        for row in bundles
        for entry in decode_bundle(bytes(row[0]) if isinstance(row[0], bytes) else b"")
    ]
    return [content for content in contents if content["type"] == kind]


def _note(lender: Lender, **changes: object) -> Settings:
    settings = lender.database.settings.model_copy(update=changes)
    with lender.role("vendor") as connection:
        note_configuration(connection, settings, actor=ACTOR, at=START)
    return settings


def test_the_same_settings_are_noted_once(lender: Lender) -> None:
    _note(lender)
    _note(lender)

    (entry,) = _entries(lender, "configuration.loaded")
    assert entry["previous"] is None
    assert entry["differing"] == []


def test_a_changed_setting_is_named_without_its_value(lender: Lender) -> None:
    _note(lender)
    _note(lender, trust_stale_seconds=1.25, issuer="https://elsewhere.example")

    first, second = _entries(lender, "configuration.loaded")
    assert second["differing"] == ["issuer", "trust_stale_seconds"]
    assert second["previous"] == first["digest"]
    assert "elsewhere" not in repr(second)


def test_a_changed_password_of_the_database_is_not_even_in_the_digest(lender: Lender) -> None:
    database = lender.database.settings.database
    for password in ("one", "another"):
        url = f"postgresql://owner:{password}@127.0.0.1/casegate"
        _note(lender, database=database.model_copy(update={"url": url}))

    assert len(_entries(lender, "configuration.loaded")) == 1


def test_each_policy_is_noted_with_the_fields_of_its_stages(lender: Lender) -> None:
    bundle = load_packaged_bundle()
    with lender.role("vendor") as connection:
        for _start in range(2):
            note_policies(connection, bundle, actor=ACTOR, at=START)

    noted = _entries(lender, "policy.loaded")
    assert [(entry["vendor"], entry["policy"]) for entry in noted] == [
        (policy.vendor, policy.digest) for policy in bundle
    ]
    scope = next(iter(bundle)).scopes[0]
    assert noted[0]["profiles"][scope.digest] == {
        "stage": scope.stage.value,
        "fields": {rule.field: rule.words for rule in scope.rules},
    }


def test_a_policy_that_is_gone_is_noted_and_noted_again_when_it_is_back(lender: Lender) -> None:
    bundle = load_packaged_bundle()
    gone, *others = bundle
    with lender.role("vendor") as connection:
        note_policies(connection, bundle, actor=ACTOR, at=START)
        note_policies(connection, PolicyBundle(tuple(others)), actor=ACTOR, at=START)
        note_policies(connection, PolicyBundle(tuple(others)), actor=ACTOR, at=START)
        note_policies(connection, bundle, actor=ACTOR, at=START)

    (withdrawn,) = _entries(lender, "policy.withdrawn")
    assert (withdrawn["vendor"], withdrawn["contract"]) == (gone.vendor, gone.contract)
    assert len(_entries(lender, "policy.loaded")) == len(bundle) + 1


def test_another_key_under_the_same_name_is_noted_by_its_public_id(lender: Lender) -> None:
    ids = [key_id_of(Secret(bytes([number]) * 32)) for number in (1, 2)]
    with lender.role("vendor") as connection:
        for key_id in (ids[0], ids[0], ids[1]):
            note_keys(connection, {"kek": key_id}, actor=ACTOR, at=START)

    assert [entry["key_id"] for entry in _entries(lender, "key.loaded")] == ids


def test_a_process_without_policies_withdraws_none(lender: Lender) -> None:
    settings = lender.database.settings
    with lender.role("company") as connection:
        note_loaded(
            connection, Loaded(settings, load_packaged_bundle(), {}), actor=ACTOR, at=START
        )
        note_loaded(connection, Loaded(settings), actor=ACTOR, at=START)

    assert _entries(lender, "policy.withdrawn") == []
