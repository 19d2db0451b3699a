"""A lender's database in which one debtor has cases at two vendors, and another has one."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from gateway.contact.consent import ConsentWish
from gateway.identity.principal import VendorPrincipal
from gateway.installation import read_key
from gateway.operations.approval import decide
from gateway.oversight.search import LogQuery
from gateway.portfolio.identifiers import check_character
from gateway.release.cursor import CursorCipher
from keys.secret import Secret
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row

_NUMBERS = count(1)


def id_number(number: int) -> str:
    """A sound, made-up identity number."""
    digits = f"11010519800101{number:03d}"
    return digits + check_character(digits)


@dataclass(frozen=True)
class Debtors:
    """`refs` of alpha: two of the one debtor, then the other's; `beta_ref` is the one's too."""

    lender: Lender
    directory: Path
    number: int
    ids: tuple[str, str]
    refs: tuple[str, str, str]
    beta_ref: str

    @classmethod
    def appear(cls, lender: Lender, directory: Path) -> "Debtors":
        """Two debtors whom the database has not met before."""
        number = next(_NUMBERS) * 10
        ids = (id_number(number), id_number(number + 1))
        rows = [
            case_row(number, id_number=ids[0]),
            case_row(number + 1, id_number=ids[0]),
            case_row(number + 2, id_number=ids[1]),
        ]
        made = cls(lender, directory, number, ids, ("", "", ""), "")
        one, two, three = made.bring(*rows)
        (beta_ref,) = made.bring(case_row(number + 3, id_number=ids[0]), vendor="beta")
        return cls(lender, directory, number, ids, (one, two, three), beta_ref)

    def bring(self, *rows: str, vendor: str = "alpha") -> list[str]:
        """Imports rows; returns the references of the cases that are new."""
        query = "SELECT case_ref, sequence FROM casegate.assigned_case ORDER BY sequence"
        before = self.lender.query(query)
        self.lender.put(self.directory / "cases.csv", "\n".join([HEADER, *rows]), vendor)
        return [str(row[0]) for row in self.lender.query(query) if row not in before]

    @property
    def index_key(self) -> Secret:
        settings = self.lender.database.settings
        return read_key(settings, settings.keys.index)

    @property
    def cursors(self) -> CursorCipher:
        return CursorCipher(self.index_key)

    def principal(self, vendor: str = "alpha") -> VendorPrincipal:
        thumbprint = self.lender.thumbprints[vendor]
        return VendorPrincipal(vendor, f"{vendor}-2026", thumbprint, START)

    def feed(self, vendor: str = "alpha") -> list[tuple[Any, ...]]:
        """Kind and reference of each change of these debtors, as the vendor's role reads them."""
        own = {*self.refs, self.beta_ref}
        return [change for change in self.whole_feed(vendor) if change[1] in own]

    def whole_feed(self, vendor: str = "alpha") -> list[tuple[Any, ...]]:
        """The same of everything in the vendor's feed."""
        with self.lender.role("vendor") as connection:
            rows = connection.execute(
                "SELECT kind, case_ref FROM casegate.vendor_changes(%s, %s, 0, 1000)",
                (vendor, f"{vendor}-2026"),
            )
            return rows.fetchall()

    def version(self, ref: str) -> int:
        """How often what is known of the debtor of a case has changed."""
        rows = self.lender.query(
            "SELECT d.version FROM casegate.debtor d"
            " JOIN casegate.case_record r USING (person_mac)"
            " JOIN casegate.assigned_case a USING (case_id) WHERE a.case_ref = %s",
            (ref,),
        )
        return int(str(rows[0][0])) if rows else 0

    def entries(self, event: str) -> list[dict[str, Any]]:
        """The entries of an event, the newest first."""
        hits = self.lender.office().search(LogQuery(event=event), actor=ACTOR).hits
        return [dict(hit.entry) for hit in hits]

    def person(self, ref: str) -> bytes:
        """The key of the person of a case."""
        ((mac,),) = self.lender.query(
            "SELECT r.person_mac FROM casegate.case_record r JOIN casegate.assigned_case a"
            " USING (case_id) WHERE a.case_ref = %s",
            (ref,),
        )
        return bytes(mac)  # type: ignore[call-overload,no-any-return]

    def approve(self, proposal: UUID) -> None:
        with self.lender.role() as connection:
            decide(connection, proposal, is_approved=True, actor="staff:second", at=START)


class AnyCall:
    """Says of every call that it had its permit, or that none had."""

    def __init__(self, *, is_permitted: bool = True) -> None:
        self._is_permitted = is_permitted

    def is_captured(
        self,
        _connection: psycopg.Connection,
        _principal: VendorPrincipal,
        _case_id: UUID,
        _wish: ConsentWish,
    ) -> bool:
        return self._is_permitted
