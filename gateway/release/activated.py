"""The policies in force, read from the database: the only ones that a release goes by."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from psycopg_pool import AsyncConnectionPool

from gateway.clock import Clock
from gateway.logs import logger
from gateway.store.follower import Follower
from policies.errors import PolicyError
from policies.fields import FieldCatalog
from policies.load import reread_policy
from policies.model import PolicyBundle, VendorPolicy

IN_FORCE = "SELECT digest, file, document, sources FROM casegate.policies_in_force()"
# Of a digest there is one text for ever, so that an unchanged list needs no reading: to parse the
# texts takes the worker longer than all else that it does when trust changes.
_DIGESTS = "SELECT digest FROM casegate.policies_in_force()"

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


class ActivePolicies(Follower):
    """Keeps a worker's policies those that are in force.

    `changed` is told by the trust feed; what is in force is then read through the worker's pool.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool,
        catalog: FieldCatalog,
        use: Callable[[PolicyBundle], None],
        clock: Clock,
    ) -> None:
        super().__init__(self._take, clock, unread="policies.unread")
        self._pool = pool
        self._catalog = catalog
        self._use = use
        self._digests: list[str] | None = None

    async def _take(self) -> None:
        async with self._pool.connection() as connection:
            listed = await (await connection.execute(_DIGESTS)).fetchall()
            if [str(row[0]) for row in listed] == self._digests:
                return
            rows = await (await connection.execute(IN_FORCE)).fetchall()
        # In a thread: the loop answers meanwhile, and cuts who is shut out.
        self._use(await asyncio.to_thread(policies_of, rows, self._catalog))
        self._digests = [str(row[0]) for row in rows]
