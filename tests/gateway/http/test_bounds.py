import asyncio
from typing import Any

import orjson
import pytest
from fastapi import Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Message

from gateway.http import enrolment
from gateway.http.application import GatewayAPI
from gateway.http.bounds import MAX_BODY_BYTES, bounded, own_stream
from gateway.http.problems import problem_of

PIECE = b" " * (256 * 1024)


class Wish(BaseModel):
    word: str


def _answer(path: str, pieces: list[bytes]) -> tuple[int, int]:
    """The status (413 when it was stopped) and how many pieces were taken."""
    api = GatewayAPI(title="t", description="d")

    @api.post("/parsed")
    async def parsed(wish: Wish) -> str:
        return wish.word

    @api.post("/whole")
    async def whole(request: Request) -> int:
        return len(await request.body())

    @api.post("/own")
    async def own(request: Request) -> Response:
        sizes = [len(piece) async for piece in own_stream(request)]
        return Response(str(sum(sizes)))

    waiting, taken = list(pieces), 0
    statuses: list[int] = []

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def story() -> int:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "scheme": "https",
            "server": ("localhost", 1),
            "headers": [(b"content-type", b"application/json")],
            "state": {},
        }
        try:
            await api(scope, bounded(scope, receive), send)
        except HTTPException as error:
            return problem_of(error).status
        return statuses[0]

    return asyncio.run(story()), taken


@pytest.mark.parametrize("path", ["/parsed", "/whole"])
def test_a_body_that_is_too_large_is_stopped_before_the_rest_of_it_is_taken(path: str) -> None:
    status, taken = _answer(path, [PIECE] * 100)

    assert status == 413
    assert taken == MAX_BODY_BYTES // len(PIECE) + 1


def test_a_body_of_just_the_size_is_read() -> None:
    word = orjson.dumps({"word": "a" * (MAX_BODY_BYTES - 11)})
    assert len(word) == MAX_BODY_BYTES

    assert _answer("/parsed", [word[:1000], word[1000:]]) == (200, 2)
    assert _answer("/parsed", [word, b" "]) == (413, 2)


def test_a_route_that_bounds_its_body_itself_gets_all_of_it() -> None:
    assert _answer("/own", [PIECE] * 100) == (200, 100)


def test_what_is_refused_for_its_size_has_a_code_of_its_own() -> None:
    problem = problem_of(HTTPException(413))

    assert (problem.status, problem.code) == (413, "BODY_TOO_LARGE")


def test_a_strangers_body_that_does_not_come_is_waited_for_no_longer_than_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enrolment, "_BODY_SECONDS", 0.01)

    async def nothing_comes() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def story() -> None:
        async with asyncio.timeout(5):
            await enrolment._timed(nothing_comes)()

    with pytest.raises(HTTPException) as late:
        asyncio.run(story())

    assert late.value.status_code == 408
