"""A debtor in China, a fit agent, the packaged packs: what single tests change one thing of."""

import functools
import importlib.resources
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from policies.contact.calendar import china_calendar
from policies.contact.model import (
    AgentStanding,
    CallKind,
    Channel,
    Consent,
    ConsentScope,
    ContactRequest,
    PartyRole,
    PastContact,
    ScriptStanding,
    Situation,
)
from policies.contact.packs import (
    ContactPack,
    default_packs,
    load_contact_packs,
    read_contact_pack,
)
from policies.contact.results import load_results
from policies.contact.rules import ContactRules, compile_contact_rules
from policies.parameters import PARAMETERS

CHINA = "Asia/Shanghai"
OWN, HOME, FRIEND = "aa" * 32, "bb" * 32, "cc" * 32
CARD, LOAN = "debt-card", "debt-loan"
COURSES = frozenset({"law", "script", "data-protection", "complaint", "vulnerable-customers"})
AGENT = AgentStanding("qualified", COURSES, has_signed_secrecy=True, has_acknowledged_script=True)
SCRIPT = ScriptStanding("active", Channel.VOICE_HUMAN, is_in_term=True)
CALM = Situation((), AGENT, SCRIPT, is_caller_registered=True)
DEFAULTS = {name: parameter.default for name, parameter in PARAMETERS.items()}


def at(text: str, zone: str = CHINA) -> datetime:
    """A local time as `2026-11-23 10:00`, seconds and fractions if wanted."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


MONDAY = at("2026-11-23 10:00")


def wish(moment: datetime = MONDAY, **changes: object) -> ContactRequest:
    """A talk with the debtor on the own number about the card."""
    request = ContactRequest(
        moment,
        Channel.VOICE_HUMAN,
        CallKind.INTERACTIVE,
        PartyRole.DEBTOR,
        OWN,
        CARD,
        (CHINA,),
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def situation(**changes: object) -> Situation:
    """A calm situation, but for the changes."""
    return replace(CALM, **changes)  # type: ignore[arg-type]


def past(
    moment: datetime,
    result: str = "RPC_PTP",
    *,
    kind: CallKind = CallKind.INTERACTIVE,
    **changes: object,
) -> PastContact:
    """A call that ended so, with what the catalogue says of it."""
    code = load_results().code(result)
    contact = PastContact(
        moment.astimezone(UTC),
        OWN,
        CARD,
        Channel.VOICE_HUMAN,
        code.measures(kind),
        result,
        is_failed=code.is_failed,
    )
    return replace(contact, **changes)  # type: ignore[arg-type]


def agreed(
    scope: ConsentScope, begins: datetime, *, captured: datetime, **changes: object
) -> Consent:
    """A consent for four hours from `begins`."""
    consent = Consent("consent-1", scope, captured, begins, begins + timedelta(hours=4))
    return replace(consent, **changes)  # type: ignore[arg-type]


@functools.cache
def packaged() -> dict[str, ContactPack]:
    """The packaged packs by name."""
    packs = load_contact_packs(importlib.resources.files("policies"))
    return {pack.pack_id: pack for pack in packs}


@functools.cache
def chinese() -> ContactRules:
    """The packs that are in force without being asked for."""
    return compile_contact_rules(default_packs(packaged().values()), china_calendar())


@functools.cache
def only(*names: str) -> ContactRules:
    """Some of the packaged packs."""
    return compile_contact_rules([packaged()[name] for name in names], china_calendar())


HEAD = """\
pack:
  id: {name}
  version: "1"
  source: "A rule made up for tests"
  effective_from: {begins}
  effective_to: {ends}
  status: unverified
rules:
"""


def pack_text(
    *rules: str, name: str = "test-pack", begins: str = "2020-01-01", ends: str = "null"
) -> str:
    """A pack file of such rules, each in one line."""
    lines = "".join(f"  - {{ {rule} }}\n" for rule in rules)
    return HEAD.format(name=name, begins=begins, ends=ends) + lines


def made_up(
    *rules: str, name: str = "test-pack", begins: str = "2020-01-01", ends: str = "null"
) -> ContactPack:
    """A pack of such rules, with the parameters' defaults."""
    text = pack_text(*rules, name=name, begins=begins, ends=ends)
    return read_contact_pack(text, f"packs/{name}.yaml", DEFAULTS)


@dataclass(frozen=True)
class Case:
    """One row of a table: which packs are asked (those of China by default), and what they say."""

    sentence: str
    asked: ContactRequest
    known: Situation = CALM
    codes: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()

    def verify(self) -> None:
        """Fails where the whole decision, or the codes alone, are others than in the row."""
        rules = only(*self.packs) if self.packs else chinese()
        decision = rules.decide(self.asked, self.known)
        assert decision.codes == self.codes
        assert rules.codes(self.asked, self.known) == self.codes
        assert {fired.code for fired in decision.fired} == set(self.codes)
        assert decision.is_granted is not bool(self.codes)
