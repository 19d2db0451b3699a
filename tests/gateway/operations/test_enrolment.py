import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from gateway.errors import ApprovalRefusedError, EnrolmentRefusedError
from gateway.http.problems import problem_of
from gateway.operations.approval import decide
from gateway.operations.enrolment import enrol, list_enrolments
from gateway.operations.invitation import invite
from gateway.oversight.search import LogQuery
from keys.authority import CertificateAuthority
from keys.certificate_request import read_key_request
from keys.errors import DeviceError, RequestRefusedError
from tests.gateway.operations.enrolling import (
    HOST,
    Key,
    add_vendor,
    issuing,
    new_key,
    request_for,
)
from tests.gateway.store.lender import START, Lender

INVITER, SECOND = "staff:wang", "staff:li"
HOUR = timedelta(hours=1)
NUMBERS = iter(range(1000))


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def newcomer(lender: Lender) -> str:
    """A vendor without any certificate."""
    vendor = f"vendor-{next(NUMBERS)}"
    with lender.role() as connection:
        add_vendor(connection, vendor)
    return vendor


def _code(lender: Lender, vendor: str, *, system: str = "main") -> str:
    with lender.role() as connection:
        return invite(
            connection,
            vendor_id=vendor,
            contract_id=f"{vendor}-2026",
            system=system,
            actor=INVITER,
            at=START,
        ).code


def _enrol(
    lender: Lender, vendor: str, code: str, csr: bytes, at: datetime = START + HOUR
) -> x509.Certificate | None:
    with lender.role("enrolment") as connection:
        return enrol(connection, issuing(lender), vendor_id=vendor, code=code, csr=csr, at=at)


def _code_of(act: Callable[[], object]) -> str:
    try:
        act()
    except (EnrolmentRefusedError, RequestRefusedError) as error:
        return error.code
    raise AssertionError("nothing was refused")


def _decide(lender: Lender, vendor: str, *, is_approved: bool, actor: str = SECOND) -> None:
    proposal = lender.query(
        "SELECT proposal_id FROM casegate.proposal WHERE subject->>'vendor' = %s", (vendor,)
    )[0][0]
    with lender.role() as connection:
        decide(connection, proposal, is_approved=is_approved, actor=actor, at=START + HOUR)  # type: ignore[arg-type]


def _registered(lender: Lender, vendor: str) -> list[tuple[object, ...]]:
    return lender.query(
        "SELECT credential_ref, system, scope, replaces, status FROM casegate.credential"
        " WHERE vendor_id = %s ORDER BY registered_at",
        (vendor,),
    )


def test_the_first_certificate_waits_for_a_second_person(lender: Lender, newcomer: str) -> None:
    code, csr = _code(lender, newcomer), request_for(new_key())

    assert _enrol(lender, newcomer, code, csr) is None
    assert _enrol(lender, newcomer, code, csr) is None
    assert _registered(lender, newcomer) == []
    _decide(lender, newcomer, is_approved=True)
    certificate = _enrol(lender, newcomer, code, csr)
    again = _enrol(lender, newcomer, code, csr)

    assert certificate is not None
    assert certificate == again
    assert [row[1:] for row in _registered(lender, newcomer)] == [("main", "full", None, "active")]


def test_who_invited_is_who_proposed_and_cannot_approve(lender: Lender, newcomer: str) -> None:
    _enrol(lender, newcomer, _code(lender, newcomer), request_for(new_key()))

    with pytest.raises(ApprovalRefusedError, match="ask another person"):
        _decide(lender, newcomer, is_approved=True, actor=INVITER)


def test_what_the_second_person_refused_is_not_issued(lender: Lender, newcomer: str) -> None:
    code, csr = _code(lender, newcomer), request_for(new_key())
    _enrol(lender, newcomer, code, csr)
    _decide(lender, newcomer, is_approved=False)

    assert _code_of(lambda: _enrol(lender, newcomer, code, csr)) == "ENROLMENT_REJECTED"
    assert _registered(lender, newcomer) == []


def test_an_approval_that_is_not_fetched_in_three_days_is_over(
    lender: Lender, newcomer: str
) -> None:
    code, csr = _code(lender, newcomer), request_for(new_key())
    _enrol(lender, newcomer, code, csr)
    _decide(lender, newcomer, is_approved=True)

    late = START + 74 * HOUR
    assert _code_of(lambda: _enrol(lender, newcomer, code, csr, late)) == "ENROLMENT_REJECTED"


def test_later_systems_of_the_vendor_get_theirs_at_once(lender: Lender) -> None:
    certificate = _enrol(lender, "alpha", _code(lender, "alpha", system="d1"), _csr())

    assert certificate is not None
    assert "d1" in {row[1] for row in _registered(lender, "alpha")}


def test_subject_and_names_come_from_the_record(lender: Lender) -> None:
    certificate = _enrol(lender, "alpha", _code(lender, "alpha", system="d2"), _csr())
    assert certificate is not None

    rows = [row for row in _registered(lender, "alpha") if row[1] == "d2"]
    ref = rows[0][0]
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [f"vendor alpha {ref}"]
    assert [name.value for name in san] == [
        f"https://{HOST}/vendor/alpha/contract/alpha-2026/credential/{ref}"
    ]


def test_a_certificate_ends_with_the_contract_or_after_90_days(
    lender: Lender, newcomer: str
) -> None:
    with lender.role() as connection:
        add_vendor(connection, f"{newcomer}-short", days=10)
    code, csr = _code(lender, f"{newcomer}-short"), _csr()
    _enrol(lender, f"{newcomer}-short", code, csr)
    _decide(lender, f"{newcomer}-short", is_approved=True)
    short = _enrol(lender, f"{newcomer}-short", code, csr)
    long = _enrol(lender, "alpha", _code(lender, "alpha", system="d3"), _csr())

    assert short is not None
    assert short.not_valid_after_utc == START + timedelta(days=10)
    assert long is not None
    assert long.not_valid_after_utc == START + HOUR + timedelta(days=90)


@pytest.mark.parametrize("wrong", ["code", "vendor", "late", "empty", "nul"])
def test_no_failure_tells_what_was_wrong_with_the_code(lender: Lender, wrong: str) -> None:
    code = _code(lender, "alpha")
    vendor, at = "alpha", START + HOUR
    match wrong:
        case "code":
            code = _code(lender, "beta")
        case "vendor":
            vendor = "beta"
        case "late":
            at = START + 24 * HOUR
        case "empty":
            code = ""
        case _:
            vendor, code = "al\x00pha", "\x00\x00"

    with pytest.raises(EnrolmentRefusedError) as refused:
        _enrol(lender, vendor, code, b"no request at all", at)

    assert refused.value.code == "INVITATION_NOT_ACCEPTED"
    assert str(refused.value) == "the vendor id or the code is not accepted"


def test_a_code_is_for_one_key(lender: Lender) -> None:
    code = _code(lender, "alpha")
    key = new_key()
    first = _enrol(lender, "alpha", code, request_for(key))

    assert _code_of(lambda: _enrol(lender, "alpha", code, _csr())) == "INVITATION_USED"
    # The same key in another request is the same key.
    assert _enrol(lender, "alpha", code, request_for(key, "again")) == first


def test_a_key_is_for_one_request_whoever_sends_it(lender: Lender) -> None:
    key = new_key()
    _enrol(lender, "alpha", _code(lender, "alpha"), request_for(key))

    code = _code(lender, "beta")
    assert _code_of(lambda: _enrol(lender, "beta", code, request_for(key))) == "KEY_REUSED"
    assert _enrol(lender, "beta", code, _csr()) is not None  # the code is not used up by it


def test_a_key_that_was_registered_by_hand_is_seen_too(lender: Lender) -> None:
    csr = _csr()
    with lender.owner() as owner:
        owner.execute(
            "UPDATE casegate.credential SET spki_sha256 = %s WHERE thumbprint = %s",
            (read_key_request(csr).spki_sha256, lender.thumbprints["auditor"]),
        )
    code = _code(lender, "beta")

    assert _code_of(lambda: _enrol(lender, "beta", code, csr)) == "KEY_REUSED"


WEAK: dict[str, Callable[[], Key]] = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "p-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
}
STRONG: dict[str, Callable[[], Key]] = {
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "p-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_key_is_refused(lender: Lender, kind: str) -> None:
    code = _code(lender, "alpha")
    csr = request_for(WEAK[kind]())

    assert _code_of(lambda: _enrol(lender, "alpha", code, csr)) == "KEY_WEAK"


@pytest.mark.parametrize("kind", STRONG)
def test_a_strong_key_is_taken(lender: Lender, kind: str) -> None:
    code = _code(lender, "alpha")

    assert _enrol(lender, "alpha", code, request_for(STRONG[kind]())) is not None


def test_possession_of_the_key_is_proved(lender: Lender) -> None:
    forged = bytearray(_csr())
    forged[-4] ^= 1  # in the signature
    code = _code(lender, "alpha")

    found = _code_of(lambda: _enrol(lender, "alpha", code, bytes(forged)))
    assert found in {"CSR_UNPROVED", "CSR_MALFORMED"}


def test_a_vendor_suspended_after_the_approval_gets_nothing(lender: Lender, newcomer: str) -> None:
    code, csr = _code(lender, newcomer), _csr()
    _enrol(lender, newcomer, code, csr)
    _decide(lender, newcomer, is_approved=True)
    with lender.owner() as owner:
        owner.execute(
            "UPDATE casegate.vendor SET status = 'suspended' WHERE vendor_id = %s", (newcomer,)
        )

    assert _code_of(lambda: _enrol(lender, newcomer, code, csr)) == "CONTRACT_NOT_RUNNING"
    with lender.owner() as owner:
        owner.execute(
            "UPDATE casegate.vendor SET status = 'active' WHERE vendor_id = %s", (newcomer,)
        )
    assert _enrol(lender, newcomer, code, csr) is not None  # the approval was not used up


def test_of_racers_under_one_code_one_key_wins(lender: Lender) -> None:
    code = _code(lender, "alpha")
    requests = [_csr() for _ in range(6)]
    outcomes: list[str] = []
    start = threading.Barrier(len(requests))

    def race(csr: bytes) -> None:
        start.wait()
        try:
            outcomes.append("issued" if _enrol(lender, "alpha", code, csr) else "waiting")
        except EnrolmentRefusedError as error:
            outcomes.append(error.code)

    racers = [threading.Thread(target=race, args=(csr,)) for csr in requests]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sorted(outcomes) == ["INVITATION_USED"] * 5 + ["issued"]


class _Unplugged:
    """An issuing authority whose device does not answer."""

    trust_host = HOST

    def authority(self) -> CertificateAuthority:
        raise DeviceError("unplugged")


def test_while_the_device_fails_the_request_is_kept_and_answered_when_it_is_back(
    lender: Lender, newcomer: str
) -> None:
    code, csr = _code(lender, newcomer), _csr()
    _enrol(lender, newcomer, code, csr)
    _decide(lender, newcomer, is_approved=True)
    with lender.role("enrolment") as connection:
        refused = _code_of(
            lambda: enrol(
                connection, _Unplugged(), vendor_id=newcomer, code=code, csr=csr, at=START + HOUR
            )
        )

    assert refused == "ISSUER_UNAVAILABLE"
    assert _registered(lender, newcomer) == []
    # The code's own 24 hours are over by then; the approval was not used up.
    assert _enrol(lender, newcomer, code, csr, START + 30 * HOUR) is not None


def test_a_first_request_is_on_record_though_the_device_fails(lender: Lender) -> None:
    code, csr = _code(lender, "alpha"), _csr()
    later = START + HOUR + timedelta(seconds=1)  # the newest of all
    with lender.role("enrolment") as connection, pytest.raises(EnrolmentRefusedError) as caught:
        enrol(connection, _Unplugged(), vendor_id="alpha", code=code, csr=csr, at=later)
    with lender.role() as connection:
        newest = list_enrolments(connection, limit=1)[0]

    problem = problem_of(caught.value)
    assert (problem.status, problem.code) == (503, "ISSUER_UNAVAILABLE")
    assert (newest.vendor_id, newest.status) == ("alpha", "requested")
    assert _enrol(lender, "alpha", code, csr, START + 30 * HOUR) is not None


def test_each_step_is_in_the_log(lender: Lender, newcomer: str) -> None:
    code, csr = _code(lender, newcomer), _csr()
    _enrol(lender, newcomer, code, csr)
    _decide(lender, newcomer, is_approved=True)
    _enrol(lender, newcomer, code, csr)

    page = lender.office().search(LogQuery(vendor=newcomer), actor=INVITER)
    events = {str(hit.entry["type"]) for hit in page.hits}
    assert {"vendor.invited", "enrolment.requested", "credential.registered"} <= events


def test_the_enrolment_role_can_neither_invite_nor_approve_nor_read_cases(
    lender: Lender,
) -> None:
    for statement in (
        "INSERT INTO casegate.invitation SELECT * FROM casegate.invitation",
        "UPDATE casegate.proposal SET status = 'approved', decided_by = 'x'",
        "UPDATE casegate.credential SET status = 'active'",
        "UPDATE casegate.invitation SET expires_at = now()",
        "SELECT * FROM casegate.case_record",
        "SELECT * FROM casegate.assigned_case",
    ):
        with (
            lender.role("enrolment") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


def test_enrolments_come_in_pages_newest_first(lender: Lender) -> None:
    with lender.role() as connection:
        first = list_enrolments(connection, limit=3)
        rest = list_enrolments(connection, after=first[-1].enrolment_id, limit=200)

    everything = [*first, *rest]
    assert len(first) == 3
    assert len({each.enrolment_id for each in everything}) == len(everything)
    assert [e.requested_at for e in everything] == sorted(
        (e.requested_at for e in everything), reverse=True
    )


def _csr() -> bytes:
    return request_for(new_key())
