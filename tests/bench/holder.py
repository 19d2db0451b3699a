"""A process that holds connections open, half of them asking, and tells when each was closed."""

import asyncio
import random
import sys
from typing import Any

import orjson
import uvloop

from tests.bench.client import Endpoint, Request, connect, read_requests

_PATIENCE_SECONDS = 10.0
_REFUSED = "HTTP/1.1 401 "


async def run(order: dict[str, Any]) -> dict[str, Any]:
    requests = read_requests(order)
    draw = random.Random(1)
    endpoint = Endpoint(**order["endpoint"])
    context = endpoint.context()

    def asking() -> Request:
        return draw.choice(requests)

    def asking_once() -> Request | None:
        return next(first, None)

    count = order["connections"]
    # Each idle connection has been used once: it is an authenticated keep-alive connection.
    first = iter([draw.choice(requests) for _ in range(count // 2)])
    connections = [
        await connect(endpoint, context, asking if number % 2 else asking_once)
        for number in range(count)
    ]
    for connection in connections:
        connection.send_next()
    answers = [asyncio.ensure_future(connection.answered.wait()) for connection in connections]
    _done, unanswered = await asyncio.wait(answers, timeout=_PATIENCE_SECONDS)
    if unanswered:
        return {"error": f"{len(unanswered)} first requests were never answered"}
    _say({"open": count})
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while any(connection.closed_at is None for connection in connections):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.02)
    # A request that meets the revocation before its connection is cut is refused: that is right.
    wrong = [c.wrong for c in connections if c.wrong and not c.wrong.startswith(_REFUSED)]
    if wrong:
        return {"error": f"{len(wrong)} wrong answers: {wrong[0]}"}
    return {
        "closed_at": [c.closed_at for c in connections if c.closed_at is not None],
        "answers": sum(len(connection.latencies) for connection in connections),
        "refused": sum(1 for connection in connections if connection.wrong),
    }


def _say(answer: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        _say(runner.run(run(orjson.loads(sys.stdin.buffer.readline()))))
