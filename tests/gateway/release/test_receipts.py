"""Receipts over real TLS: a vendor proves its own entries, and nobody else's."""

import hashlib

import httpx
import orjson

from audit.merkle import leaf_hash
from audit.policy import TrustPolicy
from audit.tlog_proof import TlogProof
from tests.installation import Installation
from tests.promises.processes import wait_until


def _pull(client: httpx.Client) -> tuple[httpx.Response, int, bytes]:
    answer = client.get("/v1/cases?limit=2")
    index, _, digest = answer.headers["casegate-receipt"].partition("/")
    return answer, int(index), bytes.fromhex(digest)


def _proof(client: httpx.Client, index: int) -> str:
    assert wait_until(lambda: client.get(f"/v1/receipts/{index}").status_code == 200, seconds=10)
    return client.get(f"/v1/receipts/{index}").text


def _policy(gateway: Installation) -> TrustPolicy:
    vkey = (gateway.directory / "log.vkey").read_text().strip()
    return TrustPolicy.from_text(f"log {vkey}\nquorum none\n")


def test_a_receipt_is_proven_with_the_logs_key_alone(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        _answer, index, digest = _pull(client)
        proof = TlogProof.from_text(_proof(client, index))

    assert proof.index == index
    proof.verify(digest, _policy(gateway))


def test_the_proof_carries_the_entry_that_names_the_body_received(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        answer, index, digest = _pull(client)
        proof = TlogProof.from_text(_proof(client, index))

    assert proof.extra is not None
    assert leaf_hash(proof.extra) == digest
    entry = orjson.loads(proof.extra)
    assert entry["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert entry["vendor"] == "alpha"


def test_the_receipt_of_another_vendor_is_the_same_404_as_none_at_all(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha") as alpha, gateway.vendor("beta") as beta:
        _answer, index, _digest = _pull(alpha)
        _proof(alpha, index)
        foreign = beta.get(f"/v1/receipts/{index}")
        unknown = beta.get("/v1/receipts/99999999")

    assert foreign.status_code == unknown.status_code == 404
    bodies = [{**answer.json(), "request_id": ""} for answer in (foreign, unknown)]
    assert bodies[0] == bodies[1]


def test_an_entry_of_the_companys_own_acts_is_no_receipt_of_the_vendor(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha") as client:
        _answer, index, _digest = _pull(client)
        _proof(client, index)
        # The first entries are the sandbox's registrations and assignments, alpha's among them.
        statuses = {client.get(f"/v1/receipts/{early}").status_code for early in range(12)}

    assert statuses == {404}


def test_the_checkpoint_opens_under_the_logs_key(gateway: Installation) -> None:
    with gateway.vendor("beta") as client:
        _answer, index, _digest = _pull(client)
        _proof(client, index)
        note = client.get("/v1/log/checkpoint").text

    assert _policy(gateway).open(note).checkpoint.size > index


def test_a_release_is_followed_by_its_end_with_the_bytes_sent(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        answer, index, _digest = _pull(client)
        request = answer.headers["casegate-request-id"]
    with gateway.staff("auditor") as staff:
        path = f"/company/v1/log/entries?event=access.end&request_id={request}"
        assert wait_until(lambda: bool(staff.get(path).json()["items"]), seconds=10)
        (end,) = staff.get(path).json()["items"]

    assert end["entry"]["release"] == index
    assert end["entry"]["bytes"] == len(answer.content)
    assert end["entry"]["aborted"] is False
