import re
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ApprovalRefusedError,
    EnrolmentRefusedError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.identity.principal import CredentialScope
from gateway.operations.approval import decide
from gateway.operations.invitation import (
    Invitation,
    code_digest,
    invite,
    new_code,
    propose_closing,
)
from gateway.oversight.search import LogQuery
from tests.gateway.store.lender import ACTOR, START, Lender

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


def _invite(
    lender: Lender,
    *,
    vendor: str = "alpha",
    contract: str = "alpha-2026",
    system: str = "main",
    scope: CredentialScope = CredentialScope.FULL,
    hours: int = 24,
    days: float = 0,
    actor: str = ACTOR,
) -> Invitation:
    with lender.role() as connection:
        return invite(
            connection,
            vendor_id=vendor,
            contract_id=contract,
            system=system,
            scope=scope,
            hours=hours,
            actor=actor,
            at=START + timedelta(days=days),
        )


def test_the_code_is_printed_once_and_stored_as_its_hash(lender: Lender) -> None:
    invitation = _invite(lender, hours=5)

    rows = lender.query(
        "SELECT code_sha256, expires_at, used_at, i::text FROM casegate.invitation i"
        " WHERE invitation_id = %s",
        (invitation.invitation_id,),
    )
    assert rows[0][:3] == (code_digest(invitation.code), START + 5 * HOUR, None)
    assert invitation.code not in str(rows[0][3])


def test_the_invitation_is_logged_without_its_code(lender: Lender) -> None:
    invitation = _invite(lender, system="dialer")

    page = lender.office().search(LogQuery(event="vendor.invited"), actor=ACTOR)
    entries = [hit.entry for hit in page.hits]
    mine = [e for e in entries if e["invitation"] == str(invitation.invitation_id)]
    assert [(e["vendor"], e["system"], e["actor"]) for e in mine] == [("alpha", "dialer", ACTOR)]
    assert invitation.code not in str(entries)
    assert code_digest(invitation.code).hex() not in str(entries)


def test_a_code_has_128_bits_in_groups_that_can_be_read_out() -> None:
    codes = {new_code() for _ in range(200)}

    assert len(codes) == 200
    pattern = r"([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{6}"
    assert all(re.fullmatch(pattern, code) for code in codes)


@given(st.integers(0, 2**128 - 1), st.data())
def test_a_code_is_known_however_it_is_typed(number: int, data: st.DataObject) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    code = "".join(alphabet[number >> shift & 31] for shift in range(0, 130, 5))
    typed = "".join(
        data.draw(st.sampled_from({"0": "0oO", "1": "1iIlL"}.get(c, c + c.lower()))) for c in code
    )

    assert code_digest(f" {typed[:7]}-{typed[7:]} ") == code_digest(code)


@pytest.mark.parametrize("hours", [0, 73])
def test_an_invitation_lives_hours_not_weeks(lender: Lender, hours: int) -> None:
    with pytest.raises(RequestInvalidError):
        _invite(lender, hours=hours)


@pytest.mark.parametrize("system", ["", "Main", "a b", "-x", "x" * 33, "主系统"])
def test_a_system_has_a_plain_name(lender: Lender, system: str) -> None:
    with pytest.raises(RequestInvalidError):
        _invite(lender, system=system)


def test_nobody_is_invited_for_another_vendors_contract(lender: Lender) -> None:
    with pytest.raises(NotFoundError):
        _invite(lender, vendor="beta")


@pytest.mark.parametrize("days", [-101, 100, 200])
def test_nobody_is_invited_outside_the_contracts_term(lender: Lender, days: float) -> None:
    with pytest.raises(EnrolmentRefusedError) as refused:
        _invite(lender, days=days)

    assert refused.value.code == "CONTRACT_NOT_RUNNING"


@pytest.mark.parametrize("status", ["suspended", "revoked", "ended"])
def test_a_vendor_that_is_not_active_is_not_invited(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, status: str
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("own"))
    with lender.owner() as owner:
        owner.execute("UPDATE casegate.vendor SET status = %s", (status,))

    with pytest.raises(EnrolmentRefusedError):
        _invite(lender)


def test_a_closing_credential_waits_for_the_contracts_end(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("own"))
    with pytest.raises(EnrolmentRefusedError):
        _invite(lender, scope=CredentialScope.CLOSING)
    with lender.owner() as owner:
        owner.execute(
            "UPDATE casegate.contract SET status = 'ended', closing_until = %s",
            (START + timedelta(days=14),),
        )

    _approve_closing(lender)
    assert _invite(lender, scope=CredentialScope.CLOSING).scope is CredentialScope.CLOSING
    with pytest.raises(EnrolmentRefusedError):
        _invite(lender, scope=CredentialScope.FULL)
    with pytest.raises(EnrolmentRefusedError):
        _invite(lender, scope=CredentialScope.CLOSING, days=14)


def _approve_closing(lender: Lender, *, proposer: str = "service:clockwork") -> None:
    """A second person approves the way out of alpha's contract."""
    with lender.role() as connection:
        proposal = propose_closing(connection, "alpha", "alpha-2026", actor=proposer, at=START)
        decide(connection, proposal, is_approved=True, actor="staff:li", at=START)


@pytest.fixture
def ended(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Alpha's contract is over."""
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("own"))
    with lender.owner() as owner:
        owner.execute(
            "UPDATE casegate.contract SET status = 'ended', closing_until = %s",
            (START + timedelta(days=14),),
        )
    return lender


def test_a_closing_invitation_takes_two_people_and_one_approval_makes_one(ended: Lender) -> None:
    def code(actor: str) -> str:
        with pytest.raises(ApprovalRefusedError) as refused:
            _invite(ended, scope=CredentialScope.CLOSING, actor=actor)
        return refused.value.code

    before = code("staff:wang")
    _approve_closing(ended)
    own = code("cli:li")
    made = _invite(ended, scope=CredentialScope.CLOSING, actor="staff:wang")

    assert (before, own, code("staff:wang")) == (
        "APPROVAL_MISSING",
        "SECOND_PERSON_NEEDED",
        "APPROVAL_MISSING",
    )
    assert made.scope is CredentialScope.CLOSING


def test_the_database_keeps_a_closing_code_without_its_approval_out(ended: Lender) -> None:
    with ended.role() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO casegate.invitation (invitation_id, code_sha256, vendor_id, contract_id,"
            " system, scope, invited_by, invited_at, expires_at) VALUES (gen_random_uuid(),"
            " sha256('x'), 'alpha', 'alpha-2026', 'main', 'closing', 'x', now(), now())"
        )
