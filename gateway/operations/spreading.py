"""Whether a new certificate is known on every worker yet: nobody is told of it before."""

import threading

import psycopg
from psycopg_pool import AsyncConnectionPool

from gateway.clock import Clock

SPREAD_SECONDS = 1.0
_POLL_SECONDS = 0.02
# Workers that have not been heard of lately serve nobody, so they are not waited for.
_IS_KNOWN = """
SELECT NOT EXISTS (SELECT 1 FROM casegate.worker
                    WHERE listener = 'vendor' AND epoch < (SELECT epoch FROM casegate.trust)
                      AND heard_at > clock_timestamp() - interval '3 seconds')
"""


def wait_until_known(connection: psycopg.Connection, clock: Clock) -> bool:
    """Blocks until all live vendor workers have the present trust, at most a second."""
    deadline = clock.monotonic() + SPREAD_SECONDS
    pause = threading.Event()
    while clock.monotonic() < deadline:
        row = connection.execute(_IS_KNOWN).fetchone()
        if row is not None and row[0]:
            return True
        pause.wait(_POLL_SECONDS)
    return False


async def until_known(pool: AsyncConnectionPool, clock: Clock) -> bool:
    """The same without blocking the event loop."""
    deadline = clock.monotonic() + SPREAD_SECONDS
    while clock.monotonic() < deadline:
        async with pool.connection() as connection:
            row = await (await connection.execute(_IS_KNOWN)).fetchone()
        if row is not None and row[0]:
            return True
        await clock.sleep(_POLL_SECONDS)
    return False
