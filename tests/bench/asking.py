"""A load process of several vendors: each asks for its own in turn, never twice the same."""

import asyncio
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

import orjson
import uvloop

from tests.bench.client import Connection, Endpoint, Request, connect
from tests.bench.harness import percentile


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """`groups` of endpoint, headers, path, marker and bodies; 201 is the only right answer."""
    end = 0.0
    connections: list[Connection] = []
    asked = [0] * len(order["groups"])

    def following(number: int, requests: list[Request]) -> Callable[[], Request | None]:
        def take() -> Request | None:
            if monotonic() >= end or asked[number] == len(requests):
                return None
            asked[number] += 1
            return requests[asked[number] - 1]

        return take

    for number, group in enumerate(order["groups"]):
        endpoint = Endpoint(**group["endpoint"])
        context, take = endpoint.context(), following(number, _requests(group))
        connections += [
            await connect(endpoint, context, take) for _ in range(order["connections"])
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
    latencies = sorted(latency for each in connections for latency in each.latencies)
    if wrong or not latencies:
        return {"error": f"{len(wrong)} wrong answers: {wrong[:1]}"}
    if any(
        count == len(group["bodies"]) for count, group in zip(asked, order["groups"], strict=True)
    ):
        return {"error": "a vendor has asked for everything before the time was over"}
    return {
        "answers": len(latencies),
        "asked": asked,
        "seconds": elapsed,
        "p50_ms": percentile(latencies, 0.5) * 1e3,
        "p99_ms": percentile(latencies, 0.99) * 1e3,
    }


def _requests(group: dict[str, Any]) -> list[Request]:
    lines = {**group["headers"], "host": "localhost", "content-type": "application/json"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    first = f"POST {group['path']} HTTP/1.1\r\n{head}content-length:"
    return [
        Request(
            f"{first} {len(body)}\r\n\r\n{body}".encode(),
            group["marker"].encode(),
            1,
            b"HTTP/1.1 201 ",
        )
        for body in group["bodies"]
    ]


def main() -> None:
    order = orjson.loads(sys.stdin.buffer.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(order))
    sys.stdout.buffer.write(orjson.dumps(result) + b"\n")


if __name__ == "__main__":
    main()
