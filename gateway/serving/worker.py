"""One worker process: an application behind uvicorn, on a socket that the supervisor made."""

import asyncio
import gc
import logging
import os
import socket
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from gateway.app import make_listener
from gateway.http.hop import STRANGERS_PER_MINUTE, HopGuard
from gateway.http.protocol import gateway_protocol
from gateway.logs import configure_logs, logger
from gateway.serving.hop import accept_from_proxy, hop_authorities, proxy_trust
from gateway.serving.readiness import READY
from gateway.serving.tls import server_context
from gateway.settings import load_settings
from gateway.store.database import Database

_GRACEFUL_SECONDS = 5
_MAX_CONNECTIONS = 2000
_KEEP_ALIVE_SECONDS = 75


def run_worker(
    kind: str, config: Path, owner_url: str, socket_fds: list[int], ready_fd: int
) -> None:
    """Serves until SIGTERM. Writes one byte to `ready_fd` once it accepts.

    The first socket is the listener's; a second is the proxy's way in.
    """
    configure_logs()
    # uvicorn logs exceptions with their tracebacks, whose frames hold requests: never here.
    for name in ("uvicorn.error", "uvicorn.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # noqa: TID251  # to silence it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(kind, config, owner_url, socket_fds, ready_fd))


async def _serve(
    kind: str, config: Path, owner_url: str, socket_fds: list[int], ready_fd: int
) -> None:
    settings = load_settings(config)
    database = Database(owner_url, settings)
    clock = settings.make_clock()
    listener = make_listener(kind, database, clock)
    is_vendor = kind == "vendor"
    proxy = proxy_trust(settings, clock) if is_vendor else None
    asyncio.get_running_loop().set_exception_handler(_report_loop_error)
    server = uvicorn.Server(
        uvicorn.Config(
            HopGuard(
                listener.application,
                listener=kind,
                evidence=listener.evidence,
                clock=clock,
                entries_per_minute=None if listener.client_authorities else STRANGERS_PER_MINUTE,
            ),
            http=gateway_protocol(
                listener.registry,
                asks_certificate=listener.client_authorities is not None,
                proxy=None if proxy is None or proxy.is_socket else proxy,
            ),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACEFUL_SECONDS,
            limit_concurrency=_MAX_CONNECTIONS,
            backlog=1024,
            ssl_context_factory=lambda _config, _default: server_context(
                settings,
                listener.client_authorities,
                hop_authorities(settings) if is_vendor else None,
            ),
        )
    )
    await listener.start()
    # What has been loaded lives as long as the worker: looking through it again for garbage
    # takes time from every page of cases.
    gc.collect()
    gc.freeze()
    serving = asyncio.create_task(server.serve(sockets=[socket.socket(fileno=socket_fds[0])]))
    while not server.started and not serving.done():
        await clock.sleep(0.01)
    if server.started:
        if proxy is not None and proxy.is_socket:
            listening = socket.socket(fileno=socket_fds[1])
            await accept_from_proxy(server, listening, listener.registry, proxy)
        os.write(ready_fd, READY)
        os.close(ready_fd)  # else the end of this process closes it, after it has said why
        logger().info("worker.ready", listener=kind, worker=str(os.getpid()))
    try:
        await serving
    finally:
        await listener.close()


def _report_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    logger().error("loop.error", error_type=type(error).__name__)
