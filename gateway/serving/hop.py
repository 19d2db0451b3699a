"""The way in from a proxy: whom its headers are believed, and the UNIX socket it may come by."""

import asyncio
import os
import shutil
import socket
from functools import partial
from pathlib import Path
from stat import S_ISSOCK

import uvicorn

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.http.forwarded import ForwardedCertificates, HopHeader
from gateway.http.protocol import ProxyTrust, gateway_protocol
from gateway.identity.chain import ClientChain
from gateway.identity.connections import ConnectionRegistry
from gateway.settings import Settings
from keys.errors import CertificateError
from keys.issuing_key import load_certificates

_BACKLOG = 1024
_SOCKET_MODE = 0o660


def proxy_trust(settings: Settings, clock: Clock) -> ProxyTrust | None:
    """Who may forward certificates to the vendor listener; None when nobody may.

    Raises:
        ConfigurationError: the authorities of the vendors cannot be read.
    """
    proxy = settings.proxy
    if proxy.mode == "off":
        return None
    try:
        bundle = load_certificates(settings.resolve(settings.tls.vendor_ca))
    except CertificateError as error:
        raise ConfigurationError(str(error)) from error
    chain = ClientChain(bundle, max_issuers=proxy.max_chain + 1)
    reader = ForwardedCertificates(
        HopHeader(proxy.header), chain, clock, max_chain=proxy.max_chain
    )
    if proxy.mode == "unix":
        return ProxyTrust(reader, is_socket=True)
    return ProxyTrust(reader, frozenset(bytes.fromhex(pin) for pin in proxy.thumbprints))


def hop_authorities(settings: Settings) -> Path | None:
    """Whose certificates the vendor listener's TLS takes beside the vendors': the proxy's own."""
    proxy = settings.proxy
    if proxy.mode != "pinned" or proxy.hop_ca is None:
        return None
    return settings.resolve(proxy.hop_ca)


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
        listening.listen(_BACKLOG)
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


async def accept_from_proxy(
    server: uvicorn.Server,
    listening: socket.socket,
    registry: ConnectionRegistry,
    trust: ProxyTrust,
) -> None:
    """Serves the proxy's socket too, with the application and the limits of `server`."""
    protocol = gateway_protocol(registry, proxy=trust)
    make = partial(
        protocol,
        config=server.config,
        server_state=server.server_state,
        app_state=server.lifespan.state,
    )
    loop = asyncio.get_running_loop()
    accepting = await loop.create_unix_server(make, sock=listening, backlog=_BACKLOG)
    server.servers.append(accepting)


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
