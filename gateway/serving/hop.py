"""The way in from a proxy: whom its headers are believed, and what comes by its own socket."""

import asyncio
import socket
from functools import partial
from pathlib import Path

import uvicorn

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.http.forwarded import ForwardedCertificates, HopHeader
from gateway.http.protocol import ProxyTrust, gateway_protocol
from gateway.identity.chain import ClientChain
from gateway.identity.connections import ConnectionRegistry
from gateway.serving.proxy_socket import BACKLOG
from gateway.settings import Settings
from keys.errors import CertificateError
from keys.issuing_key import load_certificates


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
    accepting = await loop.create_unix_server(make, sock=listening, backlog=BACKLOG)
    server.servers.append(accepting)
