"""Our gateway and its bare peer, both serving the same cases side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, create_engine, insert
from sqlalchemy.pool import NullPool

from tests.bench import bare
from tests.bench.client import Endpoint
from tests.bench.harness import Sample
from tests.bench.stand import Stand, cpu_seconds, helpers, start
from tests.installation import Installation, free_port

VENDOR = "alpha"
PAGE = 500


@dataclass(slots=True)
class Side:
    """One of the two: where it serves, what to send, and the process whose time is counted."""

    endpoint: Endpoint
    headers: dict[str, str]
    pid: int


@dataclass(slots=True)
class Sides:
    """Both, with the references and the pages that a vendor would ask for."""

    stand: Stand
    ours: Side
    peer: Side
    refs: list[str]
    cursors: list[str]
    _seeds: Iterator[int] = field(default_factory=count)

    def load(
        self,
        side: Side,
        requests: list[tuple[str, str, int]],
        *,
        connections: int,
        each: int = 1,
        form: str | None = None,
    ) -> Sample:
        """One round of closed loops; the figure is answers a second times `each`.

        With a `form` each request posts it.

        Raises:
            RuntimeError: an answer was not what it should be.
        """
        order = {
            "endpoint": asdict(side.endpoint),
            "headers": side.headers,
            "requests": requests,
            "connections": connections,
            "seconds": self.stand.seconds,
            "seed": next(self._seeds),
            "form": form,
        }
        spent = cpu_seconds(side.pid)
        with helpers("load", 1) as (helper,):
            helper.tell(order)
            result = helper.hear()
        spent = cpu_seconds(side.pid) - spent
        if "error" in result:
            raise RuntimeError(result["error"])
        units = result["answers"] * each
        details = {
            "p50_ms": result["p50_ms"],
            "p99_ms": result["p99_ms"],
            "bytes_per_answer": result["bytes"] / result["answers"],
            "server_cpu_us": spent / units * 1e6,
        }
        return Sample(units / result["seconds"], details=details)


@contextmanager
def both_sides(stand: Stand) -> Iterator[Sides]:
    """Serves both with the same number of workers."""
    installation = stand.installation
    with installation.serving(workers=stand.workers) as gateway:
        with installation.vendor(VENDOR) as client:
            token = client.headers["Authorization"]
            cases, cursors = _walk(client)
        url = _fill_bare(installation, cases)
        port = free_port()
        tls = installation.settings.tls
        resolve = installation.settings.resolve
        helper = start(
            "bare",
            str(port),
            str(stand.workers),
            str(resolve(tls.server_certificate)),
            str(resolve(tls.server_key)),
            str(resolve(tls.vendor_ca)),
            environment={"BARE_DATABASE_URL": url},
        )
        try:
            for _ in range(stand.workers):
                helper.hear()
            headers = {"authorization": token, "accept": "application/json"}
            yield Sides(
                stand,
                Side(
                    _endpoint(installation, installation.settings.vendor.port),
                    headers,
                    gateway.pid,
                ),
                Side(_endpoint(installation, port), headers, helper.process.pid),
                [case["case_ref"] for case in cases],
                cursors,
            )
        finally:
            helper.end()


def side_note(ours: list[Sample]) -> str:
    """Latency and processor time of our side."""
    chosen = sorted(ours, key=lambda sample: sample.value)[len(ours) // 2].details
    return (
        f"p50 {chosen['p50_ms']:.1f} ms, p99 {chosen['p99_ms']:.1f} ms,"
        f" worker CPU {chosen['server_cpu_us']:.0f} µs"
    )


def _endpoint(installation: Installation, port: int) -> Endpoint:
    folder = installation.directory / "vendors" / VENDOR
    return Endpoint(
        port, str(folder / "ca.pem"), str(folder / "client.pem"), str(folder / "client.key")
    )


def _walk(client: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """All cases as the vendor gets them, and the cursors of the pages after the first."""
    cases: list[dict[str, Any]] = []
    cursors: list[str] = []
    parameters: dict[str, str | int] = {"limit": PAGE}
    while True:
        answer = client.get("/v1/cases", params=parameters)
        answer.raise_for_status()
        page = answer.json()
        cases += page["items"]
        if page["next_cursor"] is None:
            return cases, cursors
        cursors.append(page["next_cursor"])
        parameters["cursor"] = page["next_cursor"]


def _fill_bare(installation: Installation, cases: list[dict[str, Any]]) -> str:
    """Puts what the vendor receives into the peer's table; returns the peer's database URL."""
    info = conninfo_to_dict(installation.database().owner_url)
    query = {key: str(value) for key, value in info.items() if key in {"host", "port"}}
    url = URL.create(
        "postgresql+psycopg",
        username=_text(info.get("user")),
        password=_text(info.get("password")),
        database=_text(info.get("dbname")),
        query=query,
    )
    columns = {column.name for column in bare.cases.columns}
    unknown = {name for case in cases for name in case} - columns
    if unknown:
        raise RuntimeError(f"the bare table has no column for {sorted(unknown)}")
    rows: list[dict[str, Any]] = [{**dict.fromkeys(columns), **case} for case in cases]
    for row in rows:
        row["assigned_at"] = datetime.fromisoformat(row["assigned_at"])
        row["as_of"] = date.fromisoformat(row["as_of"])
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        bare.metadata.drop_all(connection)
        bare.metadata.create_all(connection)
        connection.execute(insert(bare.cases), rows)
    engine.dispose()
    with psycopg.connect(installation.database().owner_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return url.render_as_string(hide_password=False)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
