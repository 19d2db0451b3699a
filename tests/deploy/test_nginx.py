import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import front as story
from tests.deploy.front import Front, binary_of, new_front
from tests.deploy.proxied import proxied
from tests.promises.ledger import log_size, logged_entries


def _command(config: str, folder: Path) -> list[str]:
    # As root, workers that drop to another user could not enter the test's directory.
    user = "user root; " if os.geteuid() == 0 else ""
    directives = f"{user}daemon off; master_process on;"
    return [binary_of("nginx"), "-c", config, "-p", str(folder), "-e", "stderr", "-g", directives]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    binary_of("nginx")
    directory = tmp_path_factory.mktemp("nginx") / "served"
    with proxied(directory, mode="unix", cases=500) as served:
        yield new_front(
            served,
            "nginx.conf",
            _command,
            **{
                "worker_processes auto": "worker_processes 1",
                "/run/nginx.pid": "{folder}/nginx.pid",
                "/run/casegate/proxy.sock": str(served.socket),
                "/var/log/nginx": "{folder}",
                "listen 443 ssl": "listen 127.0.0.1:{port} ssl",
            },
        )


@pytest.fixture
def process(front: Front) -> Iterator[subprocess.Popen[bytes]]:
    with front.running() as process:
        yield process


@pytest.mark.usefixtures("process")
def test_vendors_pull_through_nginx(front: Front) -> None:
    before = log_size(front.served.installation)
    story.pulls_through(front)

    releases = [
        entry.fields
        for entry in logged_entries(front.served.installation, since=before)
        if entry.fields["type"] == "access.release"
    ]
    assert {entry["vendor"] for entry in releases} == {"alpha", "beta"}


@pytest.mark.usefixtures("process")
def test_what_a_client_forges_is_overwritten_by_nginx(front: Front) -> None:
    story.overwrites_what_a_client_forges(front)
    story.lets_nobody_in_without_a_certificate(front)


@pytest.mark.usefixtures("process")
def test_a_revocation_cuts_through_nginx_within_a_second(front: Front) -> None:
    story.cuts_within_a_second(front)


@pytest.mark.usefixtures("process")
def test_two_vendors_in_turn_share_one_connection_and_nothing_else(front: Front) -> None:
    with front.vendor("alpha") as alpha, front.vendor("beta") as beta:
        for _round in range(10):
            for client, vendor in ((alpha, "alpha"), (beta, "beta")):
                [item] = client.get("/v1/cases?limit=1").json()["items"]
                case = next(
                    case
                    for case in front.served.installation.truth()
                    if case["case_ref"] == item["case_ref"]
                )
                assert case["vendor_id"] == vendor
        ends = Path("/proc/net/unix").read_text().count(str(front.served.socket))
    listening = 1
    assert ends - listening == 1


@pytest.mark.usefixtures("process")
def test_vendors_at_the_same_time_are_never_mixed_up(front: Front) -> None:
    story.never_mixes_vendors_on_one_connection(front)


def test_nginx_may_crash(front: Front) -> None:
    with front.running() as process:
        story.serves_again_after_a_crash(front, process)
