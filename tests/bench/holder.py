"""A process that holds connections, half of them mid-answer, and tells when each was closed."""

import asyncio
import contextlib
import random
import sys
from typing import Any

import orjson
import uvloop

from tests.bench.client import Connection, Endpoint, Request, connect, read_requests
from tests.bench.streams import SlowReader, open_stream, tick

_PATIENCE_SECONDS = 30.0
_REFUSED = "HTTP/1.1 401 "


async def run(order: dict[str, Any]) -> dict[str, Any]:
    idle: list[Connection] = []
    streams: list[SlowReader] = []
    for given in order["endpoints"]:
        endpoint = Endpoint(**given)
        idle += await _open_idle(endpoint, read_requests(order), order["idle"])
        streams += await _open_streams(endpoint, order)
    reading = asyncio.create_task(tick(streams))
    opened: list[Connection | SlowReader] = [*idle, *streams]
    answers = [asyncio.ensure_future(each.answered.wait()) for each in opened]
    _done, unanswered = await asyncio.wait(answers, timeout=_PATIENCE_SECONDS)
    if unanswered:
        return {"error": f"{len(unanswered)} first requests were never answered"}
    _say({"open": len(opened)})
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while any(each.closed_at is None for each in opened):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.02)
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    # A request that meets the revocation before its connection is cut is refused: that is right.
    told = [*(each.wrong for each in idle), *(each.refusal for each in streams)]
    wrong = [each for each in told if each and not each.startswith(_REFUSED)]
    if wrong:
        return {"error": f"{len(wrong)} wrong answers: {wrong[0]}"}
    return {
        "idle_closed_at": [each.closed_at for each in idle if each.closed_at is not None],
        "stream_closed_at": [each.closed_at for each in streams if each.closed_at is not None],
        "stream_bytes": sum(each.bytes_received for each in streams),
    }


async def _open_idle(endpoint: Endpoint, requests: list[Request], count: int) -> list[Connection]:
    """Keep-alive connections that have been used once."""
    draw = random.Random(1)
    context = endpoint.context()
    first = iter([draw.choice(requests) for _ in range(count)])
    opened = [await connect(endpoint, context, lambda: next(first, None)) for _ in range(count)]
    for connection in opened:
        connection.send_next()
    return opened


async def _open_streams(endpoint: Endpoint, order: dict[str, Any]) -> list[SlowReader]:
    context = endpoint.context()
    (page,) = read_requests({**order, "requests": [order["page"]]})
    return [await open_stream(endpoint, context, page.wire) for _ in range(order["streams"])]


def _say(answer: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        _say(runner.run(run(orjson.loads(sys.stdin.buffer.readline()))))
