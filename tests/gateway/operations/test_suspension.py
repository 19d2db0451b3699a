from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from cryptography.x509 import ReasonFlags

from gateway.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    EnrolmentRefusedError,
    NotFoundError,
)
from gateway.operations import suspension
from gateway.operations.approval import decide
from gateway.operations.effect import RevocationEffect
from gateway.operations.shutting_out import ShuttingOutDesk
from gateway.oversight.search import LogQuery
from tests.gateway.operations.holding import hold, new_reference, new_vendor, status
from tests.gateway.store.lender import ACTOR, START, Lender

WANG, LI, ZHAO = "staff:wang", "staff:li", "staff:zhao"


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def vendor(lender: Lender) -> str:
    return new_vendor(lender)


@pytest.fixture
def desk(lender: Lender) -> ShuttingOutDesk:
    return lender.office().shutting_out()


def _proposed(outcome: RevocationEffect | UUID) -> UUID:
    assert isinstance(outcome, UUID)
    return outcome


def _done(outcome: RevocationEffect | UUID) -> RevocationEffect:
    assert isinstance(outcome, RevocationEffect)
    return outcome


def _approve(lender: Lender, proposal: UUID, *, actor: str = LI) -> None:
    with lender.role() as connection:
        decide(connection, proposal, is_approved=True, actor=actor, at=START)


def _vendor_status(lender: Lender, vendor: str) -> object:
    return lender.query("SELECT status FROM casegate.vendor WHERE vendor_id = %s", (vendor,))[0][0]


def _code(refused: Callable[[], object]) -> str:
    with pytest.raises(ApprovalRefusedError) as caught:
        refused()
    return caught.value.code


def _events(lender: Lender, vendor: str) -> list[str]:
    page = lender.office().search(LogQuery(vendor=vendor), actor=ACTOR)
    return [str(hit.entry["type"]) for hit in reversed(page.hits)]


def test_one_person_suspends_a_vendor_at_once(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    held = hold(lender, vendor, new_reference())

    effect = desk.suspend_vendor(vendor, actor=WANG)

    assert (effect.credentials, effect.is_complete) == (1, True)
    assert _vendor_status(lender, vendor) == "suspended"
    assert status(lender, held) == "active"  # its own standing is another matter


def test_a_suspended_credential_takes_no_other_with_it(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    own, other = new_reference(), new_reference()
    first = hold(lender, vendor, own)
    second = hold(lender, vendor, own, replaces=first)
    kept = hold(lender, vendor, other)

    desk.suspend_credential(own, actor=WANG)

    assert [status(lender, one) for one in (first, second, kept)] == [
        "suspended",
        "suspended",
        "active",
    ]


def test_a_vendor_is_let_in_again_by_two(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    hold(lender, vendor, new_reference())
    desk.suspend_vendor(vendor, actor=WANG)
    proposal = _proposed(desk.resume_vendor(vendor, actor=WANG))
    assert _vendor_status(lender, vendor) == "suspended"
    assert _code(lambda: _approve(lender, proposal, actor=WANG)) == "SECOND_PERSON_NEEDED"
    with pytest.raises(AlreadyExistsError):
        desk.resume_vendor(vendor, actor=ZHAO)

    _approve(lender, proposal)
    assert _vendor_status(lender, vendor) == "suspended"
    effect = _done(desk.resume_vendor(vendor, actor=WANG))

    assert effect.credentials == 1
    assert _vendor_status(lender, vendor) == "active"
    page = lender.office().search(LogQuery(event="vendor.resumed", vendor=vendor), actor=ACTOR)
    entry = page.hits[0].entry
    assert (entry["proposed_by"], entry["approved_by"]) == (WANG, LI)


def test_a_credential_is_let_in_again_by_two_but_not_what_was_revoked_of_it(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    reference = new_reference()
    first = hold(lender, vendor, reference)
    second = hold(lender, vendor, reference, replaces=first)
    desk.suspend_credential(reference, actor=WANG)
    desk.revoke_certificate(first, ReasonFlags.superseded, actor=WANG)
    _approve(lender, _proposed(desk.resume_credential(reference, actor=WANG)))

    effect = _done(desk.resume_credential(reference, actor=WANG))

    assert effect.credentials == 1
    assert (status(lender, first), status(lender, second)) == ("revoked", "active")


def test_an_approval_lifts_one_suspension_once(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    desk.suspend_vendor(vendor, actor=WANG)
    _approve(lender, _proposed(desk.resume_vendor(vendor, actor=WANG)))
    _done(desk.resume_vendor(vendor, actor=WANG))
    desk.suspend_vendor(vendor, actor=WANG)

    _proposed(desk.resume_vendor(vendor, actor=WANG))

    assert _vendor_status(lender, vendor) == "suspended"


def test_a_new_suspension_voids_what_was_proposed_or_approved_before(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    desk.suspend_vendor(vendor, actor=WANG)
    approved = _proposed(desk.resume_vendor(vendor, actor=WANG))
    _approve(lender, approved)
    desk.suspend_vendor(vendor, actor=ZHAO)

    again = _proposed(desk.resume_vendor(vendor, actor=WANG))
    assert again != approved
    desk.suspend_vendor(vendor, actor=ZHAO)

    assert _code(lambda: _approve(lender, again)) == "PROPOSAL_NOT_OPEN"


def test_an_approval_that_has_expired_lifts_nothing(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    desk.suspend_vendor(vendor, actor=WANG)
    _approve(lender, _proposed(desk.resume_vendor(vendor, actor=WANG)))
    with lender.role() as connection:
        at = START + timedelta(hours=73)
        assert (
            _code(lambda: suspension.resume_vendor(connection, vendor, actor=WANG, at=at))
            == "APPROVAL_MISSING"
        )


@pytest.mark.parametrize("kind", ["vendor", "credential"])
def test_what_is_revoked_is_neither_suspended_nor_resumed(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, kind: str
) -> None:
    reference = new_reference()
    held = hold(lender, vendor, reference)
    suspend: Callable[[], object] = {
        "vendor": lambda: desk.suspend_vendor(vendor, actor=WANG),
        "credential": lambda: desk.suspend_credential(reference, actor=WANG),
    }[kind]
    resume: Callable[[], RevocationEffect | UUID] = {
        "vendor": lambda: desk.resume_vendor(vendor, actor=WANG),
        "credential": lambda: desk.resume_credential(reference, actor=WANG),
    }[kind]
    suspend()
    _approve(lender, _proposed(resume()))
    desk.revoke_vendor(vendor, ReasonFlags.key_compromise, actor=ZHAO)

    assert _code(resume) == "REVOKED_IS_FINAL"
    assert _code(suspend) == "REVOKED_IS_FINAL"
    assert (_vendor_status(lender, vendor), status(lender, held)) == ("revoked", "revoked")


def test_what_is_not_suspended_is_not_resumed(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    reference = new_reference()
    hold(lender, vendor, reference)

    assert _code(lambda: desk.resume_vendor(vendor, actor=WANG)) == "NOT_SUSPENDED"
    assert _code(lambda: desk.resume_credential(reference, actor=WANG)) == "NOT_SUSPENDED"


def test_what_is_unknown_is_not_found(desk: ShuttingOutDesk) -> None:
    acts: list[Callable[[], object]] = [
        lambda: desk.suspend_vendor("nobody", actor=WANG),
        lambda: desk.suspend_credential("nothing", actor=WANG),
        lambda: desk.resume_vendor("nobody", actor=WANG),
        lambda: desk.resume_credential("nothing", actor=WANG),
    ]
    for refused in acts:
        with pytest.raises(NotFoundError):
            refused()


def test_a_suspended_certificate_has_no_successor(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    reference = new_reference()
    held = hold(lender, vendor, reference)
    desk.suspend_credential(reference, actor=WANG)

    with pytest.raises(EnrolmentRefusedError):
        hold(lender, vendor, reference, replaces=held)


def test_each_step_is_in_the_log_in_order(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    desk.suspend_vendor(vendor, actor=WANG)
    _approve(lender, _proposed(desk.resume_vendor(vendor, actor=WANG)))
    desk.resume_vendor(vendor, actor=WANG)

    steps = [event for event in _events(lender, vendor) if event.startswith("vendor.")]
    assert steps == ["vendor.registered", "vendor.suspended", "vendor.resumed"]
