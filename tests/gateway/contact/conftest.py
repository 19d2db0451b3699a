"""Databases that tests share; each test has debtors of its own in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.contact.centre import MORNING, CallCentre
from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def shared_lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def debtors(shared_lender: Lender, tmp_path: Path) -> Debtors:
    return Debtors.appear(shared_lender, tmp_path)


@pytest.fixture(scope="package")
def whole_centre(postgres_url: str, open_directory: Path) -> CallCentre:
    return CallCentre.make(postgres_url, open_directory / "contact-centre", cases=150)


@pytest.fixture
def centre(whole_centre: CallCentre) -> Iterator[CallCentre]:
    """The call centre on a working morning; each test takes cases that no other has called."""
    whole_centre.lender.clock.at = MORNING
    yield whole_centre
    whole_centre.lender.clock.at = MORNING
