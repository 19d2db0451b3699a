"""Row: permits of four vendors, against a bare route that inserts one row and returns it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from gateway.trial.call_centre import SCRIPT, agent_refs, caller_number
from tests.bench import bare
from tests.bench.client import Endpoint
from tests.bench.harness import Sample, Target, middle
from tests.bench.sides import side_note
from tests.bench.stand import Stand, cpu_seconds, helpers, start
from tests.installation import Installation, free_port
from tests.many_vendors import make_installation

_VENDORS = ("alpha", "beta", "gamma", "delta")
# So many connections of each vendor, and agents who ask in turn.
_CONNECTIONS = 8
_AGENTS = 24
_CASES, _QUICK_CASES = 5_000, 800
# A debtor's cap is three: until all cases of a vendor had their calls, none is refused.
_CALLS_A_CASE = 2
_QUOTAS = re.compile(r"reveals_per_day: \d+, reveals_per_agent_day: \d+")


@dataclass(slots=True)
class _Vendor:
    """One that asks: where it may, and how far it has got among its wishes."""

    folder: str
    authorization: str
    bodies: list[str]
    asked: int = 0


class AskingPermits:
    """Decided by all packs in force, counted, logged, opened and shown: one permit an answer."""

    name = "permits"
    unit = "permits/s"
    target = Target(0.4, of_ratio=True)
    has_warmup = True

    _stand: Stand
    _installation: Installation
    _vendors: list[_Vendor]
    _pids: tuple[int, int]
    _ports: tuple[int, int]

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._stand = stand
        made = self._installation = make_installation(
            stand.directory / "permits",
            vendors=_VENDORS[2:],
            cases=_QUICK_CASES if stand.quick else _CASES,
            agents=_AGENTS,
        )
        _lift_quotas(made)
        url = _make_table(made)
        with ExitStack() as stack:
            gateway = stack.enter_context(made.serving(workers=stand.workers))
            self._vendors = [
                _vendor(made, name, number) for number, name in enumerate(_VENDORS, start=1)
            ]
            port = free_port()
            tls, resolve = made.settings.tls, made.settings.resolve
            helper = start(
                "bare",
                str(port),
                str(stand.workers),
                str(resolve(tls.server_certificate)),
                str(resolve(tls.server_key)),
                str(resolve(tls.vendor_ca)),
                environment={"BARE_DATABASE_URL": url},
            )
            stack.callback(helper.end)
            for _ in range(stand.workers):
                helper.hear()
            self._pids = gateway.pid, helper.process.pid
            self._ports = made.settings.vendor.port, port
            yield

    def ours(self) -> Sample:
        sample, asked = self._ask(0, "/v1/permits", '"decision":"granted"')
        for vendor, count in zip(self._vendors, asked, strict=True):
            vendor.asked += count
        return sample

    def peer(self) -> Sample:
        return self._ask(1, "/permits", '"permit_id":')[0]

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        return f"{len(_VENDORS)} vendors, {side_note(list(ours))}; the peer decides nothing"

    def _ask(self, side: int, path: str, marker: str) -> tuple[Sample, list[int]]:
        folder = self._installation.directory / "vendors"
        order: dict[str, Any] = {
            "seconds": self._stand.seconds,
            "connections": _CONNECTIONS,
            "groups": [
                {
                    "endpoint": asdict(
                        Endpoint(
                            self._ports[side],
                            *(
                                str(folder / vendor.folder / name)
                                for name in ("ca.pem", "client.pem", "client.key")
                            ),
                        )
                    ),
                    "headers": {"authorization": vendor.authorization},
                    "path": path,
                    "marker": marker,
                    "bodies": vendor.bodies[vendor.asked :],
                }
                for vendor in self._vendors
            ],
        }
        spent = cpu_seconds(self._pids[side])
        with helpers("asking", 1) as (helper,):
            helper.tell(order)
            result = helper.hear()
        spent = cpu_seconds(self._pids[side]) - spent
        if "error" in result:
            raise RuntimeError(result["error"])
        details = {
            "p50_ms": result["p50_ms"],
            "p99_ms": result["p99_ms"],
            "server_cpu_us": spent / result["answers"] * 1e6,
        }
        return Sample(result["answers"] / result["seconds"], details=details), result["asked"]


def _vendor(installation: Installation, name: str, number: int) -> _Vendor:
    with installation.vendor(name) as client:
        authorization = client.headers["Authorization"]
    # Of a debtor with several cases the last: the caps are the debtor's.
    cases = {row["id_number"]: row for row in installation.truth()}
    refs = [row["case_ref"] for row in cases.values() if row["vendor_id"] == name]
    agents = agent_refs(name, _AGENTS)
    bodies = [
        orjson.dumps(
            {
                "case_ref": ref,
                "contact_point": "mobile",
                "agent": agents[index % _AGENTS],
                "script": SCRIPT,
                "script_version": 1,
                "caller_number": caller_number(number),
            }
        ).decode()
        for index, ref in enumerate(refs * _CALLS_A_CASE)
    ]
    return _Vendor(name, authorization, bodies)


def _lift_quotas(installation: Installation) -> None:
    """Lets every vendor see as many numbers as the bench asks for."""
    policies = installation.directory / "policies"
    for path in policies.rglob("*.yaml"):
        text = path.read_text()
        path.write_text(_QUOTAS.sub("reveals_per_day: 20000, reveals_per_agent_day: 500", text))
    installation.activate()


def _make_table(installation: Installation) -> str:
    """The peer's table in the same database; returns the peer's database URL."""
    info = conninfo_to_dict(installation.database().owner_url)
    url = URL.create(
        "postgresql+psycopg",
        username=str(info["user"]),
        password=None if info.get("password") is None else str(info["password"]),
        database=str(info["dbname"]),
        query={key: str(value) for key, value in info.items() if key in {"host", "port"}},
    )
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        bare.metadata.create_all(connection)
    engine.dispose()
    with psycopg.connect(installation.database().owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
    return url.render_as_string(hide_password=False)
