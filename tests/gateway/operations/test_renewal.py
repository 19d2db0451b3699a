import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509

from audit.entry import EntryValue, EventType
from audit.log import Receipt
from gateway.errors import CredentialRefusedError, EnrolmentRefusedError
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.identity.trust import CredentialRecord, TrustView
from gateway.operations.renewal import OVERLAP, RenewalDesk, issue_renewals
from gateway.oversight.search import LogQuery
from gateway.store.database import connection_pool
from keys.errors import RequestRefusedError
from tests.gateway.operations.enrolling import issuing, new_key, request_for
from tests.gateway.store.lender import START, Lender

DAY = timedelta(days=1)


@dataclass
class Heard:
    """Evidence that remembers."""

    entries: list[tuple[EventType, dict[str, EntryValue]]] = field(default_factory=list)

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        self.entries.append((event, fields))
        return Receipt(0, bytes(32))


@dataclass
class Impatient:
    """Time passes with each sleep only; whoever sleeps lets the issuer work."""

    lender: Lender
    at: datetime = START + DAY
    seconds: float = 0.0
    is_issuing: bool = True

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.is_issuing:
            await asyncio.to_thread(issue_all, self.lender, self.at)


def issue_all(lender: Lender, at: datetime) -> int:
    with lender.role("enrolment") as connection:
        return issue_renewals(connection, issuing(lender), at=at)


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


def _principal(
    lender: Lender,
    name: str = "alpha",
    scope: CredentialScope = CredentialScope.FULL,
    thumbprint: bytes | None = None,
) -> VendorPrincipal:
    held = lender.thumbprints[name] if thumbprint is None else thumbprint
    return VendorPrincipal(name, f"{name}-2026", held, START + 60 * DAY, "ref", scope)


def _renew(
    lender: Lender,
    csr: bytes,
    principal: VendorPrincipal | None = None,
    *,
    is_issuing: bool = True,
    heard: Heard | None = None,
) -> x509.Certificate | None:
    clock = Impatient(lender, is_issuing=is_issuing)

    async def run() -> x509.Certificate | None:
        async with connection_pool(lender.database.conninfo("vendor"), size=1) as pool:
            desk = RenewalDesk(pool, heard or Heard(), clock)
            return await desk.renew(principal or _principal(lender), csr)

    return asyncio.run(run())


def _view(lender: Lender) -> TrustView:
    with (
        lender.role("vendor") as connection,
        connection.cursor(row_factory=psycopg.rows.args_row(CredentialRecord)) as cursor,
    ):
        return TrustView(1, cursor.execute("SELECT * FROM casegate.trust_view()").fetchall())


def _thumbprint(lender: Lender, certificate: x509.Certificate) -> bytes:
    row = lender.query(
        "SELECT thumbprint FROM casegate.credential WHERE serial_number = %s",
        (f"{certificate.serial_number:x}",),
    )[0]
    return bytes(row[0])  # type: ignore[call-overload, no-any-return]


def test_the_new_certificate_works_at_once_and_the_old_one_seven_days_more(
    lender: Lender,
) -> None:
    old = lender.thumbprints["alpha"]
    renewed = _renew(lender, request_for(new_key()))
    assert renewed is not None
    new = _thumbprint(lender, renewed)

    view, at = _view(lender), START + DAY
    assert view.vendor(new, at).vendor_id == "alpha"
    assert view.vendor(old, at).valid_until == at + OVERLAP
    with pytest.raises(CredentialRefusedError) as refused:
        view.vendor(old, at + OVERLAP)
    assert refused.value.code == "CRED_EXPIRED"
    assert not view.is_live(old, at + OVERLAP)
    assert view.vendor(new, at + OVERLAP).vendor_id == "alpha"


def test_the_credential_goes_on_under_its_name(lender: Lender) -> None:
    _renew(lender, request_for(new_key()))

    rows = lender.query(
        "SELECT credential_ref, system, replaces FROM casegate.credential"
        " WHERE vendor_id = 'alpha' ORDER BY registered_at"
    )
    assert rows[0][:2] == rows[1][:2]
    assert rows[1][2] == lender.thumbprints["alpha"]


def test_the_same_request_again_gets_the_same_certificate(lender: Lender) -> None:
    csr = request_for(new_key())

    assert _renew(lender, csr) == _renew(lender, csr)
    assert issue_all(lender, START + DAY) == 0


def test_without_an_issuer_the_request_stays_on_record(lender: Lender) -> None:
    csr = request_for(new_key())

    assert _renew(lender, csr, is_issuing=False) is None
    assert issue_all(lender, START + DAY) == 1
    assert _renew(lender, csr, is_issuing=False) is not None


def test_a_certificate_has_one_successor(lender: Lender) -> None:
    _renew(lender, request_for(new_key()))

    with pytest.raises(EnrolmentRefusedError) as refused:
        _renew(lender, request_for(new_key()))
    assert refused.value.code == "RENEWED_ALREADY"


def test_a_renewal_needs_a_new_key_and_a_sound_request(lender: Lender) -> None:
    key = new_key()
    _renew(lender, request_for(key))

    with pytest.raises(EnrolmentRefusedError) as refused:
        _renew(lender, request_for(key), _principal(lender, "beta"))
    assert refused.value.code == "KEY_REUSED"
    with pytest.raises(RequestRefusedError):
        _renew(lender, b"no request")


def test_a_closing_credential_is_not_renewed(lender: Lender) -> None:
    with pytest.raises(CredentialRefusedError) as refused:
        _renew(lender, request_for(new_key()), _principal(lender, scope=CredentialScope.CLOSING))
    assert refused.value.code == "CONTRACT_ENDED"


def test_an_unknown_or_staff_certificate_is_not_renewed(lender: Lender) -> None:
    for held in (bytes(32), lender.thumbprints["auditor"]):
        with pytest.raises(CredentialRefusedError):
            _renew(lender, request_for(new_key()), _principal(lender, thumbprint=held))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            "UPDATE casegate.credential SET status = 'revoked', revoked_at = now()",
            "CRED_REVOKED",
        ),
        ("UPDATE casegate.vendor SET status = 'suspended'", "CONTRACT_NOT_RUNNING"),
        (
            "UPDATE casegate.contract SET status = 'ended', closing_until = now()",
            "CONTRACT_NOT_RUNNING",
        ),
    ],
)
def test_what_was_shut_out_after_the_request_is_not_renewed(
    lender: Lender, change: str, code: str
) -> None:
    csr = request_for(new_key())
    _renew(lender, csr, is_issuing=False)
    with lender.owner() as owner:
        owner.execute(change.encode())

    with pytest.raises(EnrolmentRefusedError) as refused:
        _renew(lender, csr)

    assert refused.value.code == "ENROLMENT_REJECTED"
    assert lender.query("SELECT status FROM casegate.enrolment") == [("refused",)]
    assert lender.query("SELECT count(*) FROM casegate.credential") == [(3,)]
    page = lender.office().search(LogQuery(event="enrolment.refused"), actor="cli:tester")
    assert [hit.entry["code"] for hit in page.hits] == [code]


def test_the_request_is_in_the_log_before_it_is_on_record(lender: Lender) -> None:
    heard = Heard()
    _renew(lender, request_for(new_key()), heard=heard)

    [(event, fields)] = heard.entries
    assert event is EventType.ENROLMENT_REQUESTED
    assert fields["certificate"] == lender.thumbprints["alpha"].hex()
