"""What the simulated day starts from: debtors whom several vendors call, and a second script."""

import csv
from datetime import timedelta

from gateway.identity.principal import CredentialScope, StaffRole, VendorPrincipal
from gateway.installation import read_key
from gateway.people.scripts import ScriptContent
from gateway.people.vendor_desk import VendorDesk
from gateway.portfolio.sample import write_sample_portfolio
from gateway.release.cursor import CursorCipher
from gateway.trial.call_centre import SCRIPT, agent_refs
from policies.contact.model import Channel
from tests.installation import Installation

VENDORS = ("alpha", "beta", "gamma")
AGENTS = 14
DEBTORS = 2_000
# Debtors whom every vendor may call, and who are called again and again.
SHARED = range(60)
# A sandbox has some already; they are left alone.
SANDBOX_CASES = 5
SECOND = "second-reminder"


def import_debtors(installation: Installation) -> list[str]:
    """All debtors to alpha, the shared and some more to the others; alpha's case numbers."""
    office = installation.office()
    path = installation.directory / "debtors.csv"
    write_sample_portfolio(DEBTORS, path, seed=20261124)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    number = header.index("案件编号")
    shares = {"alpha": range(DEBTORS), "beta": range(300, 1000), "gamma": range(1000, 1700)}
    for vendor, share in shares.items():
        chosen = [*SHARED, *(index for index in share if index not in SHARED)]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for index in chosen:
                row = list(rows[index])
                row[number] = f"{vendor[0].upper()}{row[number][1:]}"
                writer.writerow(row)
        report = office.import_file(
            path,
            vendor,
            f"{vendor}-2026",
            actor="cli:day",
            rejects=path.with_name("rejected.csv"),
        )
        assert report.assigned == len(chosen), report
    return [f"A{row[number][1:]}" for row in rows]


def case_refs(installation: Installation, vendor: str) -> list[str]:
    """The references of a vendor's cases of the day, in the order of their file."""
    with installation.office().connection() as connection:
        rows = connection.execute(
            "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = %s ORDER BY sequence",
            (vendor,),
        ).fetchall()
    return [str(row[0]) for row in rows[SANDBOX_CASES:]]


def open_second_script(installation: Installation) -> None:
    """One more script, of gamma's agents, which will be withdrawn in the afternoon."""
    office, settings = installation.office(), installation.settings
    people = office.people()
    text = people.script(SCRIPT, 1)["text"]
    content = ScriptContent(Channel.VOICE_HUMAN, "all", "zh-CN", str(text))
    people.draft(SECOND, content, actor="staff:day")
    proposal = people.submit(SECOND, 1, actor="staff:day")
    office.scopes().approve(proposal, role=StaffRole.COMPLIANCE, actor="staff:another")
    people.approve(SECOND, 1, actor="staff:day")
    people.activate(SECOND, 1, actor="staff:day")
    index_key = read_key(settings, settings.keys.index)
    desk = VendorDesk(
        lambda: office.connection("vendor"), office.clock, index_key, CursorCipher(index_key)
    )
    until = office.clock.now() + timedelta(days=1)
    principal = VendorPrincipal(
        "gamma", "gamma-2026", bytes(32), until, None, CredentialScope.FULL
    )
    for agent in agent_refs("gamma", AGENTS):
        desk.acknowledge(principal, agent, SECOND, 1)
