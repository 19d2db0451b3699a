"""A load process: new TLS connections one after the other, each with one small request."""

import asyncio
import sys
from time import monotonic
from typing import Any

import orjson
import uvloop

from tests.bench.client import Endpoint
from tests.bench.harness import percentile

_ASK = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


async def run(order: dict[str, Any]) -> dict[str, Any]:
    endpoint = Endpoint(**order["endpoint"])
    context = endpoint.context()
    took: list[float] = []
    wrong: list[str] = []
    begin = monotonic()
    end = begin + order["seconds"]

    async def loop() -> None:
        while monotonic() < end and not wrong:
            began = monotonic()
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", endpoint.port, ssl=context, server_hostname="localhost"
            )
            writer.write(_ASK)
            line = await reader.readline()
            took.append(monotonic() - began)
            if not line.startswith(b"HTTP/1.1 200 "):
                wrong.append(line.decode("latin-1"))
            writer.transport.abort()

    await asyncio.gather(*(loop() for _ in range(order["loops"])))
    if wrong:
        return {"error": wrong[0]}
    return {
        "handshakes": len(took),
        "seconds": monotonic() - begin,
        "p50_ms": percentile(sorted(took), 0.5) * 1e3,
    }


def main() -> None:
    order = orjson.loads(sys.stdin.buffer.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(order))
    sys.stdout.buffer.write(orjson.dumps(result) + b"\n")


if __name__ == "__main__":
    main()
