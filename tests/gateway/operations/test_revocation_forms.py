import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest
from cryptography.x509 import ReasonFlags

from audit.entry import EntryValue, EventType
from gateway.errors import EnrolmentRefusedError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.operations import revocation, shutting_out
from gateway.operations.effect import RevocationEffect
from gateway.operations.enrolment import enrol
from gateway.operations.invitation import invite
from gateway.operations.issuers import add_issuer, newest_crl
from gateway.operations.shutting_out import ShuttingOutDesk
from gateway.oversight.search import LogQuery
from keys.authority import CertificateAuthority, new_authority
from keys.errors import KeyFileError
from tests.gateway.operations.enrolling import issuing, new_key, request_for
from tests.gateway.operations.holding import hold, new_reference, new_vendor, status
from tests.gateway.store.lender import ACTOR, START, Lender

REASON = ReasonFlags.key_compromise


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def vendor(lender: Lender) -> str:
    return new_vendor(lender)


@pytest.fixture
def desk(lender: Lender) -> ShuttingOutDesk:
    return lender.office().shutting_out()


def _next_authority(lender: Lender) -> CertificateAuthority:
    """Another issuing authority, on record as the active one."""
    made = new_authority("next", not_before=START, not_after=START + timedelta(days=900))
    with lender.role() as connection:
        add_issuer(connection, made.certificate, actor=ACTOR, at=START)
    return made


def test_a_credential_goes_with_all_its_certificates_and_no_other_one(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    own, other = new_reference(), new_reference()
    first = hold(lender, vendor, own)
    second = hold(lender, vendor, own, replaces=first)
    kept = hold(lender, vendor, other)

    effect = desk.revoke_credential(own, REASON, actor=ACTOR)

    assert effect.credentials == 2
    assert [status(lender, one) for one in (first, second, kept)] == [
        "revoked",
        "revoked",
        "active",
    ]


def test_a_system_goes_with_all_its_credentials_and_the_other_systems_stay(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    dialers = [hold(lender, vendor, new_reference(), system="dialer") for _number in range(2)]
    kept = hold(lender, vendor, new_reference(), system="main")
    foreign = hold(lender, new_vendor(lender), new_reference(), system="dialer")

    effect = desk.revoke_system(vendor, "dialer", REASON, actor=ACTOR)

    assert effect.credentials == 2
    assert {status(lender, one) for one in dialers} == {"revoked"}
    assert {status(lender, one) for one in (kept, foreign)} == {"active"}


def test_a_revoked_systems_invitation_is_void(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    with lender.role() as connection:
        codes = {
            system: invite(
                connection,
                vendor_id=vendor,
                contract_id=f"{vendor}-2026",
                system=system,
                actor=ACTOR,
                at=START,
            ).code
            for system in ("dialer", "main")
        }
    desk.revoke_system(vendor, "dialer", REASON, actor=ACTOR)

    with lender.role("enrolment") as connection:

        def ask(system: str) -> object:
            return enrol(
                connection,
                issuing(lender),
                vendor_id=vendor,
                code=codes[system],
                csr=request_for(new_key()),
                at=START,
            )

        with pytest.raises(EnrolmentRefusedError) as refused:
            ask("dialer")
        assert refused.value.code == "INVITATION_NOT_ACCEPTED"
        assert ask("main") is None  # waits for a second person, as before


def test_an_issuer_goes_with_what_it_gave_and_what_another_gave_stays(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    lost, kept = _next_authority(lender), _next_authority(lender)
    of_lost = hold(lender, vendor, new_reference(), authority=lost)
    of_kept = hold(lender, vendor, new_reference(), authority=kept)

    effect = desk.revoke_issuer(lost.issuer_id.hex()[:16], REASON, actor=ACTOR)

    assert effect.credentials == 1
    assert (status(lender, of_lost), status(lender, of_kept)) == ("revoked", "active")
    page = lender.office().search(LogQuery(event="issuer.revoked"), actor=ACTOR)
    assert page.hits[0].entry["issuer"] == lost.issuer_id.hex()
    with pytest.raises(EnrolmentRefusedError):
        hold(lender, vendor, new_reference(), authority=lost)


def test_a_single_certificate_leaves_its_successor_and_the_effect_tells(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    reference = new_reference()
    first = hold(lender, vendor, reference)
    second = hold(lender, vendor, reference, replaces=first)

    effect = desk.revoke_certificate(first, REASON, actor=ACTOR)

    assert (effect.credentials, effect.others) == (1, 1)
    assert (status(lender, first), status(lender, second)) == ("revoked", "active")


@pytest.mark.parametrize("reason", [ReasonFlags.certificate_hold, ReasonFlags.remove_from_crl])
def test_a_reason_that_could_be_taken_back_is_none(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, reason: ReasonFlags
) -> None:
    held = hold(lender, vendor, new_reference())

    with pytest.raises(RequestInvalidError, match="for good"):
        desk.revoke_certificate(held, reason, actor=ACTOR)

    assert status(lender, held) == "active"


@pytest.mark.parametrize(
    "revoke",
    [
        lambda desk: desk.revoke_credential("nothing", REASON, actor=ACTOR),
        lambda desk: desk.revoke_system("alpha", "nothing", REASON, actor=ACTOR),
        lambda desk: desk.revoke_issuer("ab" * 8, REASON, actor=ACTOR),
    ],
    ids=["credential", "system", "issuer"],
)
def test_what_is_unknown_is_not_found(
    desk: ShuttingOutDesk, revoke: Callable[[ShuttingOutDesk], RevocationEffect]
) -> None:
    with pytest.raises(NotFoundError):
        revoke(desk)


@pytest.mark.parametrize("digits", ["", "ab", "z" * 16, "ab" * 7 + "%%"])
def test_an_issuer_is_named_by_sixteen_digits_at_least(desk: ShuttingOutDesk, digits: str) -> None:
    with pytest.raises(RequestInvalidError):
        desk.revoke_issuer(digits, REASON, actor=ACTOR)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE casegate.credential SET status = 'suspended', revoked_at = NULL",
        "UPDATE casegate.credential SET revocation_reason = 'superseded'",
        "UPDATE casegate.vendor SET status = 'active'",
    ],
)
def test_not_even_the_databases_owner_takes_a_revocation_back(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, statement: str
) -> None:
    hold(lender, vendor, new_reference())
    desk.revoke_vendor(vendor, REASON, actor=ACTOR)

    with lender.owner() as owner, pytest.raises(psycopg.Error, match="for good"):
        owner.execute(f"{statement} WHERE vendor_id = %s".encode(), (vendor,))


def test_a_revoked_vendor_is_given_no_certificate(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    desk.revoke_vendor(vendor, REASON, actor=ACTOR)

    with pytest.raises(EnrolmentRefusedError):
        hold(lender, vendor, new_reference())


def test_a_successor_registered_during_the_revocation_is_revoked_with_it(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    reference = new_reference()
    first = hold(lender, vendor, reference)
    effects: list[RevocationEffect] = []
    with lender.owner() as renewing:
        with renewing.transaction():
            renewing.execute(_SUCCESSOR, {"old": first})
            revoking = threading.Thread(
                target=lambda: effects.append(
                    desk.revoke_credential(reference, REASON, actor=ACTOR)
                )
            )
            revoking.start()
            revoking.join(0.3)
            assert revoking.is_alive()  # it waits for the one who was first
        revoking.join(5)

    assert effects[0].credentials == 2
    assert lender.query(
        "SELECT DISTINCT status FROM casegate.credential WHERE credential_ref = %s", (reference,)
    ) == [("revoked",)]


def test_a_successor_that_comes_during_the_revocation_is_refused(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = new_reference()
    first = hold(lender, vendor, reference)
    refusals: list[str | None] = []

    def renew() -> None:
        with lender.owner() as renewing:
            try:
                renewing.execute(_SUCCESSOR, {"old": first})
            except psycopg.Error as error:
                refusals.append(error.sqlstate)

    renewal = threading.Thread(target=renew)

    def record_slowly(
        connection: psycopg.Connection, event: EventType, *, at: datetime, **fields: EntryValue
    ) -> int:
        renewal.start()
        renewal.join(0.3)
        assert renewal.is_alive()
        return record_with_change(connection, event, at=at, **fields)

    monkeypatch.setattr(revocation, "record_with_change", record_slowly)
    desk.revoke_credential(reference, REASON, actor=ACTOR)
    renewal.join(5)

    assert refusals == ["CG041"]


_SUCCESSOR = """
INSERT INTO casegate.credential (thumbprint, kind, vendor_id, contract_id, spki_sha256,
       serial_number, not_before, not_after, credential_ref, system, issuer_id, replaces)
SELECT sha256(thumbprint), kind, vendor_id, contract_id, sha256(spki_sha256), serial_number || '1',
       not_before, not_after, credential_ref, system, issuer_id, thumbprint
  FROM casegate.credential WHERE thumbprint = %(old)s
"""


class KilledError(Exception):
    """Stands for the death of the process in the middle of the transaction."""


def test_a_revocation_killed_in_the_middle_has_not_happened(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold(lender, vendor, new_reference())
    before = lender.query("SELECT epoch, (SELECT size FROM audit.tail) FROM casegate.trust")

    def die(*_given: object, **_fields: object) -> int:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(revocation, "record_with_change", die)
        with pytest.raises(KilledError):
            desk.revoke_vendor(vendor, REASON, actor=ACTOR)

    assert status(lender, held) == "active"
    after = lender.query("SELECT epoch, (SELECT size FROM audit.tail) FROM casegate.trust")
    assert after == before
    assert desk.revoke_vendor(vendor, REASON, actor=ACTOR).credentials == 1


def test_the_revocation_list_follows_with_the_next_number(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = _next_authority(lender)
    monkeypatch.setattr(shutting_out, "load_authorities", lambda _settings: [authority])
    held = [hold(lender, vendor, new_reference(), authority=authority) for _number in range(2)]

    numbers = [desk.revoke_certificate(one, REASON, actor=ACTOR).lists[0].number for one in held]

    assert numbers == [1, 2]
    with lender.role() as connection:
        crl = newest_crl(connection, authority.issuer_id)
    assert crl is not None
    assert crl.number == 2


def test_a_revocation_waits_for_no_issuing_key_and_tells_that_no_list_is_out(
    lender: Lender, vendor: str, desk: ShuttingOutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_key(_settings: object) -> list[CertificateAuthority]:
        raise KeyFileError("it is in the safe")

    monkeypatch.setattr(shutting_out, "load_authorities", no_key)
    held = hold(lender, vendor, new_reference())

    told = desk.revoke_certificate(held, REASON, actor=ACTOR).lists[0]

    assert status(lender, held) == "revoked"
    assert told.number is None
    assert told.reason is not None
    assert "not at hand" in told.reason


def test_the_tokens_that_died_are_counted(
    lender: Lender, vendor: str, desk: ShuttingOutDesk
) -> None:
    held, other = (hold(lender, vendor, new_reference()) for _number in range(2))
    with lender.role("vendor") as connection:
        for event, owner in (
            (EventType.TOKEN_ISSUED, held),
            (EventType.TOKEN_ISSUED, held),
            (EventType.TOKEN_ISSUED, other),
            (EventType.TOKEN_REVOKED, held),
        ):
            record_with_change(connection, event, at=START, vendor=vendor, certificate=owner.hex())

    assert desk.revoke_certificate(held, REASON, actor=ACTOR).tokens == 1
    assert desk.revoke_certificate(held, REASON, actor=ACTOR).tokens == 0
