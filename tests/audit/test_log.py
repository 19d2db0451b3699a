import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from audit.bundle import decode_bundle
from audit.errors import AuditUnavailableError, EntryTooLargeError
from audit.log import AuditLog, Receipt
from audit.merkle import leaf_hash
from audit.store import BatchStore, PostgresBatchStore, read_batches
from audit.verify import verify_batches
from tests.fakes.faulty_batch_store import Fault, FaultyBatchStore

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def with_log(
    store: BatchStore,
    scenario: Callable[[AuditLog], Awaitable[None]],
    **limits: float,
) -> None:
    async def run() -> None:
        log = AuditLog(store, **limits)  # type: ignore[arg-type]
        await log.start()
        try:
            await scenario(log)
        finally:
            await log.close()
            if isinstance(store, PostgresBatchStore):
                await store.close()

    asyncio.run(asyncio.wait_for(run(), 20))


async def append_all(log: AuditLog, *entries: bytes) -> list[Receipt | BaseException]:
    return await asyncio.gather(*(log.append(entry) for entry in entries), return_exceptions=True)


def assert_receipts_hold(
    store: FaultyBatchStore, entries: list[bytes], answers: list[Receipt | BaseException]
) -> None:
    """Whatever was acknowledged stands where the receipt says, exactly once."""
    store.check_log()
    stored = store.entries
    for entry, answer in zip(entries, answers, strict=True):
        if isinstance(answer, Receipt):
            assert stored[answer.index] == entry
            assert answer.leaf_hash == leaf_hash(entry)
    assert len(set(stored)) == len(stored)


def test_an_appended_entry_stands_where_its_receipt_says() -> None:
    store = FaultyBatchStore()

    async def scenario(log: AuditLog) -> None:
        assert await log.append(b"one") == Receipt(0, leaf_hash(b"one"))
        assert await log.append(b"two") == Receipt(1, leaf_hash(b"two"))

    with_log(store, scenario)

    assert store.entries == [b"one", b"two"]


def test_what_queues_during_one_commit_is_the_next_batch() -> None:
    store = FaultyBatchStore(seconds=0.02)
    entries = [b"%d" % number for number in range(50)]

    async def scenario(log: AuditLog) -> None:
        first = asyncio.create_task(log.append(b"first"))
        await asyncio.sleep(0.01)
        assert_receipts_hold(store, entries, await append_all(log, *entries))
        await first

    with_log(store, scenario)

    assert [batch.entry_count for batch in store.batches] == [1, 50]


def test_a_batch_keeps_to_its_limits() -> None:
    store = FaultyBatchStore()

    async def scenario(log: AuditLog) -> None:
        await append_all(log, *(b"%d" % number for number in range(10)))
        await append_all(log, b"x" * 40, b"y" * 40, b"z" * 500, b"w")

    with_log(store, scenario, max_batch_entries=4, max_batch_bytes=100)

    assert [batch.entry_count for batch in store.batches] == [4, 4, 2, 2, 1, 1]
    store.check_log()


@pytest.mark.parametrize("fault", [Fault.FAILS_BEFORE_PERSISTING, Fault.FAILS_AFTER_PERSISTING])
@pytest.mark.parametrize("nth", [1, 2])
def test_an_answer_that_was_lost_is_looked_up_and_no_entry_is_doubled(
    fault: Fault, nth: int
) -> None:
    store = FaultyBatchStore({nth: fault})
    entries = [b"one", b"two", b"three"]

    async def scenario(log: AuditLog) -> None:
        answers = [*await append_all(log, *entries[:2]), *await append_all(log, entries[2])]
        assert all(isinstance(answer, Receipt) for answer in answers)
        assert_receipts_hold(store, entries, answers)

    with_log(store, scenario)

    calls = " ".join(store.calls)
    is_stored = fault is Fault.FAILS_AFTER_PERSISTING
    assert calls.count("append find append") == (0 if is_stored and nth == 2 else 1)
    assert calls.count("append") == (2 if is_stored else 3)


@pytest.mark.parametrize("fault", [Fault.HANGS_BEFORE_PERSISTING, Fault.HANGS_AFTER_PERSISTING])
def test_a_hanging_store_costs_one_deadline_and_not_the_log(fault: Fault) -> None:
    store = FaultyBatchStore({1: fault})

    async def scenario(log: AuditLog) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(AuditUnavailableError):
            await log.append(b"lost")
        assert 0.1 <= loop.time() - start < 0.3

        receipt = await log.append(b"next")

        assert store.entries[receipt.index] == b"next"

    with_log(store, scenario, deadline_seconds=0.1)

    store.check_log()
    assert (b"lost" in store.entries) is (fault is Fault.HANGS_AFTER_PERSISTING)


def test_each_entry_has_its_own_deadline_whatever_the_store_is_doing() -> None:
    store = FaultyBatchStore({1: Fault.HANGS_BEFORE_PERSISTING, 2: Fault.HANGS_BEFORE_PERSISTING})

    async def scenario(log: AuditLog) -> None:
        loop = asyncio.get_running_loop()
        first = asyncio.create_task(append_all(log, b"one"))
        await asyncio.sleep(0.1)
        start = loop.time()
        with pytest.raises(AuditUnavailableError):
            await log.append(b"two")
        assert loop.time() - start < 0.55
        await first

    with_log(store, scenario, deadline_seconds=0.4)


def test_a_refused_batch_is_unavailable_to_its_callers_and_the_log_goes_on() -> None:
    store = FaultyBatchStore({1: Fault.REFUSES})

    async def scenario(log: AuditLog) -> None:
        refused = await append_all(log, b"one", b"two")
        assert [type(answer) for answer in refused] == [AuditUnavailableError] * 2
        assert (await log.append(b"three")).index == 0

    with_log(store, scenario)


def test_entries_are_refused_in_time_while_the_store_is_down_and_taken_when_it_is_back() -> None:
    store = FaultyBatchStore()

    async def scenario(log: AuditLog) -> None:
        store.is_down = True
        loop = asyncio.get_running_loop()
        for _ in range(2):
            start = loop.time()
            answers = await append_all(log, *(b"%d" % number for number in range(5)))
            assert [type(answer) for answer in answers] == [AuditUnavailableError] * 5
            assert 0.25 <= loop.time() - start < 0.5
        store.is_down = False
        assert_receipts_hold(store, [b"back"], [await log.append(b"back")])

    with_log(store, scenario, deadline_seconds=0.25)


def test_a_short_outage_is_waited_out() -> None:
    store = FaultyBatchStore()

    async def scenario(log: AuditLog) -> None:
        store.is_down = True
        append = asyncio.create_task(log.append(b"one"))
        await asyncio.sleep(0.15)
        store.is_down = False
        assert (await append).index == 0

    with_log(store, scenario)


def test_a_full_queue_refuses_at_once() -> None:
    store = FaultyBatchStore(seconds=0.05)

    async def scenario(log: AuditLog) -> None:
        entries = [b"%d" % number for number in range(8)]
        answers = await append_all(log, *entries)
        kinds = [type(answer) for answer in answers]
        assert kinds == [Receipt] * 3 + [AuditUnavailableError] * 5
        assert_receipts_hold(store, entries, answers)

    with_log(store, scenario, max_queued_entries=3)


def test_an_entry_whose_caller_hung_up_is_logged_all_the_same() -> None:
    store = FaultyBatchStore(seconds=0.01)

    async def scenario(log: AuditLog) -> None:
        caller = asyncio.create_task(log.append(b"denied"))
        await asyncio.sleep(0)
        caller.cancel()
        await log.append(b"next")

    with_log(store, scenario)

    assert store.entries == [b"denied", b"next"]


def test_an_entry_over_the_limit_never_touches_the_log() -> None:
    store = FaultyBatchStore()

    async def scenario(log: AuditLog) -> None:
        with pytest.raises(EntryTooLargeError):
            await log.append(b"x" * 65_536)
        await log.append(b"x" * 65_535)

    with_log(store, scenario)

    assert store.calls == ["append"]


def test_closing_lets_what_is_queued_land_and_then_refuses() -> None:
    store = FaultyBatchStore(seconds=0.02)

    async def scenario(log: AuditLog) -> None:
        first = asyncio.create_task(log.append(b"one"))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(log.append(b"two"))
        await asyncio.sleep(0)
        await log.close()
        assert [(await first).index, (await second).index] == [0, 1]
        with pytest.raises(AuditUnavailableError):
            await log.append(b"three")

    with_log(store, scenario)


def test_closing_during_an_outage_leaves_nobody_waiting() -> None:
    store = FaultyBatchStore({1: Fault.HANGS_BEFORE_PERSISTING}, seconds=0.02)

    async def scenario(log: AuditLog) -> None:
        first = asyncio.create_task(log.append(b"one"))
        await asyncio.sleep(0)
        await log.close()
        with pytest.raises(AuditUnavailableError):
            await first

    with_log(store, scenario, deadline_seconds=0.1)


def test_a_log_that_was_not_started_refuses() -> None:
    async def scenario() -> None:
        with pytest.raises(AuditUnavailableError):
            await AuditLog(FaultyBatchStore()).append(b"one")

    asyncio.run(scenario())


class BrokenStore:
    async def append_batch(self, batch_id: UUID, leaf_hashes: bytes, bundle: bytes) -> int:
        raise ZeroDivisionError(batch_id, leaf_hashes, bundle)

    async def find_batch(self, batch_id: UUID) -> int | None:
        raise ZeroDivisionError(batch_id)


def test_a_fault_in_the_store_refuses_everyone_and_comes_out_on_closing() -> None:
    async def scenario(log: AuditLog) -> None:
        for _ in range(2):
            with pytest.raises(AuditUnavailableError):
                await log.append(b"one")
        with pytest.raises(ZeroDivisionError):
            await log.close()

    with_log(BrokenStore(), scenario)


def test_many_callers_get_true_receipts_from_postgresql(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    entries = [b"entry %d" % number for number in range(2_000)]
    answers: list[Receipt | BaseException] = []

    async def scenario(log: AuditLog) -> None:
        answers.extend(await append_all(log, *entries))

    with_log(PostgresBatchStore(audit_database_url), scenario)

    batches = list(read_batches(owner))
    hashes = b"".join(batch.leaf_hashes for batch in batches)
    report = verify_batches(batches, (), VKEY, origin="example.com/foo")
    assert report.entries == len(entries)
    assert sorted(answer.index for answer in answers if isinstance(answer, Receipt)) == list(
        range(len(entries))
    )
    for answer in answers:
        assert isinstance(answer, Receipt)
        assert hashes[answer.index * 32 : answer.index * 32 + 32] == answer.leaf_hash


def test_the_log_goes_on_when_postgresql_went_away_and_came_back(
    fresh_audit_database: Callable[[], str], owner: psycopg.Connection
) -> None:
    url = fresh_audit_database()
    name = conninfo_to_dict(url)["dbname"]
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")

    async def scenario(log: AuditLog) -> None:
        await log.append(b"before")
        owner.execute(allow.format(sql.Identifier(str(name)), sql.SQL("false")))
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
        with pytest.raises(AuditUnavailableError):
            await log.append(b"during")
        owner.execute(allow.format(sql.Identifier(str(name)), sql.SQL("true")))
        after.append(await log.append(b"after"))

    after: list[Receipt] = []
    with_log(PostgresBatchStore(url), scenario, deadline_seconds=0.4)

    with psycopg.connect(url) as reader:
        batches = list(read_batches(reader))
    verify_batches(batches, (), VKEY, origin="example.com/foo")
    stored = [entry for batch in batches for entry in decode_bundle(batch.bundle)]
    # What was refused in time may have landed late, once, and before what came after it.
    assert stored in ([b"before", b"after"], [b"before", b"during", b"after"])
    assert after == [Receipt(len(stored) - 1, leaf_hash(b"after"))]
