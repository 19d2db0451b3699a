"""The policies in force, read from the database: the only ones that a release goes by."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.clock import Clock
from gateway.logs import logger
from policies.errors import PolicyError
from policies.fields import FieldCatalog
from policies.load import reread_policy
from policies.model import PolicyBundle, VendorPolicy

IN_FORCE = "SELECT digest, file, document, sources FROM casegate.policies_in_force()"
# Of a digest there is one text for ever, so that an unchanged list needs no reading: to parse the
# texts takes the worker longer than all else that it does when trust changes.
_DIGESTS = "SELECT digest FROM casegate.policies_in_force()"
_RETRY_SECONDS = 0.2

StoredPolicy = tuple[str, str, str, Mapping[str, str]]


def policies_of(rows: Iterable[StoredPolicy], catalog: FieldCatalog) -> PolicyBundle:
    """The policies of stored rows: digest, file, document, sources.

    A row that cannot be accepted any more, because the catalogue has become narrower or the
    document is not what its digest says, is left out and told to the operator: its vendor gets
    nothing.
    """
    kept: list[VendorPolicy] = []
    for digest, file, document, sources in rows:
        try:
            policy = reread_policy(document, file, dict(sources), catalog).policy
        except PolicyError as error:
            logger().error("policy.unusable", policy=digest, error_type=type(error).__name__)
            continue
        if policy.digest != digest:
            logger().error("policy.unusable", policy=digest, error_type="DigestDiffers")
            continue
        kept.append(policy)
    return PolicyBundle(tuple(kept))


class ActivePolicies:
    """Keeps a worker's policies those that are in force.

    `changed` is told by the trust feed; what is in force is then read through the worker's pool.
    Until that has worked it is tried again, and the policies from before decide.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool,
        catalog: FieldCatalog,
        use: Callable[[PolicyBundle], None],
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._catalog = catalog
        self._use = use
        self._clock = clock
        self._digests: list[str] | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """What is in force may be other than before."""
        self._changed.set()

    async def start(self) -> None:
        """Reads what is in force now, and goes on reading at each change."""
        await self._read()
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await self._read()
            if self._changed.is_set():
                await self._clock.sleep(_RETRY_SECONDS)

    async def _read(self) -> None:
        self._changed.clear()
        try:
            async with self._pool.connection() as connection:
                listed = await (await connection.execute(_DIGESTS)).fetchall()
                if [str(row[0]) for row in listed] == self._digests:
                    return
                rows = await (await connection.execute(IN_FORCE)).fetchall()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            logger().warning("policies.unread", error_type=type(error).__name__)
            self._changed.set()
            return
        # In a thread: the loop answers meanwhile, and cuts who is shut out.
        self._use(await asyncio.to_thread(policies_of, rows, self._catalog))
        self._digests = [str(row[0]) for row in rows]
