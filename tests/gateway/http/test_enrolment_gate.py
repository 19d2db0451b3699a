"""The gate of the enrolment listener, without a server: measure, staleness, evidence, size."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest
from cryptography import x509
from starlette.types import Message
from typing_extensions import override

from audit.entry import EntryValue, EventType
from audit.errors import AuditUnavailableError
from audit.log import Receipt
from gateway.errors import TrustStaleError
from gateway.http.enrolment import EnrolmentGate, EnrolmentLimits, build_enrolment_api
from gateway.identity.feed import TrustFeed
from gateway.identity.trust import TrustView
from tests.gateway.store.lender import SetClock

ATTRIBUTES = "/.well-known/est/csrattrs"
LIMITS = EnrolmentLimits(per_source=3, overall=5, entries_per_source=2, status_factor=2)


@dataclass
class Freshness:
    """The one question that the gate asks of a trust feed."""

    is_stale: bool = False

    def view(self) -> TrustView:
        if self.is_stale:
            raise TrustStaleError("unheard")
        return TrustView(1, [])


@dataclass
class Heard:
    entries: list[dict[str, EntryValue]] = field(default_factory=list)
    is_down: bool = False

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        if self.is_down:
            raise AuditUnavailableError("down")
        self.entries.append({"type": event.value, **fields})
        return Receipt(0, bytes(32))


@dataclass
class Slept(SetClock):
    slept: float = 0.0

    @override
    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.seconds += seconds


class Nothing:
    """Use cases of an authority that has issued nothing."""

    def enrol(self, vendor_id: str, code: str, csr: bytes) -> x509.Certificate | None:
        raise ConnectionError(vendor_id, code, csr)

    def trusted(self) -> list[x509.Certificate]:
        return []

    def crl(self, issuer_id: bytes) -> bytes | None:
        return issuer_id[:0] or None

    def answer_status(self, question: bytes) -> bytes:
        return b"answer to " + question


@dataclass
class Stand:
    trust: Freshness = field(default_factory=Freshness)
    heard: Heard = field(default_factory=Heard)
    clock: Slept = field(default_factory=Slept)

    def __post_init__(self) -> None:
        self.gate = EnrolmentGate(
            build_enrolment_api(Nothing()),
            trust=cast(TrustFeed, self.trust),
            evidence=self.heard,
            clock=self.clock,
            limits=LIMITS,
        )

    def ask(
        self, path: str, *, source: str = "192.0.2.1", method: str = "GET", body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"content-type", b"application/pkcs10")],
            "client": (source, 4711),
            "state": {},
        }
        asyncio.run(self.gate(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return int(sent[0]["status"]), headers, content


@pytest.fixture
def stand() -> Stand:
    return Stand()


def _code(answer: tuple[int, dict[str, str], bytes]) -> str:
    return str(orjson.loads(answer[2])["code"])


def test_too_many_requests_get_429_with_the_time_to_wait(stand: Stand) -> None:
    answers = [stand.ask(ATTRIBUTES) for _ in range(5)]

    assert [answer[0] for answer in answers] == [200, 200, 200, 429, 429]
    assert _code(answers[-1]) == "RATE_LIMITED"
    assert int(answers[-1][1]["retry-after"]) >= 1


def test_another_source_goes_on_until_all_together_are_too_many(stand: Stand) -> None:
    for _ in range(9):
        stand.ask(ATTRIBUTES)

    answers = [stand.ask(ATTRIBUTES, source="192.0.2.2")[0] for _ in range(3)]
    assert answers == [200, 200, 429]


def test_status_questions_have_a_measure_of_their_own(stand: Stand) -> None:
    for _ in range(9):
        stand.ask(ATTRIBUTES)

    answers = [stand.ask("/ocsp/AAAA")[0] for _ in range(7)]
    assert answers == [200] * 6 + [429]


def test_a_flood_does_not_flood_the_log(stand: Stand) -> None:
    for _ in range(200):
        stand.ask("/nothing")

    assert len(stand.heard.entries) == 2


def test_what_was_not_told_is_told_in_sum(stand: Stand) -> None:
    for _ in range(20):
        stand.ask("/nothing")
    stand.heard.entries.clear()

    async def a_minute() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_yielding(stand).summarize(), 0.2)

    asyncio.run(a_minute())
    told = [(e["source"], e["code"], e["count"]) for e in stand.heard.entries]
    assert sum(int(str(count)) for _source, _code, count in told) == 18
    assert {code for _source, code, _count in told} == {"NOT_FOUND", "RATE_LIMITED"}


def _yielding(stand: Stand) -> EnrolmentGate:
    """Sleeping also lets the event loop go on."""

    async def sleep(seconds: float) -> None:
        stand.clock.seconds += seconds
        await asyncio.sleep(0.001)

    stand.clock.sleep = sleep  # type: ignore[method-assign]
    return stand.gate


def test_a_listener_that_has_not_heard_of_revocations_answers_nothing(stand: Stand) -> None:
    stand.trust.is_stale = True

    for path in (ATTRIBUTES, "/ocsp/AAAA", "/nothing"):
        answer = stand.ask(path)
        assert (answer[0], _code(answer)) == (503, "TRUST_STALE")


def test_a_refusal_that_cannot_be_logged_is_a_503(stand: Stand) -> None:
    stand.heard.is_down = True

    answer = stand.ask("/nothing")

    assert (answer[0], _code(answer)) == (503, "AUDIT_UNAVAILABLE")


def test_a_wrong_code_is_answered_after_the_same_time(stand: Stand) -> None:
    answer = stand.ask("/.well-known/est/simpleenroll", method="POST")

    assert answer[0] == 401
    assert stand.clock.slept == pytest.approx(0.25)


def test_a_body_over_16_kib_is_refused(stand: Stand) -> None:
    answer = stand.ask("/ocsp", method="POST", body=bytes(16 * 1024 + 1))

    assert (answer[0], _code(answer)) == (413, "BODY_TOO_LARGE")


def test_an_entry_tells_neither_path_nor_body(stand: Stand) -> None:
    stand.ask("/crl/13800000000.crl")

    [entry] = stand.heard.entries
    assert entry["route"] == "/crl/{issuer}.crl"
    assert "13800000000" not in str(entry)
