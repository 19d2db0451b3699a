"""One database for each file of tests, emptied for each test."""

import pytest

from tests.gateway.analysis.notes_desk import emptied
from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def shared(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def lender(shared: Lender) -> Lender:
    return emptied(shared)
