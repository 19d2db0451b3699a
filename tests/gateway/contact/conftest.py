"""One database a module; each test has debtors of its own in it."""

from pathlib import Path

import pytest

from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def shared_lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def debtors(shared_lender: Lender, tmp_path: Path) -> Debtors:
    return Debtors.appear(shared_lender, tmp_path)
