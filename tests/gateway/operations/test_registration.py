from datetime import timedelta

import pytest

from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from gateway.identity.principal import StaffRole
from gateway.operations.registration import (
    StaffOwner,
    VendorOwner,
    register_contract,
    register_credential,
    register_vendor,
)
from keys.profiles import Profile
from tests.gateway.store.lender import ACTOR, START, Lender

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


def _vendor(lender: Lender, vendor: str) -> None:
    with lender.role() as connection:
        register_vendor(connection, vendor, name="丙公司", actor=ACTOR, at=START)


def _contract(lender: Lender, contract: str, vendor: str, days: int) -> None:
    with lender.role() as connection:
        register_contract(
            connection,
            contract,
            vendor_id=vendor,
            starts_at=START,
            ends_at=START + days * DAY,
            actor=ACTOR,
            at=START,
        )


def _credential(lender: Lender, owner: VendorOwner | StaffOwner, *, twice: bool = False) -> bytes:
    issued = lender.authority.issue(
        Profile.VENDOR_CLIENT,
        common_name="x",
        uris=["https://casegate.example/x"],
        not_before=START,
        not_after=START + DAY,
    )
    with lender.role() as connection:
        if twice:
            register_credential(connection, issued.certificate, owner, actor=ACTOR, at=START)
        return register_credential(connection, issued.certificate, owner, actor=ACTOR, at=START)


def _size(lender: Lender) -> object:
    return lender.query("SELECT size FROM audit.tail")[0][0]


def test_a_new_vendor_contract_and_certificate_each_leave_one_entry(lender: Lender) -> None:
    before = _size(lender)
    _vendor(lender, "gamma")
    _contract(lender, "gamma-2026", "gamma", 30)
    thumbprint = _credential(lender, VendorOwner("gamma", "gamma-2026"))

    assert isinstance(before, int)
    assert _size(lender) == before + 3
    assert lender.query(
        "SELECT kind, vendor_id, contract_id FROM casegate.credential WHERE thumbprint = %s",
        (thumbprint,),
    ) == [("vendor", "gamma", "gamma-2026")]


@pytest.mark.parametrize("role", list(StaffRole))
def test_staff_of_every_role_can_be_registered(lender: Lender, role: StaffRole) -> None:
    thumbprint = _credential(lender, StaffOwner("sun", role))

    assert lender.query(
        "SELECT kind, staff_id, staff_role FROM casegate.credential WHERE thumbprint = %s",
        (thumbprint,),
    ) == [("staff", "sun", role.value)]


def test_a_taken_name_is_refused_and_not_logged(lender: Lender) -> None:
    before = _size(lender)

    with pytest.raises(AlreadyExistsError, match="vendor alpha"):
        _vendor(lender, "alpha")
    with pytest.raises(AlreadyExistsError, match="contract alpha-2026"):
        _contract(lender, "alpha-2026", "beta", 30)
    assert _size(lender) == before


def test_a_certificate_is_registered_once(lender: Lender) -> None:
    with pytest.raises(AlreadyExistsError, match="registered already"):
        _credential(lender, VendorOwner("alpha", "alpha-2026"), twice=True)


@pytest.mark.parametrize("name", ["", "Alpha", "-a", "a" * 64, "a b", "a/b", "阿尔法", "a\nb"])
def test_a_malformed_vendor_id_is_refused(lender: Lender, name: str) -> None:
    with pytest.raises(RequestInvalidError):
        _vendor(lender, name)


@pytest.mark.parametrize(("contract", "days"), [("gamma-2026", 0), ("gamma-2026", -1), ("G", 1)])
def test_an_empty_term_or_malformed_contract_id_is_refused(
    lender: Lender, contract: str, days: int
) -> None:
    with pytest.raises(RequestInvalidError):
        _contract(lender, contract, "alpha", days)


def test_a_contract_needs_its_vendor_and_a_certificate_its_contract(lender: Lender) -> None:
    with pytest.raises(NotFoundError, match="no vendor delta"):
        _contract(lender, "delta-2026", "delta", 30)
    with pytest.raises(NotFoundError, match="alpha has no contract beta-2026"):
        _credential(lender, VendorOwner("alpha", "beta-2026"))
