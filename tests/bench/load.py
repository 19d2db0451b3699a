"""A load process: connections in closed loops for some seconds; one order, one result."""

import asyncio
import random
import sys
from time import monotonic
from typing import Any

import orjson
import uvloop

from tests.bench.client import Connection, Endpoint, Request, connect, read_requests
from tests.bench.harness import percentile


async def run(order: dict[str, Any]) -> dict[str, Any]:
    requests = read_requests(order)
    draw = random.Random(order["seed"])
    endpoint = Endpoint(**order["endpoint"])
    context = endpoint.context()
    end = 0.0

    def following() -> Request | None:
        return draw.choice(requests) if monotonic() < end else None

    connections: list[Connection] = [
        await connect(endpoint, context, following) for _ in range(order["connections"])
    ]
    begin = monotonic()
    end = begin + order["seconds"]
    for connection in connections:
        connection.send_next()
    await asyncio.gather(*(connection.ended.wait() for connection in connections))
    elapsed = monotonic() - begin
    for connection in connections:
        connection.close()
    wrong = [connection.wrong for connection in connections if connection.wrong is not None]
    lost = sum(1 for c in connections if c.closed_at is not None and c.closed_at < end)
    latencies = sorted(latency for c in connections for latency in c.latencies)
    if wrong or lost or not latencies:
        return {"error": f"{len(wrong)} wrong answers, {lost} lost connections: {wrong[:1]}"}
    return {
        "answers": len(latencies),
        "seconds": elapsed,
        "bytes": sum(connection.bytes_received for connection in connections),
        "p50_ms": percentile(latencies, 0.5) * 1e3,
        "p99_ms": percentile(latencies, 0.99) * 1e3,
    }


def main() -> None:
    order = orjson.loads(sys.stdin.buffer.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(order))
    sys.stdout.buffer.write(orjson.dumps(result) + b"\n")


if __name__ == "__main__":
    main()
