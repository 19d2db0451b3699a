import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import front as story
from tests.deploy.front import Front, binary_of, new_front
from tests.deploy.proxied import proxied

# Everything served, more than once: left to `make test-long`.
pytestmark = pytest.mark.long


def _command(config: str, _folder: Path) -> list[str]:
    return [binary_of("haproxy"), "-db", "-f", config]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    binary_of("haproxy")
    directory = tmp_path_factory.mktemp("haproxy") / "served"
    with proxied(directory, mode="pinned", cases=500) as served:
        # One connection to each worker for all vendors, whatever they do: the hardest case.
        yield new_front(
            served, "haproxy.cfg", _command, **{"http-reuse safe\n": "http-reuse always\n"}
        )


@pytest.fixture
def process(front: Front) -> Iterator[subprocess.Popen[bytes]]:
    with front.running() as process:
        yield process


@pytest.mark.usefixtures("process")
def test_vendors_pull_through_haproxy(front: Front) -> None:
    story.pulls_through(front)


@pytest.mark.usefixtures("process")
def test_what_a_client_forges_is_overwritten_by_haproxy(front: Front) -> None:
    story.overwrites_what_a_client_forges(front)
    story.lets_nobody_in_without_a_certificate(front)


@pytest.mark.usefixtures("process")
def test_a_revocation_cuts_through_haproxy_within_a_second(front: Front) -> None:
    story.cuts_within_a_second(front)


@pytest.mark.usefixtures("process")
def test_vendors_at_the_same_time_are_never_mixed_up(front: Front) -> None:
    story.never_mixes_vendors_on_one_connection(front)


def test_haproxy_may_crash(front: Front) -> None:
    with front.running() as process:
        story.serves_again_after_a_crash(front, process)
