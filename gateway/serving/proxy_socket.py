"""The UNIX socket that a proxy may come by: made by the supervisor, which serves nobody itself."""

import os
import shutil
import socket
from pathlib import Path
from stat import S_ISSOCK

from gateway.errors import ConfigurationError
from gateway.settings import Settings

BACKLOG = 1024
_SOCKET_MODE = 0o660


def bind_proxy_socket(settings: Settings) -> socket.socket | None:
    """The UNIX socket for the proxy, listening; None when there is to be none.

    Raises:
        ConfigurationError: something else is in its place, or the group is unknown.
    """
    proxy = settings.proxy
    if proxy.mode != "unix":
        return None
    path = settings.resolve(proxy.socket)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody else can open it in the moment before group and mode are set.
    umask = os.umask(0o777)
    try:
        listening.bind(str(path))
        if proxy.group is not None:
            shutil.chown(path, group=proxy.group)
        path.chmod(_SOCKET_MODE)
        listening.listen(BACKLOG)
    except (OSError, LookupError) as error:
        listening.close()
        raise ConfigurationError(
            f"the proxy's socket {path} cannot be made for group {proxy.group or '(own)'};"
            " see [proxy] in casegate.toml"
        ) from error
    finally:
        os.umask(umask)
    return listening


def remove_proxy_socket(settings: Settings) -> None:
    """Takes the socket's name away, so that a proxy sees at once that nobody is there."""
    if settings.proxy.mode == "unix":
        settings.resolve(settings.proxy.socket).unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """A socket that nobody listens on is left over from a service that was killed."""
    if not path.exists():
        return
    if not S_ISSOCK(path.stat().st_mode):
        raise ConfigurationError(f"{path} is in the way of the proxy's socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise ConfigurationError(f"another service listens on the proxy's socket {path}")
