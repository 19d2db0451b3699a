"""What the ledger and a notice do to permits that are open, and to those that are asked for."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from gateway.affairs.ledger import Posting
from gateway.contact.permits import Granted, Refused
from gateway.store.database import connect
from tests.gateway.contact.centre import MORNING, CallCentre
from tests.gateway.store.lender import START


@pytest.fixture(scope="module")
def centre(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    return CallCentre.make(postgres_url, tmp_path_factory.mktemp("centre"), cases=8)


@pytest.fixture(autouse=True)
def _the_vendor_is_not_stopped(centre: CallCentre) -> Iterator[None]:
    yield
    with centre.lender.owner() as connection:
        connection.execute("UPDATE casegate.vendor_stop SET ended_at = now()")


def test_a_paid_case_stops_in_the_moment_of_its_posting(centre: CallCentre) -> None:
    ref = centre.case()
    granted = centre.ask(ref)

    _pay(centre, centre.next_case - 1)

    assert centre.row(granted)["state"] == "voided"
    assert centre.row(granted)["void_reason"] == "PAID"
    refused = centre.ask(ref)
    assert isinstance(refused, Refused)
    assert "CASE_PAID" in refused.codes


def test_a_stopped_vendor_keeps_no_permit_and_gets_none(centre: CallCentre) -> None:
    granted = centre.ask(centre.case())

    _stop(centre)

    assert centre.row(granted)["void_reason"] == "VENDOR_STOPPED"
    refused = centre.ask(centre.case())
    assert isinstance(refused, Refused)
    assert "HOLD" in refused.codes


def test_no_permit_is_put_on_record_after_a_stop_whatever_was_decided_before(
    centre: CallCentre,
) -> None:
    granted = centre.ask(centre.case())
    assert isinstance(granted, Granted)
    _stop(centre)

    with (
        connect(centre.lender.database.owner_url) as connection,
        pytest.raises(psycopg.errors.UniqueViolation, match="has changed"),
    ):
        connection.execute(
            "INSERT INTO casegate.contact SELECT (jsonb_populate_record(c,"
            " jsonb_build_object('contact_id', gen_random_uuid()))).* FROM casegate.contact c"
            " WHERE c.contact_id = %s",
            (granted.permit_id,),
        )


def _pay(centre: CallCentre, number: int) -> None:
    posting = Posting(f"E-{uuid4().hex[:8]}", f"ZX2026{number:06d}", MORNING, 512345, "payment", 0)
    (result,) = centre.lender.office().ledger().post([posting], actor="staff:core")
    assert result["outcome"] == "posted"


def _stop(centre: CallCentre) -> None:
    """As the clock does when a critical notice is overdue."""
    with centre.lender.owner() as connection:
        notice = uuid4()
        connection.execute(
            "INSERT INTO casegate.affair (affair_id, kind, vendor_id, contract_id, state, codes,"
            " opened_at, opened_by, due_at) VALUES (%s, 'rectification', 'alpha', 'alpha-2026',"
            " 'escalated_2', '{}', %s, 'x', %s)",
            (notice, START, START + timedelta(days=1)),
        )
        connection.execute(
            "SELECT casegate.stop_vendor(%s, 'alpha', 'alpha-2026', %s)", (notice, MORNING)
        )
