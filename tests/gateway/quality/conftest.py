"""The month of the reports, in one database for all tests; each draws samples of its own."""

from pathlib import Path

import pytest

from tests.gateway.reports.month import Month


@pytest.fixture(scope="package")
def month(postgres_url: str, open_directory: Path) -> Month:
    return Month.make(postgres_url, open_directory / "quality-month")
