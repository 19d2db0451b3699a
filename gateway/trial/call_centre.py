"""What a trial needs before the first call: packs in force, a script, agents, caller numbers.

The persons are made up: one proposes, another approves, and the log names both.
"""

import hashlib
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from gateway.identity.principal import CredentialScope, StaffRole, VendorPrincipal
from gateway.installation import read_key
from gateway.office import Office
from gateway.people.agents import AgentKey, CoursePass, Registration
from gateway.people.courses import MANDATORY_COURSES
from gateway.people.scripts import ScriptContent
from gateway.people.vendor_desk import VendorDesk
from gateway.release.cursor import CursorCipher
from policies.contact.model import Channel
from policies.contact.packs import default_packs
from policies.elements import SHANGHAI

SCRIPT = "first-reminder"
AGENTS_A_VENDOR = 3
_PROPOSER = "staff:sandbox-operator"
_APPROVER = "staff:sandbox-compliance"
_ACTOR = "cli:sandbox"
_CERTIFICATE = (
    "SELECT thumbprint FROM casegate.credential WHERE vendor_id = %s AND contract_id = %s"
)
_TEXT = """\
[WHO_CALLS]
您好，我是受托的外包服务机构的客服专员，工号为系统中登记的工号。
[FOR_WHOM]
我受贷款机构委托，就您在该机构的一笔业务与您联系。
[RECORDING]
为保证服务质量，本次通话将被录音。
请问您是本人吗？请您告知证件号码后四位，以便核实。
[COMPLAINT_LINE]
如对服务有意见，可拨打贷款机构公布的客户服务与投诉热线。
"""


def caller_number(vendor_number: int) -> str:
    """The number that the n-th vendor of a sandbox calls from: made up, in E.164."""
    return f"+8657188{vendor_number:06d}"


def agent_refs(vendor_id: str, count: int = AGENTS_A_VENDOR) -> list[str]:
    """The references of a sandbox vendor's agents."""
    return [f"{vendor_id}-{number:03d}" for number in range(1, count + 1)]


def permit_wish(vendor_id: str, vendor_number: int, case_ref: str) -> dict[str, Any]:
    """What the first agent of a sandbox's vendor posts to /v1/permits for a debtor's mobile."""
    return {
        "case_ref": case_ref,
        "contact_point": "mobile",
        "agent": agent_refs(vendor_id)[0],
        "script": SCRIPT,
        "script_version": 1,
        "caller_number": caller_number(vendor_number),
    }


def open_call_centre(
    office: Office, vendors: Iterable[tuple[str, str]], *, agents: int = AGENTS_A_VENDOR
) -> None:
    """Makes everything ready for calls under these contracts (vendor and contract ids)."""
    activate_packs(office)
    _activate_script(office)
    for number, (vendor_id, contract_id) in enumerate(vendors, start=1):
        desk = office.people()
        desk.add_caller(vendor_id, contract_id, caller_number(number), actor=_ACTOR)
        _register_agents(office, vendor_id, contract_id, agents)


def activate_packs(office: Office) -> None:
    """Puts the files' default packs in force, as far as they are not."""
    desk = office.packs()
    in_force = {version.digest for version in desk.history() if version.ended_at is None}
    for pack in default_packs(desk.packs()):
        if pack.digest in in_force:
            continue
        proposal = desk.propose(pack.pack_id, None, actor=_PROPOSER)
        office.scopes().approve(proposal, role=StaffRole.COMPLIANCE, actor=_APPROVER)
        desk.activate(pack.pack_id, None, actor=_ACTOR)


def _activate_script(office: Office) -> None:
    desk = office.people()
    content = ScriptContent(Channel.VOICE_HUMAN, "all", "zh-CN", _TEXT)
    version = desk.draft(SCRIPT, content, actor=_PROPOSER)["version"]
    assert isinstance(version, int)
    proposal = desk.submit(SCRIPT, version, actor=_PROPOSER)
    office.scopes().approve(proposal, role=StaffRole.COMPLIANCE, actor=_APPROVER)
    desk.approve(SCRIPT, version, actor=_ACTOR)
    desk.activate(SCRIPT, version, actor=_ACTOR)


def _register_agents(office: Office, vendor_id: str, contract_id: str, count: int) -> None:
    settings = office.database.settings
    index_key = read_key(settings, settings.keys.index)
    vendor = VendorDesk(
        lambda: office.connection("vendor"), office.clock, index_key, CursorCipher(index_key)
    )
    now = office.clock.now()
    today = now.astimezone(SHANGHAI).date()
    with office.connection() as connection:
        row = connection.execute(_CERTIFICATE, (vendor_id, contract_id)).fetchone()
    assert row is not None
    principal = VendorPrincipal(
        vendor_id, contract_id, bytes(row[0]), now + timedelta(days=1), None, CredentialScope.FULL
    )
    staff = office.people()
    for agent_ref in agent_refs(vendor_id, count):
        person = hashlib.sha256(f"made up: {agent_ref}".encode()).digest()
        vendor.register(principal, Registration(agent_ref, person, nda_signed_on=today))
        for course_id in sorted(MANDATORY_COURSES):
            vendor.record_course(principal, agent_ref, _passed(course_id, today))
        vendor.acknowledge(principal, agent_ref, SCRIPT, 1)
        staff.qualify(AgentKey(vendor_id, contract_id, agent_ref), actor=_APPROVER)


def _passed(course_id: str, today: date) -> CoursePass:
    return CoursePass(
        course_id=course_id,
        version="1",
        passed_on=today,
        valid_to=today + timedelta(days=300),
        hours=4,
        score=90,
        evidence_sha256=hashlib.sha256(course_id.encode()).digest(),
    )
