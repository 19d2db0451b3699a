import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

import pytest

from gateway.cases.reader import PostgresCaseReader
from gateway.cases.record import open_record, seal_record
from gateway.errors import DatabaseUnavailableError
from gateway.store.database import connection_pool
from keys.errors import EnvelopeError
from keys.kek import LocalKeyEncryptionKey, read_secret_key
from keys.secret import Secret
from tests.gateway.store.lender import HEADER, Lender, case_row

COUNT = 7
ALPHA = ("alpha", "alpha-2026")


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Two assignments for alpha, one for beta."""
    directory = tmp_path_factory.mktemp("lender")
    made = Lender.fresh(postgres_url, directory)
    for name, vendor, numbers in (
        ("a", "alpha", range(4)),
        ("b", "alpha", range(4, COUNT)),
        ("c", "beta", range(100, 103)),
    ):
        rows = "\n".join(case_row(number) for number in numbers)
        made.put(directory / f"{name}.csv", f"{HEADER}\n{rows}\n", vendor)
    return made


Answer = TypeVar("Answer")


def _ask(lender: Lender, question: Callable[[PostgresCaseReader], Awaitable[Answer]]) -> Answer:
    async def story() -> Answer:
        pool = connection_pool(lender.database.conninfo("vendor"), size=1)
        await pool.open(wait=True)
        try:
            return await question(PostgresCaseReader(pool))
        finally:
            await pool.close()

    return asyncio.run(story())


def _refs(lender: Lender, vendor: str) -> list[str]:
    rows = lender.query(
        "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = %s ORDER BY sequence",
        (vendor,),
    )
    return [str(ref) for (ref,) in rows]


def test_a_vendors_own_case_is_found_and_opens_with_the_installations_key(lender: Lender) -> None:
    reference = _refs(lender, "alpha")[0]
    kek = LocalKeyEncryptionKey(
        read_secret_key("file:secrets/kek.key", lender.database.settings.directory, {})
    )

    case = _ask(lender, lambda reader: reader.find(*ALPHA, reference))

    assert case is not None
    assert open_record(case, kek)["source_case_no"] == "ZX2026000000"
    with pytest.raises(EnvelopeError):
        open_record(case, LocalKeyEncryptionKey(Secret(bytes(32))))


def test_foreign_unknown_and_impossible_references_are_all_nothing(lender: Lender) -> None:
    foreign = _refs(lender, "beta")[0]
    for reference in (foreign, "UNKNOWN", "", "\x00", "' OR 1=1 --"):
        assert _ask(lender, lambda reader, ref=reference: reader.find(*ALPHA, ref)) is None  # type: ignore[misc]


def test_pages_follow_the_order_of_assignment_and_end(lender: Lender) -> None:
    async def walk(reader: PostgresCaseReader) -> list[int]:
        seen: list[int] = []
        after = 0
        while page := await reader.page(*ALPHA, assignment=None, after=after, limit=3):
            seen += [case.sequence for case in page]
            after = seen[-1]
        return seen

    seen = _ask(lender, walk)

    assert len(seen) == COUNT
    assert seen == sorted(seen)


def test_a_page_can_be_narrowed_to_one_assignment(lender: Lender) -> None:
    summaries = _ask(lender, lambda reader: reader.assignments(*ALPHA, after="", limit=10))

    assert sorted(summary.cases for summary in summaries) == [3, 4]
    for summary in summaries:
        name = summary.assignment_id
        page = _ask(
            lender,
            lambda reader, name=name: reader.page(*ALPHA, assignment=name, after=0, limit=10),  # type: ignore[misc]
        )
        assert len(page) == summary.cases
        assert {case.assignment_id for case in page} == {name}


def test_a_contract_of_the_same_vendor_that_holds_nothing_shows_nothing(lender: Lender) -> None:
    assert (
        _ask(
            lender,
            lambda reader: reader.page("alpha", "beta-2026", assignment=None, after=0, limit=10),
        )
        == []
    )


def test_a_database_that_is_gone_is_told_as_unavailable() -> None:
    async def story() -> None:
        pool = connection_pool("host=/nowhere connect_timeout=1", size=1)
        pool.timeout = 0.2
        await pool.open()
        reader = PostgresCaseReader(pool)
        for question in (
            reader.find(*ALPHA, "X"),
            reader.page(*ALPHA, assignment=None, after=0, limit=1),
            reader.assignments(*ALPHA, after="", limit=1),
        ):
            with pytest.raises(DatabaseUnavailableError):
                await question
        await pool.close(timeout=0.2)

    asyncio.run(story())


def test_a_record_is_bound_to_its_case() -> None:
    kek = LocalKeyEncryptionKey(Secret(bytes(32)))
    first, second = (seal_record({"full_name": "张三"}, uuid4(), kek) for _ in range(2))

    assert "张三".encode() not in first.ciphertext
    assert first.ciphertext != second.ciphertext
