"""A dial token dies with whatever its permit stood on, before anybody has told it so."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from cryptography.x509 import ReasonFlags

from gateway.contact.permits import Granted
from gateway.contact.wish import PointKind
from gateway.errors import PermitStateError
from gateway.office import Office
from tests.gateway.contact.centre import CONTEXT, MORNING, CallCentre, Desks

ACTOR = "staff:bridge"


@pytest.fixture
def centre(postgres_url: str, open_directory: Path, request: pytest.FixtureRequest) -> CallCentre:
    name = f"dialing-{request.node.callspec.indices['ended']}"
    return CallCentre.make(postgres_url, open_directory / name, cases=2)


def _revoke_certificate(office: Office, centre: CallCentre) -> None:
    office.shutting_out().revoke_certificate(
        centre.lender.thumbprints["alpha"], ReasonFlags.key_compromise, actor=ACTOR
    )


def _suspend_vendor(office: Office, _centre: CallCentre) -> None:
    office.shutting_out().suspend_vendor("alpha", actor=ACTOR)


def _let_time_pass(_office: Office, centre: CallCentre) -> None:
    centre.lender.clock.at = MORNING + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        pytest.param(_revoke_certificate, "PERMIT_VOIDED", id="its certificate revoked"),
        pytest.param(_suspend_vendor, "PERMIT_VOIDED", id="its vendor suspended"),
        pytest.param(_let_time_pass, "PERMIT_EXPIRED", id="its time over"),
    ],
)
def test_a_token_is_dead_when(
    centre: CallCentre, ended: Callable[[Office, CallCentre], None], code: str
) -> None:
    first, second = (_token(centre, centre.case()) for _token_of in range(2))
    office = centre.lender.office()
    dialed = office.dialing().dial(first, actor=ACTOR)
    ended(office, centre)

    assert dialed.number.startswith("+86139")
    with pytest.raises(PermitStateError) as refused:
        office.dialing().dial(second, actor=ACTOR)
    assert refused.value.code == code


def _token(centre: CallCentre, case_ref: str) -> str:
    async def lose(desks: Desks) -> Granted:
        for _call in range(3):
            permit = await desks.permits.ask(centre.principal(), centre.wish(case_ref), CONTEXT)
            assert isinstance(permit, Granted)
            await desks.calls.close(centre.principal(), permit.permit_id, "NO_ANSWER", CONTEXT)
        wish = centre.wish(case_ref, point=PointKind.RELATED)
        found = await desks.permits.ask(centre.principal(), wish, CONTEXT)
        assert isinstance(found, Granted)
        return found

    return str(orjson.loads(centre.run(lose).body)["contact_point"]["dial_token"])
