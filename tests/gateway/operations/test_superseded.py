"""What a renewal replaced is told by lists and status answers once its overlap is over."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags

from gateway.operations.issuers import add_issuer, due_crl, publish_crl, status_of
from gateway.operations.registration import VendorOwner, register_credential
from gateway.operations.suspension import suspend_vendor
from keys.crl import RevokedCertificate, revoked_in
from tests.gateway.store.lender import ACTOR, START, Lender
from tests.keys.trials import Trial

DAY = timedelta(days=1)
RETIRES = START + 7 * DAY


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


@pytest.fixture
def trial(lender: Lender, tmp_path: Path) -> Trial:
    trial = Trial.make(tmp_path, START)
    with lender.role() as connection:
        add_issuer(connection, trial.issuer.certificate, actor=ACTOR, at=START)
    return trial


@pytest.fixture
def replaced(lender: Lender, trial: Trial) -> x509.Certificate:
    """A certificate whose successor was issued; it ends here seven days later."""
    certificate = trial.vendor(START)
    owner = VendorOwner("alpha", "alpha-2026", "ref-1", "dialer")
    with lender.role() as connection:
        thumbprint = register_credential(
            connection,
            certificate,
            owner,
            issuer_id=trial.issuer.issuer_id,
            actor=ACTOR,
            at=START,
        )
        publish_crl(connection, trial.issuer, START)
    with lender.role("enrolment") as connection:
        connection.execute("SELECT casegate.retire_credential(%s, %s)", (thumbprint, RETIRES))
    return certificate


def _listed(lender: Lender, trial: Trial, at: datetime) -> dict[int, RevokedCertificate]:
    with lender.role() as connection:
        published = publish_crl(connection, trial.issuer, at)
    return revoked_in(x509.load_der_x509_crl(published.der))


def test_a_replaced_certificate_is_listed_from_its_early_end_until_its_own(
    lender: Lender, trial: Trial, replaced: x509.Certificate
) -> None:
    before = _listed(lender, trial, RETIRES - timedelta(seconds=1))
    with lender.role("enrolment") as connection:
        is_due = due_crl(connection, trial.issuer.issuer_id, RETIRES)
        stands = status_of(connection, trial.issuer.issuer_id, replaced.serial_number, RETIRES)
    after = _listed(lender, trial, RETIRES)
    ended = replaced.not_valid_after_utc + DAY
    _listed(lender, trial, ended)  # once more, so that its end is no gap

    entry = RevokedCertificate(replaced.serial_number, RETIRES, ReasonFlags.superseded)
    assert before == {}
    assert is_due
    assert stands == entry
    assert after == {replaced.serial_number: entry}
    assert _listed(lender, trial, ended + DAY) == {}


def test_a_suspension_of_the_vendor_does_not_make_it_a_hold_that_could_be_lifted(
    lender: Lender, trial: Trial, replaced: x509.Certificate
) -> None:
    with lender.role() as connection:
        suspend_vendor(connection, "alpha", actor=ACTOR, at=START + DAY)
    held = _listed(lender, trial, START + DAY)[replaced.serial_number]
    later = _listed(lender, trial, RETIRES)[replaced.serial_number]

    assert held.reason is ReasonFlags.certificate_hold
    assert later.reason is ReasonFlags.superseded
