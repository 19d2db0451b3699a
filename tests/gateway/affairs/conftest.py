"""One database a module; each test has debtors of its own in it, and agents that may call."""

from pathlib import Path

import pytest

from gateway.trial.call_centre import open_call_centre
from tests.gateway.affairs.settling import Settling
from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def shared_lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    vendors = [(vendor, f"{vendor}-2026") for vendor in ("alpha", "beta")]
    open_call_centre(lender.office(), vendors)
    return lender


@pytest.fixture
def settling(shared_lender: Lender, tmp_path: Path) -> Settling:
    return Settling(Debtors.appear(shared_lender, tmp_path))
