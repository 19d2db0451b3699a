"""Another host of the same installation: its own listeners on other ports, the same database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from gateway.settings import load_settings
from tests.installation import Installation, free_port

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
    with host.serving(workers=workers):
        yield host
