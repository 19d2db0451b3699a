import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.errors import ConfigurationError
from gateway.serving.hop import hop_authorities, proxy_trust
from gateway.serving.proxy_socket import bind_proxy_socket, remove_proxy_socket
from gateway.settings import Settings, load_settings

CONFIG = """
issuer = "https://localhost:1"
vendor = { port = 1 }
company = { port = 2 }
[tls]
server_certificate = "server.pem"
server_key = "server.key"
vendor_ca = "vendor-ca.pem"
staff_ca = "staff-ca.pem"
"""
PIN = "ab" * 32


def settings(tmp_path: Path, proxy: str) -> Settings:
    path = tmp_path / "casegate.toml"
    path.write_text(f"{CONFIG}\n{proxy}")
    return load_settings(path, {})


def unix(tmp_path: Path, more: str = "") -> Settings:
    return settings(tmp_path, f'[proxy]\nmode = "unix"\nsocket = "run/p.sock"\n{more}')


def test_by_default_nobody_may_forward(tmp_path: Path) -> None:
    default = settings(tmp_path, "")

    assert default.proxy.mode == "off"
    assert proxy_trust(default, SystemClock()) is None
    assert bind_proxy_socket(default) is None
    assert hop_authorities(default) is None


def test_the_socket_is_for_its_group_alone(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    chosen = unix(tmp_path, f'group = "{group}"')
    listening = bind_proxy_socket(chosen)
    assert listening is not None
    found = (tmp_path / "run" / "p.sock").stat()
    with listening:
        pass
    remove_proxy_socket(chosen)

    assert stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == os.getgid()
    assert not (tmp_path / "run" / "p.sock").exists()


def test_an_unknown_group_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no-such-group"):
        bind_proxy_socket(unix(tmp_path, 'group = "no-such-group"'))


def test_a_socket_left_over_is_replaced_and_one_in_use_or_a_file_is_not(tmp_path: Path) -> None:
    chosen = unix(tmp_path)
    path = tmp_path / "run" / "p.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    first = bind_proxy_socket(chosen)
    assert first is not None
    with first, pytest.raises(ConfigurationError, match="another service"):
        bind_proxy_socket(chosen)
    path.unlink()
    path.write_text("something else")
    with pytest.raises(ConfigurationError, match="in the way"):
        bind_proxy_socket(chosen)


@pytest.mark.parametrize(
    "proxy",
    [
        'mode = "pinned"',
        f'mode = "pinned"\nthumbprints = ["{PIN}"]',
        'mode = "pinned"\nhop_ca = "hop.pem"\nthumbprints = ["ABC"]',
        'mode = "on"',
        'header = "x-ssl-client-cert"',
    ],
)
def test_half_a_section_stops_the_start(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy"):
        settings(tmp_path, f"[proxy]\n{proxy}")


def test_without_the_vendors_authorities_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="vendor-ca"):
        proxy_trust(unix(tmp_path), SystemClock())
