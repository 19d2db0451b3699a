"""The peer of pulls: an ordinary FastAPI and SQLAlchemy service that returns the same rows.

It checks nothing, masks nothing and logs nothing: its table holds what our vendor receives. It
is written as the documentation of both libraries shows, with the same event loop, HTTP parser,
TLS and pool size as ours; nothing in it is slowed, and nothing tuned by hand.
"""

import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Form, HTTPException
from pydantic import BaseModel
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.vendor_listener import POOL_SIZE

_TEXTS = (
    *("assignment_id", "case_status", "product_type", "product_name", "collection_stage"),
    *("days_past_due", "strategy_code", "debtor_ref", "full_name", "salutation", "home_address"),
    *("timezone", "contact_point_ref", "mobile_phone", "home_phone", "debt_ref", "currency"),
    *("total_due", "first_default_date", "last_payment_date", "repayment_channel"),
)
_TOKEN = "x" * 620  # as long as one of ours
metadata = MetaData()
cases = Table(
    "bare_case",
    metadata,
    Column("case_ref", Text, primary_key=True),
    Column("assigned_at", DateTime(timezone=True), nullable=False),
    Column("placement_number", Integer),
    Column("as_of", Date),
    Column("hold_flags", JSONB),
    Column("treatment_codes", JSONB),
    *(Column(name, Text) for name in _TEXTS),
)
permits = Table(
    "bare_permit",
    metadata,
    Column("permit_id", Integer, Identity(), primary_key=True),
    *(
        Column(name, Text, nullable=False)
        for name in ("case_ref", "agent", "script", "caller_number")
    ),
    Column("contact_point", Text, nullable=False),
    Column("script_version", Integer, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


class Wish(BaseModel):
    """As our vendors post it."""

    case_ref: str
    contact_point: str
    agent: str
    script: str
    script_version: int
    caller_number: str


def create_app() -> FastAPI:
    """The service; its database is named by BARE_DATABASE_URL."""
    engine = create_async_engine(
        os.environ["BARE_DATABASE_URL"], pool_size=POOL_SIZE, max_overflow=0
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sys.stdout.write('"ready"\n')
        sys.stdout.flush()
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/cases/{case_ref}")
    async def get_case(case_ref: str) -> dict[str, Any]:
        async with engine.connect() as connection:
            result = await connection.execute(select(cases).where(cases.c.case_ref == case_ref))
            row = result.mappings().one_or_none()
        if row is None:
            raise HTTPException(404)
        return dict(row)

    @app.get("/cases")
    async def list_cases(after: str = "", limit: int = 100) -> list[dict[str, Any]]:
        async with engine.connect() as connection:
            result = await connection.execute(
                select(cases)
                .where(cases.c.case_ref > after)
                .order_by(cases.c.case_ref)
                .limit(limit)
            )
            return [dict(row) for row in result.mappings()]

    @app.post("/permits", status_code=201)
    async def post_permit(wish: Wish) -> dict[str, Any]:
        async with engine.begin() as connection:
            result = await connection.execute(
                insert(permits).values(wish.model_dump()).returning(*permits.c)
            )
            row = result.mappings().one()
        return dict(row)

    @app.post("/token")
    async def post_token(grant_type: Annotated[str, Form()]) -> dict[str, Any]:
        return {"access_token": _TOKEN, "token_type": grant_type, "expires_in": 600}

    return app


def main() -> None:
    """Serves: `python -m tests.bench.bare PORT WORKERS CERTIFICATE KEY CLIENT_CA`."""
    port, workers, certificate, key, client_ca = sys.argv[1:]
    uvicorn.run(
        "tests.bench.bare:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(port),
        workers=int(workers),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_ca_certs=client_ca,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )


if __name__ == "__main__":
    main()
