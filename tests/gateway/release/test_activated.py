"""What is in force is what was stored, or nothing."""

from dataclasses import replace

import pytest

from gateway.release.activated import StoredPolicy, policies_of
from policies.fields import FieldCatalog, Level, load_field_catalog
from policies.load import LoadedPolicy, load_folder, packaged_directory


@pytest.fixture
def alpha() -> LoadedPolicy:
    return next(
        loaded for loaded in load_folder(packaged_directory()) if loaded.policy.vendor == "alpha"
    )


def row(loaded: LoadedPolicy) -> StoredPolicy:
    return loaded.policy.digest, loaded.file, loaded.text, loaded.sources


def test_a_stored_policy_decides_as_it_was_activated(alpha: LoadedPolicy) -> None:
    bundle = policies_of([row(alpha)], load_field_catalog())

    assert bundle.policy("alpha", "alpha-2026") == alpha.policy


def test_a_text_that_is_not_what_its_digest_says_is_left_out(alpha: LoadedPolicy) -> None:
    digest, file, text, sources = row(alpha)
    widened = text.replace("  bulk:\n", "  bulk:\n    project_id: clear\n", 1)
    wider = {
        path: content.replace("  bulk:\n", "  bulk:\n    project_id: clear\n", 1)
        for path, content in sources.items()
    }

    assert len(policies_of([(digest, file, widened, sources)], load_field_catalog())) == 0
    assert len(policies_of([(digest, file, widened, wider)], load_field_catalog())) == 0


def test_a_policy_that_the_catalogue_does_not_allow_any_more_is_left_out(
    alpha: LoadedPolicy,
) -> None:
    narrower = FieldCatalog(
        tuple(
            replace(field, bulk=Level.DROP) if field.name == "full_name" else field
            for field in load_field_catalog()
        )
    )

    assert len(policies_of([row(alpha)], narrower)) == 0
