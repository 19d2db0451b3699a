"""What tests of affairs share: the desks of both sides over one lender's database."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.affairs.claims import ClaimDesk
from gateway.affairs.complaints import ComplaintDesk
from gateway.affairs.consequences import Consequences
from gateway.affairs.files import FileDesk, FilingDesk
from gateway.affairs.ledger import LedgerDesk, Posting
from gateway.affairs.rectifications import RectificationDesk
from gateway.affairs.seal import AffairSeal
from gateway.affairs.timekeeping import AffairKeeper
from gateway.affairs.vendor_desk import VendorAffairs
from gateway.affairs.vendor_side import vendor_affairs
from gateway.intake.records_seal import RecordSeal
from gateway.operations.approval import decide
from gateway.redaction.identifiers import IdentifierFinder
from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import Lender

PARAMETERS = {
    "complaint.days": "15",
    "routing.complaint": "消费者权益保护部",
    "rectify.deadline_critical_days": "5",
    "rectify.deadline_major_days": "10",
    "rectify.deadline_minor_days": "30",
    "repay.claim_hours": "24",
    "repay.match_days": "1",
    "retain.recordings_years": "5",
}


@dataclass(frozen=True)
class Settling:
    """The desks, and short ways to ask what became of things."""

    debtors: Debtors

    @property
    def lender(self) -> Lender:
        return self.debtors.lender

    @property
    def seal(self) -> AffairSeal:
        return AffairSeal(self.debtors.index_key)

    @property
    def complaints(self) -> ComplaintDesk:
        lender = self.lender
        return ComplaintDesk(
            lender.role, lender.clock, PARAMETERS, self.seal, self.debtors.cursors
        )

    @property
    def notices(self) -> RectificationDesk:
        return RectificationDesk(
            self.lender.role,
            self.lender.clock,
            PARAMETERS,
            self.seal,
            IdentifierFinder,
            self.debtors.cursors,
        )

    @property
    def ledger(self) -> LedgerDesk:
        return LedgerDesk(self.lender.role, self.lender.clock, self.debtors.index_key)

    @property
    def vendor_side(self) -> tuple[VendorAffairs, ClaimDesk]:
        affairs, claims, _files = vendor_affairs(
            lambda: self.lender.role("vendor"),
            self.lender.clock,
            PARAMETERS,
            self.debtors.index_key,
        )
        return affairs, claims

    @property
    def filing(self) -> FilingDesk:
        return FilingDesk(lambda: self.lender.role("vendor"), self.lender.clock, self.seal)

    @property
    def files(self) -> FileDesk:
        return FileDesk(self.lender.role, self.lender.clock, self.seal)

    @property
    def keeper(self) -> AffairKeeper:
        consequences = Consequences(
            PARAMETERS, self.seal, RecordSeal(self.debtors.index_key), IdentifierFinder
        )
        return AffairKeeper(self.lender.role, self.lender.clock, PARAMETERS, consequences)

    def post(self, entry: str, amount: int, balance: int, at: datetime, case: int = 0) -> str:
        """Posts a payment on the debtors' case of a number; returns the outcome."""
        number = self.debtors.number + case
        posting = Posting(
            f"{entry}-{number}", f"ZX2026{number:06d}", at, amount, "payment", balance
        )
        (result,) = self.ledger.post([posting], actor="staff:core")
        return str(result["outcome"])

    def approve(self, proposal: str, at: datetime) -> None:
        with self.lender.role() as connection:
            decide(connection, UUID(proposal), is_approved=True, actor="staff:second", at=at)

    def agent_status(self, agent: str, vendor: str = "alpha") -> str:
        query = "SELECT status FROM casegate.agent WHERE vendor_id = %s AND agent_ref = %s"
        return str(self.lender.query(query, (vendor, agent))[0][0])

    def findings(self, rule: str) -> list[tuple[object, ...]]:
        return self.lender.query(
            "SELECT severity, agent_ref FROM casegate.finding WHERE rule = %s ORDER BY found_at",
            (rule,),
        )
