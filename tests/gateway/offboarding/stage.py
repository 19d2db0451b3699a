"""A lender whose vendor alpha has been given cases, up to the contract's end and after it."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from audit.entry import EventType
from gateway.evidence import record_with_change
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.installation import offboarding_means, write_report_key
from gateway.offboarding.certificate import DestructionCertificate, Filing, file_certificate
from gateway.offboarding.desk import OffboardingDesk
from gateway.offboarding.procedure import Means, carry_on
from gateway.offboarding.record import Offboarding
from gateway.offboarding.signature import new_report_key
from gateway.operations.registration import VendorOwner, register_credential
from keys.profiles import Profile
from keys.secret import write_private_file
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row

CONTRACT = "alpha-2026"
ENDS = START + timedelta(days=100)
FIELDS = {
    "p1": {"case_ref": "pseudonym", "full_name": "partial name"},
    "p2": {"total_due": "clear"},
}
PAPER = "销毁证明（盖章）".encode()


@dataclass
class Stage:
    """Alpha holds `commitments` (hex) in the order of assignment."""

    lender: Lender
    commitments: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, url: str, directory: Path, *, cases: int = 4) -> "Stage":
        lender = Lender.fresh(url, directory)
        settings = lender.database.settings
        write_private_file(settings.resolve(settings.offboarding.report_signing), new_report_key())
        write_report_key(settings)
        rows = "\n".join(case_row(number) for number in range(cases))
        lender.put(directory / "alpha.csv", f"{HEADER}\n{rows}\n")
        other = "\n".join(case_row(number + 500) for number in range(2))
        lender.put(directory / "beta.csv", f"{HEADER}\n{other}\n", vendor="beta")
        found = lender.query(
            "SELECT encode(commitment, 'hex') FROM casegate.assigned_case"
            " WHERE vendor_id = 'alpha' ORDER BY sequence"
        )
        return cls(lender, [str(row[0]) for row in found])

    @property
    def desk(self) -> OffboardingDesk:
        return self.lender.office().offboarding()

    @property
    def means(self) -> Means:
        return offboarding_means(self.lender.database.settings, self.lender.clock)

    def load_policy(self) -> None:
        """As a worker does at its start: the log says what each profile lets out."""
        self.log(
            EventType.POLICY_LOADED,
            vendor="alpha",
            contract=CONTRACT,
            profiles={
                name: {"stage": "bulk", "fields": fields} for name, fields in FIELDS.items()
            },
        )

    def release(self, *cases: int, profile: str = "p1", **changes: Any) -> int:
        """An entry as of a release of cases, by their place; returns its index."""
        fields = {
            "vendor": "alpha",
            "contract": CONTRACT,
            "profile": profile,
            "cases": [self.commitments[case] for case in cases],
            **changes,
        }
        return self.log(EventType.ACCESS_RELEASE, **fields)

    def log(self, event: EventType, **fields: Any) -> int:
        with self.lender.role() as connection, connection.transaction():
            return record_with_change(connection, event, at=self.lender.clock.now(), **fields)

    def offboard(self) -> Offboarding:
        (ended,) = self.desk.offboard("alpha", actor=ACTOR)
        return ended

    def later(self, **time: float) -> datetime:
        self.lender.clock.at += timedelta(**time)
        return self.lender.clock.at

    def entries(self, *events: EventType) -> list[dict[str, Any]]:
        """Entries of these types, the oldest first."""
        from gateway.oversight.search import LogQuery, find_entries

        with self.lender.role() as connection:
            page = find_entries(
                connection, LogQuery(events=tuple(event.value for event in events), limit=500)
            )
        return [dict(hit.entry) for hit in reversed(page.hits)]

    def inventory(self) -> list[dict[str, Any]]:
        path = self.means.directory / CONTRACT / "inventory.ndjson"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]

    def closing_principal(self) -> VendorPrincipal:
        """A closing credential, registered as enrolment would."""
        now = self.lender.clock.now()
        issued = self.lender.authority.issue(
            Profile.VENDOR_CLIENT,
            common_name="alpha closing",
            uris=["https://casegate.example/alpha/closing"],
            not_before=now,
            not_after=now + timedelta(days=30),
        )
        owner = VendorOwner("alpha", CONTRACT, scope=CredentialScope.CLOSING)
        with self.lender.role() as connection:
            thumbprint = register_credential(
                connection, issued.certificate, owner, actor=ACTOR, at=now
            )
        return VendorPrincipal(
            "alpha",
            CONTRACT,
            thumbprint,
            now + timedelta(days=30),
            None,
            CredentialScope.CLOSING,
        )

    def file(self, principal: VendorPrincipal, paper: bytes = PAPER, **changes: Any) -> Filing:
        """Files a certificate as the vendor's role, complete but for `changes`."""
        with self.lender.role("vendor") as connection:
            return file_certificate(
                connection,
                principal,
                replace(certificate(self.lender.clock.now()), **changes),
                paper=paper,
                media_type="application/pdf",
                at=self.lender.clock.now(),
            )

    def killed_at(self, point: str) -> bool:
        """Goes on with alpha's end in a process that is killed at a point; True when it was."""
        return killed(lambda: self._carry_on_to(point))

    def _carry_on_to(self, point: str) -> None:
        def reached(what: str) -> None:
            if what == point:
                os.kill(os.getpid(), signal.SIGKILL)

        with self.lender.role() as connection:
            carry_on(connection, CONTRACT, self.means, reached=reached)


def certificate(now: datetime) -> DestructionCertificate:
    return DestructionCertificate(
        scope="all data received under the contract",
        systems=("dialer", "crm"),
        backups=("tape vault",),
        method="cryptographic erasure",
        destroyed_on=now.date(),
        signer_name="王经理",
        signer_title="合规负责人",
        sub_processors=(),
        exceptions=(),
    )


def killed(work: Callable[[], None]) -> bool:
    """Runs something in a process of its own; whether it ended by SIGKILL."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
