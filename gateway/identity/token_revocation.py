"""Ends a token before its time, on all workers (RFC 7009)."""

from datetime import datetime
from typing import Protocol

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.errors import DatabaseUnavailableError

_REVOKE = "SELECT casegate.revoke_token(%s, %s, %s)"


class TokenRevoker(Protocol):
    """What the revocation endpoint needs of the store."""

    async def revoke(self, token_id: str, vendor_id: str, expires_at: datetime) -> None:
        """Has every worker refuse a token from now on; a second time changes nothing.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        ...


class PostgresTokenRevoker:
    """Through the trust epoch: each worker hears of it as it hears of a revoked certificate."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def revoke(self, token_id: str, vendor_id: str, expires_at: datetime) -> None:
        """See TokenRevoker."""
        try:
            async with self._pool.connection() as connection:
                await connection.execute(_REVOKE, (token_id, vendor_id, expires_at))
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("a token cannot be revoked") from error
