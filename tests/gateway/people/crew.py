"""Two vendors' and the company's desks over one database, with agents of a test's own."""

import os
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count

from gateway.identity.principal import VendorPrincipal
from gateway.installation import read_key
from gateway.operations.approval import decide
from gateway.oversight.search import LogQuery
from gateway.people.agents import AgentKey, CoursePass, Registration
from gateway.people.courses import MANDATORY_COURSES
from gateway.people.desk import PeopleDesk
from gateway.people.scripts import ScriptContent
from gateway.people.vendor_desk import VendorDesk
from gateway.release.cursor import CursorCipher
from gateway.store.database import connect
from policies.contact.model import Channel
from tests.gateway.store.lender import ACTOR, START, Lender

TODAY = date(2026, 5, 1)
WANG, LI, ZHAO = "staff:wang", "staff:li", "staff:zhao"
TEXT = """[WHO_CALLS] 您好,这里是甲公司,工号 1024。
[FOR_WHOM] 我受乙银行委托与您联系。
[RECORDING] 本次通话会录音。
[COMPLAINT_LINE] 如有意见,请拨打 400-000-0000。
"""
_NUMBERS = count(1)


@dataclass
class Crew:
    """What a test begins with; `alpha` and `beta` are the principals of two vendors."""

    lender: Lender
    alpha: VendorPrincipal = field(init=False)
    beta: VendorPrincipal = field(init=False)

    def __post_init__(self) -> None:
        self.alpha, self.beta = self.principal("alpha"), self.principal("beta")

    def principal(self, vendor: str, contract: str | None = None) -> VendorPrincipal:
        until = START + timedelta(days=90)
        return VendorPrincipal(vendor, contract or f"{vendor}-2026", bytes(32), until)

    @property
    def vendors(self) -> VendorDesk:
        settings = self.lender.database.settings
        key = read_key(settings, settings.keys.index)
        conninfo = self.lender.database.conninfo("vendor")
        return VendorDesk(
            lambda: closing(connect(conninfo)), self.lender.clock, key, CursorCipher(key)
        )

    @property
    def staff(self) -> PeopleDesk:
        return self.lender.office().people()

    def register(
        self,
        person: bytes | None = None,
        *,
        at: VendorPrincipal | None = None,
        ref: str | None = None,
        nda: date | None = TODAY,
    ) -> AgentKey:
        """Registers somebody new, unless `person` (an id hash) is given."""
        principal = at or self.alpha
        key = AgentKey(principal.vendor_id, principal.contract_id, ref or f"A-{next(_NUMBERS)}")
        self.vendors.register(principal, Registration(key.agent_ref, person or someone(), nda))
        return key

    def train(self, key: AgentKey, *, valid_to: date = TODAY + timedelta(days=300)) -> None:
        principal = self.principal(key.vendor_id, key.contract_id)
        for course in sorted(MANDATORY_COURSES):
            self.vendors.record_course(principal, key.agent_ref, passed(course, valid_to=valid_to))

    def qualified(
        self, person: bytes | None = None, *, at: VendorPrincipal | None = None
    ) -> AgentKey:
        """Somebody who may call."""
        key = self.register(person, at=at)
        self.train(key)
        self.staff.qualify(key, actor=WANG)
        return key

    def approve(self, proposal: object, *, actor: str = LI) -> None:
        """As a second person."""
        with self.lender.role() as connection:
            decide(connection, proposal, is_approved=True, actor=actor, at=START)  # type: ignore[arg-type]

    def active_script(self, script_id: str | None = None) -> tuple[str, int]:
        """A script's version in use."""
        name = script_id or f"script-{next(_NUMBERS)}"
        version = self.staff.draft(name, content(), actor=WANG)["version"]
        assert isinstance(version, int)
        self.staff.submit(name, version, actor=WANG)
        self.staff.approve(name, version, actor=LI)
        self.staff.activate(name, version, actor=WANG)
        return name, version

    def status(self, key: AgentKey) -> str:
        return self.staff.agent(key).status

    def entries(self, event: str, **like: object) -> list[dict[str, object]]:
        """Entries of the log, oldest first, whose fields are like these."""
        page = self.lender.office().search(LogQuery(event=event, limit=500), actor=ACTOR)
        found = [dict(hit.entry) for hit in reversed(page.hits)]
        return [entry for entry in found if like.items() <= entry.items()]

    def changes(self, vendor: str) -> list[tuple[str, dict[str, object]]]:
        """What a vendor's feed tells, oldest first."""
        rows = self.lender.query(
            "SELECT kind, data FROM casegate.change WHERE vendor_id = %s ORDER BY place", (vendor,)
        )
        return [(str(kind), dict(data)) for kind, data in rows]  # type: ignore[call-overload]


def someone() -> bytes:
    """An id hash of nobody in particular."""
    return os.urandom(32)


def passed(
    course: str, *, on: date = TODAY, valid_to: date | None = None, score: int = 90
) -> CoursePass:
    until = valid_to or on + timedelta(days=300)
    return CoursePass(course, "2026.1", on, until, 8, score, bytes(32))


def content(text: str = TEXT, **changes: object) -> ScriptContent:
    values: dict[str, object] = {
        "channel": Channel.VOICE_HUMAN,
        "segment": "M2 cards",
        "language": "zh-CN",
        "text": text,
        **changes,
    }
    return ScriptContent(**values)  # type: ignore[arg-type]
