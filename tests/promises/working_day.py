"""A day of three vendors and their agents against a running gateway, with a fixed seed.

What everybody wants to do, and when, is drawn beforehand; the trial's clock runs fast. How the
calls of different agents interleave is up to the machine: the rules have to hold however it goes.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import Clock, SystemClock, TrialClock
from gateway.people.agents import AgentKey
from gateway.settings import load_settings
from gateway.trial.call_centre import SCRIPT, agent_refs, caller_number
from gateway.trial.morning import next_working_morning
from tests.installation import Installation
from tests.many_vendors import make_installation
from tests.promises.day_checker import SHANGHAI
from tests.promises.day_setting import (
    AGENTS,
    DEBTORS,
    SANDBOX_CASES,
    SECOND,
    SHARED,
    VENDORS,
    case_refs,
    import_debtors,
    open_second_script,
)

_BEGINS, _HOURS = time(7, 30), 15
_TOO_LATE = timedelta(minutes=30)
# Real seconds that servers take to start, while the day has not begun.
_STARTING = 9.0
# A wish waits for no answer longer than this; in real seconds.
_PATIENCE = 20.0
_RESULTS = (
    *[("NO_ANSWER", 40), ("BUSY", 10), ("VOICEMAIL", 6), ("RPC_PTP", 14), ("RPC_NO_COMMIT", 10)],
    *[("RPC_REFUSE", 4), ("RPC_CLAIM_PAID", 2), ("RPC_COMPLAINT", 2), ("RPC_STOP", 2)],
    *[("SWITCHED_OFF", 6), ("INVALID_NUMBER", 2), ("WRONG_NUMBER", 1), ("NOT_DIALED", 1)],
)
_FAILED = {"NO_ANSWER", "VOICEMAIL", "SWITCHED_OFF", "INVALID_NUMBER"}
_THIRD_RESULTS = (("THIRD_PARTY_RELAY", 5), ("THIRD_PARTY_REFUSE", 4), ("NO_ANSWER", 2))


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody wants at a moment: a vendor's agent a call, or the lender something."""

    at: datetime
    what: str
    vendor: str
    agent: str
    debtor: int
    seed: int


@dataclass
class WorkingDay:
    """The gateway of the day, what is wanted of it, and what came of it.

    `own_known`: by when an own contact that began at a moment had certainly been taken in.
    """

    installation: Installation
    rate: float
    begins: datetime
    cases: dict[str, list[str]]
    source_numbers: list[str]
    answers: Counter[str] = field(default_factory=Counter)
    own_known: dict[datetime, datetime] = field(default_factory=dict)
    _tokens: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    _asking: dict[str, asyncio.Lock] = field(
        default_factory=lambda: {vendor: asyncio.Lock() for vendor in VENDORS}
    )
    _failed: Counter[int] = field(default_factory=Counter)
    _evenings: dict[str, list[int]] = field(default_factory=dict)
    _clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def make(cls, directory: Path, *, seconds: float) -> "WorkingDay":
        """An installation whose next working day passes in so many seconds."""
        made = make_installation(
            directory, vendors=VENDORS[2:], cases=SANDBOX_CASES, agents=AGENTS
        )
        numbers = import_debtors(made)
        open_second_script(made)
        morning = next_working_morning(made.settings.make_clock().now())
        begins = datetime.combine(morning.astimezone(SHANGHAI).date(), _BEGINS, SHANGHAI)
        cases = {vendor: case_refs(made, vendor) for vendor in VENDORS}
        return cls(made, _HOURS * 3600 / seconds, begins.astimezone(UTC), cases, numbers)

    def plan(self, calls: int, *, seed: int) -> list[Step]:
        """Everything that will be wanted, in the order of time."""
        draw = random.Random(seed)
        steps = [self._step(draw, "call") for _ in range(calls)]
        for what, count in (("own", calls // 20), ("hold", calls // 60)):
            steps += [self._step(draw, what) for _ in range(count)]
        for number, hour in enumerate((11, 14, 16)):
            agent = agent_refs(VENDORS[number], AGENTS)[number]
            at = self.begins + timedelta(hours=hour - 7.5)
            steps.append(Step(at, "suspend", VENDORS[number], agent, 0, 0))
        at = self.begins + timedelta(hours=17 - 7.5)
        steps.append(Step(at, "withdraw", "gamma", "", 0, 0))
        return sorted(steps, key=lambda step: step.at)

    def _step(self, draw: random.Random, what: str) -> Step:
        vendor = draw.choice(VENDORS)
        agents = [*agent_refs(vendor, AGENTS), f"{vendor}-999"]
        debtor = draw.choice(SHARED) if draw.random() < 0.6 else draw.randrange(DEBTORS)
        hour = draw.uniform(9, 18) if draw.random() < 0.7 else draw.uniform(7.5, 22.5)
        at = self.begins + timedelta(hours=hour - 7.5)
        return Step(at, what, vendor, draw.choice(agents), debtor, draw.getrandbits(32))

    def start_clock(self) -> None:
        """Lets the day begin as soon as everything has started."""
        since = SystemClock().now()
        opening = self.begins - timedelta(seconds=_STARTING * self.rate)
        config = self.installation.config
        kept = config.read_text().partition("[trial]")[0]
        trial = (opening.isoformat(), since.isoformat(), self.rate)
        lines = (
            f"{name} = {value}"
            for name, value in zip(("clock", "since", "rate"), trial, strict=True)
        )
        config.write_text("\n".join([kept + "[trial]", *lines, ""]))
        self.installation = Installation(self.installation.directory, load_settings(config))
        self._clock = TrialClock(opening, since, self.rate)

    def now(self) -> datetime:
        return self._clock.now()

    async def live(self, steps: Sequence[Step]) -> None:
        """Everybody does what he wants when its time has come, each agent one call at a time."""
        async with AsyncExitStack() as stack:
            clients = {
                name: await stack.enter_async_context(self._client(name))
                for name in (*VENDORS, "bridge", "operator")
            }
            busy = {step.agent: asyncio.Lock() for step in steps}
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    wait = (step.at - self.now()).total_seconds() / self.rate
                    await asyncio.sleep(max(0.0, wait))
                    if step.what == "call" and self.now() - step.at > _TOO_LATE:
                        self.answers["too late"] += 1  # a slow machine does not get to everything
                        continue
                    group.create_task(self._do(step, clients, busy[step.agent]))

    async def _do(
        self, step: Step, clients: dict[str, httpx.AsyncClient], lock: asyncio.Lock
    ) -> None:
        draw = random.Random(step.seed)
        match step.what:
            case "call":
                async with lock:
                    await self._call(step, draw, clients)
            case "own":
                await self._own(step, draw, clients["operator"])
            case "hold":
                await self._hold(step, clients["operator"])
            case "suspend":
                key = AgentKey(step.vendor, f"{step.vendor}-2026", step.agent)
                people = self.installation.office().people()
                await asyncio.to_thread(people.suspend, key, actor="staff:day")
            case _:
                people = self.installation.office().people()
                await asyncio.to_thread(people.withdraw, SECOND, 1, actor="staff:day")

    async def _call(
        self, step: Step, draw: random.Random, clients: dict[str, httpx.AsyncClient]
    ) -> None:
        client, refs = clients[step.vendor], self.cases[step.vendor]
        debtor = step.debtor % len(refs)
        agreed = self._evenings.get(step.vendor)
        is_evening = self.now().astimezone(SHANGHAI).hour >= 18
        if is_evening and agreed and draw.random() < 0.5:
            debtor = draw.choice(agreed)
        is_third = draw.random() < (0.8 if self._failed[debtor] >= 3 else 0.05)
        wish = {
            "case_ref": refs[debtor],
            "contact_point": "related" if is_third else "mobile",
            "agent": step.agent,
            "script": SECOND if step.vendor == "gamma" and draw.random() < 0.5 else SCRIPT,
            "script_version": 1,
            "caller_number": caller_number(1 + VENDORS.index(step.vendor)),
            "call_kind": "notify" if draw.random() < 0.2 else "interactive",
            "reason": "DEBTOR_AGREED" if is_evening else None,
        }
        key = {"Idempotency-Key": f"step-{step.seed}"}
        answer = await self._post(step.vendor, client, "/v1/permits", wish, key)
        if answer.status_code == 201 and draw.random() < 0.1:
            await self._post(step.vendor, client, "/v1/permits", wish, key)
        if answer.status_code != 201:
            self.answers[str(answer.json()["code"])] += 1
            return
        self.answers["granted"] += 1
        permit = answer.json()
        await asyncio.sleep(draw.uniform(20, 240) / self.rate)
        is_called = await self._dial(permit, clients["bridge"])
        await self._end(step, draw, client, permit, debtor, is_third=is_third, is_called=is_called)

    async def _dial(self, permit: dict[str, Any], bridge: httpx.AsyncClient) -> bool:
        """Whether there is a call: by the bridge where there is a token."""
        token = permit["contact_point"].get("dial_token")
        if token is None:
            return True
        answer = await bridge.post("/v1/dial", json={"dial_token": token})
        self.answers["dialed" if answer.is_success else "not dialed"] += 1
        return answer.is_success

    async def _end(
        self,
        step: Step,
        draw: random.Random,
        client: httpx.AsyncClient,
        permit: dict[str, Any],
        debtor: int,
        *,
        is_third: bool,
        is_called: bool,
    ) -> None:
        """Says how it went, gives it back, or forgets about it."""
        path, chance = f"/v1/permits/{permit['permit_id']}", draw.random()
        if chance < 0.12:
            self.answers["left open"] += 1
            return
        if chance < 0.2 or not is_called:
            headers = await self._headers(step.vendor, client)
            answer = await client.delete(path, headers=headers)
            self.answers["given back" if answer.is_success else "not given back"] += 1
            return
        names, weights = zip(*(_THIRD_RESULTS if is_third else _RESULTS), strict=True)
        result = draw.choices(names, weights)[0]
        closed = await self._post(step.vendor, client, f"{path}/close", {"result_code": result})
        self.answers[f"closed {result}" if closed.is_success else "not closed"] += 1
        if closed.is_success and not is_third:
            self._failed[debtor] = self._failed[debtor] + 1 if result in _FAILED else 0
        if closed.is_success and result == "RPC_PTP":
            now = self.now()
            consent = {
                "case_ref": self.cases[step.vendor][debtor],
                "scope": "amber_time",
                "is_for_all_debts": True,
                "captured_at": now.isoformat(),
                "begins": now.isoformat(),
                "ends": (now + timedelta(hours=14)).isoformat(),
                "permit_id": permit["permit_id"],
                "given_by": "debtor",
                "evidence_recording_id": f"recording-{step.seed}",
            }
            answer = await self._post(step.vendor, client, "/v1/consents", consent)
            self.answers[
                "consent" if answer.is_success else f"no consent: {answer.json()['code']}"
            ] += 1
            if answer.is_success:
                self._evenings.setdefault(step.vendor, []).append(debtor)

    async def _own(self, step: Step, draw: random.Random, staff: httpx.AsyncClient) -> None:
        """The lender calls by itself, and says so afterwards."""
        began = self.now().replace(microsecond=draw.randrange(1000) * 1000)
        began -= timedelta(seconds=1)
        contact = {
            "own_id": f"own-{step.seed}",
            "source_case_no": self.source_numbers[step.debtor],
            "channel": "voice_human",
            "call_kind": "interactive",
            "started_at": began.isoformat(),
            "result_code": draw.choice(["NO_ANSWER", "RPC_NO_COMMIT"]),
        }
        answer = await staff.post("/company/v1/own-contacts", json={"contacts": [contact]})
        assert answer.is_success, answer.text
        self.own_known[began] = self.now()
        self.answers["own"] += 1

    async def _hold(self, step: Step, staff: httpx.AsyncClient) -> None:
        refs = self.cases[step.vendor]
        hold = {
            "vendor": step.vendor,
            "contract": f"{step.vendor}-2026",
            "case_ref": refs[step.debtor % len(refs)],
            "code": "complaint",
        }
        answer = await staff.post("/company/v1/holds", json=hold)
        assert answer.is_success, answer.text
        self.answers["hold"] += 1

    async def _post(
        self,
        vendor: str,
        client: httpx.AsyncClient,
        path: str,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """As a vendor; once more when the token had become too old on the way."""
        sent = {**(headers or {}), **await self._headers(vendor, client)}
        answer = await client.post(path, json=body, headers=sent)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._tokens.pop(vendor, None)
            sent |= await self._headers(vendor, client)
            answer = await client.post(path, json=body, headers=sent)
        return answer

    async def _headers(self, vendor: str, client: httpx.AsyncClient) -> dict[str, str]:
        """A token of at most five minutes of the trial: it lives for ten."""
        async with self._asking[vendor]:
            known = self._tokens.get(vendor)
            if known is None or self.now() - known[0] > timedelta(minutes=5):
                asked = self.now()
                body = {"grant_type": "client_credentials"}
                answer = await client.post("/oauth2/token", data=body)
                known = self._tokens[vendor] = asked, str(answer.json()["access_token"])
        return {"Authorization": f"Bearer {known[1]}"}

    @asynccontextmanager
    async def _client(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        made = self.installation
        folder = f"vendors/{name}" if name in VENDORS else f"staff/{name}"
        url = made.vendor_url if name in VENDORS else made.company_url
        limits = httpx.Limits(max_connections=AGENTS, max_keepalive_connections=AGENTS)
        async with httpx.AsyncClient(
            base_url=url, verify=made.tls(folder), limits=limits, timeout=_PATIENCE
        ) as client:
            yield client
