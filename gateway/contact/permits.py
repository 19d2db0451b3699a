"""The permit use case of one worker: look, decide, count, log, hand over, in that order."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson

from audit.entry import EventType
from audit.errors import AuditUnavailableError
from audit.log import Receipt
from gateway.cases.record import open_record
from gateway.clock import Clock, rfc3339
from gateway.contact.dial_token import DialTokens
from gateway.contact.grant import Asked, known_agent, permit_row, verify_open, what, who
from gateway.contact.rulebook import Rulebook
from gateway.contact.situation import Picture, zones_of
from gateway.contact.store import AskedCase, Closing, PermitStore
from gateway.contact.view import case_view, number_view
from gateway.contact.wish import PermitWish
from gateway.errors import (
    IdempotencyKeyReusedError,
    NotFoundError,
    PermitStateError,
    RequestInvalidError,
)
from gateway.evidence import Evidence
from gateway.findings.networks import network_of
from gateway.findings.record import entry_fields
from gateway.identity.principal import VendorPrincipal
from gateway.portfolio.canaries import canary_fault
from gateway.release.profiles import ReleaseProfile, ReleaseProfiles
from gateway.release.release import AccessContext
from keys.kek import KeyEncryptionKey
from policies.contact.model import (
    ContactDecision,
    ContactRequest,
    DenyCode,
    FiredRule,
    Situation,
)
from policies.elements import SHANGHAI
from policies.fields import Stage
from policies.limits import NumberHandling

LIFE = timedelta(minutes=10)
# Each attempt that finds the picture changed means that somebody else has got on.
_ATTEMPTS = 24
_UNDONE = Closing("voided", None, 0)


@dataclass(frozen=True, slots=True)
class Granted:
    """A permit with what it shows; the bytes may leave, because their entry is durable."""

    permit_id: UUID
    body: bytes
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Refused:
    """No permit: why, by which rules, and from when it would be one if only time passed."""

    codes: tuple[DenyCode, ...]
    fired: tuple[FiredRule, ...]
    allowed_from: datetime | None
    receipt: Receipt


class Permits:
    """Asks, for one vendor at a time; knows nothing of HTTP."""

    def __init__(
        self,
        *,
        store: PermitStore,
        rulebook: Rulebook,
        profiles: ReleaseProfiles,
        kek: KeyEncryptionKey,
        tokens: DialTokens,
        evidence: Evidence,
        clock: Clock,
    ) -> None:
        self._store = store
        self._rulebook = rulebook
        self._profiles = profiles
        self._kek = kek
        self._tokens = tokens
        self._evidence = evidence
        self._clock = clock

    async def ask(
        self, principal: VendorPrincipal, wish: PermitWish, context: AccessContext
    ) -> Granted | Refused:
        """Decides one dial; exact however many ask at once.

        A grant stands only on a picture of the debtor that still holds when it is put on record.

        Raises:
            NotFoundError: the case is foreign, recalled or unknown: one answer for all three.
            ReleaseDeniedError: the policy shows nothing at this stage, or not for this purpose.
            RequestInvalidError: the case has no such contact point.
            IdempotencyKeyReusedError: the key was used for another wish.
            PermitStateError: CONTENDED when the picture kept changing; RULES_UNSET; or the state
                of the permit that was given under the same key.
            AuditUnavailableError, DatabaseUnavailableError: no permit was given.
        """
        for _attempt in range(_ATTEMPTS):
            now = self._clock.now()
            profile = self._profiles.decide(
                principal,
                purpose=context.purpose,
                stage=Stage.PERMIT,
                at=now,
                source=context.source,
            )
            found = await self._store.ask(principal.vendor_id, principal.contract_id, wish, now)
            if found is None:
                raise NotFoundError("no such case for this vendor")
            case, picture = found
            asked = self._open(wish, case, profile, context.purpose, picture.situation, now)
            if picture.repeat is not None:
                return await self._again(principal, asked, picture.repeat, context)
            decision = self._rulebook.rules(now).decide(asked.request, picture.situation)
            if not decision.is_granted:
                return await self._refuse(principal, asked, context, decision)
            granted = await self._grant(principal, asked, picture, decision, context)
            if granted is not None:
                return granted
        raise PermitStateError("CONTENDED")

    def _open(
        self,
        wish: PermitWish,
        case: AskedCase,
        profile: ReleaseProfile,
        purpose: str,
        situation: Situation,
        now: datetime,
    ) -> Asked:
        record = open_record(case.stored, self._kek)
        if profile.covers is not None and not profile.covers(record):
            raise NotFoundError("no such case for this vendor")
        number = number_view(record, wish.point)
        point = case.points[wish.point.value]
        if number is None or point is None:
            raise RequestInvalidError("contact_point: the case has none of this kind")
        request = ContactRequest(
            now,
            wish.channel,
            wish.call_kind,
            wish.point.party,
            point.hex(),
            str(record.get("debt_ref")),
            zones_of(record),
            wish.reason,
        )
        return Asked(wish, case, record, profile, number, request, purpose, situation)

    async def _grant(
        self,
        principal: VendorPrincipal,
        asked: Asked,
        picture: Picture,
        decision: ContactDecision,
        context: AccessContext,
    ) -> Granted | Refused | None:
        """Puts a permit on record; None when the picture no longer holds."""
        now = asked.request.at
        rules = self._rulebook.rules(now)
        ends = self._end_of(principal, asked.request, picture)
        permit_id = uuid4()
        quotas = asked.profile.limits.quotas
        row = permit_row(principal, asked, decision, permit_id, ends, rulebook=rules.digest)
        row["network"] = network_of(context.source)
        outcome = await self._store.grant(
            row,
            picture.version,
            most=quotas.reveals,
            most_of_agent=quotas.reveals_per_agent,
            day=now.astimezone(SHANGHAI).date(),
        )
        outcome, _space, finding = outcome.partition(" ")
        if outcome == "stale":
            return None
        if outcome == "gone":
            raise NotFoundError("no such case for this vendor")
        if outcome == "quota":
            refusal = ContactDecision((DenyCode.RATE_LIMIT,), ())
            return await self._refuse(principal, asked, context, refusal)
        try:
            # Both at once: a canary answers no later than a case.
            granted, _noted = await asyncio.gather(
                self._hand_over(
                    principal, asked, context, row, ends, decision, EventType.PERMIT_ISSUED
                ),
                self._note_finding(principal, finding),
            )
        except AuditUnavailableError:
            # Nobody was told: the permit ends as if it had never been.
            await self._store.close(
                principal.vendor_id, principal.contract_id, permit_id, _UNDONE, now
            )
            raise
        return granted

    async def _note_finding(self, principal: VendorPrincipal, finding: str) -> None:
        """The entry of a finding that the grant has raised, for a canary."""
        if finding:
            fault = canary_fault(principal.vendor_id, principal.contract_id)
            await self._evidence.record(
                EventType.FINDING_RAISED, **entry_fields(UUID(finding), fault)
            )

    def _end_of(
        self, principal: VendorPrincipal, request: ContactRequest, picture: Picture
    ) -> datetime:
        """The first instant at which the call may no longer begin: ten minutes, or sooner.

        A permit that reached over the end of a window would let a call begin outside of it.
        """
        last = min(request.at + LIFE, principal.valid_until)
        if picture.script_ends is not None:
            last = min(last, picture.script_ends)
        rules = self._rulebook.rules(request.at)

        def is_open(moment: datetime) -> bool:
            return rules.is_open_later(request, picture.situation, moment)

        step = timedelta(microseconds=1)
        if is_open(last - step):
            return last
        begins, ends = request.at, last
        while ends - begins > step:
            middle = begins + (ends - begins) / 2
            if is_open(middle):
                begins = middle
            else:
                ends = middle
        return ends

    async def _hand_over(
        self,
        principal: VendorPrincipal,
        asked: Asked,
        context: AccessContext,
        row: dict[str, Any],
        ends: datetime,
        decision: ContactDecision | None,
        event: EventType,
    ) -> Granted:
        permit_id: UUID = row["contact_id"]
        number: dict[str, Any] = {
            "kind": asked.wish.point.value,
            "masked": asked.number.masked,
        }
        if row["handling"] == NumberHandling.REVEAL_ONCE.word:
            number["number"] = asked.number.e164
            if asked.number.extension:
                number["extension"] = asked.number.extension
        else:
            number["dial_token"] = self._tokens.issue(permit_id, ends)
        body = orjson.dumps(
            {
                "permit_id": str(permit_id),
                "decision": "granted",
                "requested_at": rfc3339(row["requested_at"]),
                "expires_at": rfc3339(ends),
                "case": case_view(
                    asked.case, asked.record, asked.profile.projection, asked.request.party
                ),
                "contact_point": number,
                "remaining": {} if decision is None else dict(decision.remaining),
                "topics": [] if decision is None else list(decision.topics),
            }
        )
        receipt = await self._evidence.record(
            event,
            **who(principal, context),
            permit=str(permit_id),
            policy=asked.profile.policy_digest,
            profile=asked.profile.profile_digest,
            rulebook=row["rulebook"],
            consents=list(row["consents"]),
            number=row["handling"],
            expires=rfc3339(ends),
            bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            **what(asked),
        )
        return Granted(permit_id, body, receipt)

    async def _again(
        self,
        principal: VendorPrincipal,
        asked: Asked,
        repeat: tuple[UUID, bytes],
        context: AccessContext,
    ) -> Granted:
        """The answer that was given under the same key, as long as its permit is open."""
        permit_id, digest = repeat
        if digest != asked.wish.digest():
            raise IdempotencyKeyReusedError("the key was used for another wish")
        row = await self._store.find(principal.vendor_id, principal.contract_id, permit_id)
        if row is None:
            raise NotFoundError("no such permit for this vendor")
        verify_open(row, self._clock.now())
        return await self._hand_over(
            principal, asked, context, row, row["expires_at"], None, EventType.PERMIT_REPEATED
        )

    async def _refuse(
        self,
        principal: VendorPrincipal,
        asked: Asked,
        context: AccessContext,
        decision: ContactDecision,
    ) -> Refused:
        codes = [code.value for code in decision.codes]
        await self._store.refuse(
            principal.vendor_id,
            principal.contract_id,
            replace(asked.wish, agent_ref=known_agent(asked) or ""),
            asked.case.stored.case_id,
            asked.request.at,
            codes,
        )
        receipt = await self._evidence.record(
            EventType.PERMIT_REFUSED,
            **who(principal, context),
            code=codes[0],
            codes=codes,
            rules=[f"{rule.pack}@{rule.version}/{rule.rule_id}" for rule in decision.fired],
            rulebook=self._rulebook.rules(asked.request.at).digest,
            **what(asked),
        )
        return Refused(decision.codes, decision.fired, decision.allowed_from, receipt)
