import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from audit.bundle import encode_bundle
from audit.errors import BatchRefusedError, StoreUnavailableError
from audit.merkle import leaf_hash
from audit.store import PostgresBatchStore, read_batches, read_signed_heads
from audit.verify import VerificationReport, verify_batches

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def check_log(connection: psycopg.Connection) -> VerificationReport:
    return verify_batches(read_batches(connection), (), VKEY, origin="example.com/foo")


def kill_others(owner: psycopg.Connection) -> None:
    owner.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def put(store: PostgresBatchStore, *entries: bytes, batch_id: UUID | None = None) -> int:
    leaf_hashes = b"".join(leaf_hash(entry) for entry in entries)
    return await store.append_batch(batch_id or uuid4(), leaf_hashes, encode_bundle(entries))


async def wait_for_lock(owner: psycopg.Connection) -> None:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    for _ in range(500):
        if owner.execute(query).fetchone() != (0,):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waits for a lock")


def test_batches_get_adjoining_indexes_and_are_found_by_their_id(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        batch_id = uuid4()
        assert await store.find_batch(batch_id) is None
        assert await put(store, b"one", b"two") == 0
        assert await put(store, b"three", batch_id=batch_id) == 2
        assert await put(store, b"three", batch_id=batch_id) == 2
        assert await store.find_batch(batch_id) == 2
        await store.close()

    asyncio.run(scenario())

    assert check_log(owner).entries == 3


def test_two_stores_on_one_database_share_one_order(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    async def scenario() -> list[int]:
        stores = [PostgresBatchStore(audit_database_url) for _ in range(2)]

        async def fill(store: PostgresBatchStore, name: bytes) -> list[int]:
            return [await put(store, b"%s %d" % (name, number)) for number in range(20)]

        first, second = await asyncio.gather(fill(stores[0], b"a"), fill(stores[1], b"b"))
        for store in stores:
            await store.close()
        return first + second

    assert sorted(asyncio.run(scenario())) == list(range(40))
    assert check_log(owner).entries == 40


def test_a_lost_connection_is_reported_and_the_next_call_opens_another(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        await put(store, b"one")
        kill_others(owner)
        with pytest.raises(StoreUnavailableError):
            await put(store, b"two")
        assert await put(store, b"three") == 1
        await store.close()

    asyncio.run(scenario())


def test_a_connection_lost_in_mid_append_leaves_the_outcome_to_be_looked_up(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        await put(store, b"one")
        batch_id = uuid4()
        with psycopg.connect(audit_database_url) as blocker:
            blocker.execute("SELECT 1 FROM audit.tail FOR UPDATE")
            append = asyncio.create_task(put(store, b"two", batch_id=batch_id))
            await wait_for_lock(owner)
            owner.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
            with pytest.raises(StoreUnavailableError):
                await append
        assert await store.find_batch(batch_id) is None
        assert await put(store, b"two", batch_id=batch_id) == 1
        await store.close()

    asyncio.run(scenario())


def test_the_call_after_a_cancelled_one_sees_nothing_of_it(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        await put(store, b"one")
        with psycopg.connect(audit_database_url) as blocker:
            blocker.execute("SELECT 1 FROM audit.tail FOR UPDATE")
            append = asyncio.create_task(put(store, b"two"))
            await wait_for_lock(owner)
            append.cancel()
            assert await store.find_batch(uuid4()) is None
            with pytest.raises(asyncio.CancelledError):
                await append
        assert await put(store, b"three") == 1
        await store.close()

    asyncio.run(scenario())


def test_an_unreachable_database_is_unavailable_not_refusing(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    name = owner.info.dbname
    url = audit_database_url.replace(name, "no_such_database")

    async def scenario() -> None:
        with pytest.raises(StoreUnavailableError):
            await PostgresBatchStore(url).find_batch(uuid4())

    asyncio.run(scenario())


def test_a_refusal_is_told_apart_and_the_connection_goes_on(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        with pytest.raises(BatchRefusedError):
            await store.append_batch(uuid4(), leaf_hash(b"one"), encode_bundle([b"other"]))
        before = owner.execute("SELECT count(*) FROM pg_stat_activity").fetchone()
        assert await put(store, b"one") == 0
        assert owner.execute("SELECT count(*) FROM pg_stat_activity").fetchone() == before
        await store.close()

    asyncio.run(scenario())


def test_a_database_that_turned_read_only_is_unavailable(
    audit_database_url: str, owner: psycopg.Connection
) -> None:
    set_read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    name = sql.Identifier(owner.info.dbname)

    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        owner.execute(set_read_only.format(name, sql.SQL("on")))
        with pytest.raises(StoreUnavailableError):
            await put(store, b"one")
        owner.execute(set_read_only.format(name, sql.SQL("off")))
        assert await put(store, b"one") == 0
        await store.close()

    asyncio.run(scenario())


def test_a_connection_that_turned_read_only_is_given_up(audit_database_url: str) -> None:
    async def scenario() -> None:
        store = PostgresBatchStore(audit_database_url)
        await put(store, b"one")
        assert store._idle is not None
        await store._idle.execute("SET default_transaction_read_only = on")
        with pytest.raises(StoreUnavailableError):
            await put(store, b"two")
        assert await put(store, b"two") == 1
        await store.close()

    asyncio.run(scenario())


def test_batches_are_read_in_order_from_a_given_start(
    owner: psycopg.Connection, append: Callable[..., int]
) -> None:
    for number in range(40):
        append(b"a%d" % number, b"b%d" % number)

    batches = list(read_batches(owner, 10))

    assert [batch.first_index for batch in batches] == list(range(10, 80, 2))
    assert batches[0].bundle == encode_bundle([b"a5", b"b5"])
    assert list(read_signed_heads(owner)) == []


def test_a_reader_that_stops_early_leaves_the_connection_usable(
    owner: psycopg.Connection, append: Callable[..., int]
) -> None:
    for number in range(40):
        append(b"%d" % number)
    reader = read_batches(owner)
    assert next(reader).first_index == 0

    reader.close()

    assert len(list(read_batches(owner))) == 40
