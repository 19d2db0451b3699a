"""What is in force is what was stored, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.release.activated import IN_FORCE, ActivePolicies, StoredPolicy, policies_of
from policies.fields import FieldCatalog, Level, load_field_catalog
from policies.load import LoadedPolicy, load_folder, packaged_directory
from policies.model import PolicyBundle


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


class _Answer:
    def __init__(self, rows: list[StoredPolicy] | list[tuple[str]]) -> None:
        self._rows = rows

    async def fetchall(self) -> list[StoredPolicy] | list[tuple[str]]:
        return self._rows


class _Pool:
    """The rows in force, and how often their texts were read."""

    def __init__(self, rows: list[StoredPolicy]) -> None:
        self.rows = rows
        self.readings = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["_Pool"]:
        yield self

    async def execute(self, query: str) -> _Answer:
        if query == IN_FORCE:
            self.readings += 1
            return _Answer(self.rows)
        return _Answer([(row[0],) for row in self.rows])


def test_texts_are_read_when_what_is_in_force_changes_and_at_no_other_change(
    alpha: LoadedPolicy,
) -> None:
    pool: Any = _Pool([row(alpha)])
    used: list[int] = []
    is_used = asyncio.Event()

    def use(bundle: PolicyBundle) -> None:
        used.append(len(bundle))
        is_used.set()

    async def story() -> None:
        policies = ActivePolicies(pool, load_field_catalog(), use, SystemClock())
        await policies.start()
        try:
            for _ in range(3):
                policies.changed()
                await asyncio.sleep(0.02)
            assert (pool.readings, used) == (1, [1])

            is_used.clear()
            pool.rows = []
            policies.changed()
            await asyncio.wait_for(is_used.wait(), 5)
        finally:
            await policies.close()

    asyncio.run(story())

    assert (pool.readings, used) == (2, [1, 0])
