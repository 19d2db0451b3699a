"""Another host of the same installation: its own listeners on other ports, the same database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from gateway.settings import load_settings
from tests.installation import Installation, free_port
from tests.promises.processes import children_of, wait_until

_NAME = "second.toml"


@dataclass(frozen=True)
class SecondHost(Installation):
    """Serves with its own settings in the directory of the first."""

    @property
    @override
    def config(self) -> Path:
        return self.directory / _NAME


@contextmanager
def second_host(installation: Installation, *, workers: int) -> Iterator[SecondHost]:
    """Serves beside the first host, which is served already."""
    ports = (installation.settings.vendor.port, installation.settings.company.port)
    text = installation.config.read_text()
    for port in ports:
        # Not in the issuer's URL, which is the installation's name in tokens.
        text = re.sub(rf"(?m)^port = {port}$", f"port = {free_port()}", text)
    config = installation.directory / _NAME
    config.write_text(text)
    host = SecondHost(installation.directory, load_settings(config))
    with host.serving(workers=workers) as supervisor:
        served_by = list(children_of(supervisor.pid))
        yield host
    # A worker that was killed while it stopped is on the list for some seconds more, and whoever
    # revokes then is told that it has not obeyed.
    assert wait_until(lambda: not _are_listed(installation, served_by), seconds=20)


def _are_listed(installation: Installation, pids: list[int]) -> bool:
    with installation.office().connection() as connection:
        row = connection.execute(
            "SELECT 1 FROM casegate.worker WHERE pid = ANY(%s)"
            " AND heard_at > clock_timestamp() - interval '5.5 seconds'",
            (pids,),
        ).fetchone()
    return row is not None
