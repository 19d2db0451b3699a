"""One installation for tests of a vendor's whole side: it calls, enrols, and is served."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation


@pytest.fixture(scope="session")
def calling_gateway(open_directory: Path) -> Iterator[Installation]:
    """Served by one vendor worker at 10:02 of a working morning; tests may use up its cases."""
    installation = Installation.make(open_directory / "calling", cases=30, enrols=True, calls=True)
    with installation.serving(workers=1):
        yield installation
