from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from typing_extensions import override

from gateway.client.configuration import ClientSettings
from gateway.client.connection import Connection
from gateway.client.errors import RefusedError, UnreachableError

SETTINGS = ClientSettings("localhost", 1, Path("ca"), Path("pem"), Path("key"), attempts=4)


@dataclass
class Reply:
    """What http.client gives, as far as it is used."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str]

    def getheaders(self) -> list[tuple[str, str]]:
        return list(self.headers.items())

    def read(self) -> bytes:
        return orjson.dumps(dict(self.document))


def problem(status: int, code: str, **headers: str) -> Reply:
    return Reply(status, {"code": code, "title": "No."}, headers)


class Scripted(Connection):
    """Answers from a list: a reply, or an error of the network."""

    def __init__(self, *replies: Reply | OSError) -> None:
        self.pauses: list[float] = []
        self.now = 0.0
        super().__init__(SETTINGS, pause=self.pauses.append, monotonic=lambda: self.now)
        self.replies = list(replies)
        self.sent: list[tuple[str, str, str | None]] = []
        self.tokens = 0

    @override
    def _send(  # type: ignore[override]
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        if path == "/oauth2/token":
            self.tokens += 1
            return Reply(200, {"access_token": f"t{self.tokens}", "expires_in": 600}, {})
        self.sent.append((method, path, headers.get("Authorization")))
        reply = self.replies.pop(0)
        if isinstance(reply, OSError):
            raise reply
        return reply


FINE = Reply(200, {"fine": True}, {"Casegate-Receipt": "7/ab"})


def test_a_token_is_fetched_once_and_again_before_its_end() -> None:
    connection = Scripted(FINE, FINE, FINE)

    assert connection.ask("GET", "/v1/cases").receipt == "7/ab"
    connection.now = 570
    connection.ask("GET", "/v1/cases")
    connection.now = 581
    connection.ask("GET", "/v1/cases")

    assert [bearer for _method, _path, bearer in connection.sent] == [
        "Bearer t1",
        "Bearer t1",
        "Bearer t2",
    ]


def test_a_refused_token_is_replaced_once_and_a_refused_certificate_is_not_argued_with() -> None:
    connection = Scripted(problem(401, "TOKEN_EXPIRED"), FINE)
    assert connection.ask("GET", "/v1/cases").status == 200
    assert (connection.tokens, connection.pauses) == (2, [])

    revoked = Scripted(problem(401, "CRED_REVOKED"))
    with pytest.raises(RefusedError, match="CRED_REVOKED"):
        revoked.ask("GET", "/v1/cases")
    twice = Scripted(problem(401, "TOKEN_INVALID"), problem(401, "TOKEN_INVALID"))
    with pytest.raises(RefusedError, match="TOKEN_INVALID"):
        twice.ask("GET", "/v1/cases")


def test_what_comes_later_is_waited_for_as_long_as_the_gateway_says() -> None:
    connection = Scripted(
        problem(503, "AUDIT_UNAVAILABLE", **{"Retry-After": "3"}), ConnectionResetError(), FINE
    )

    assert connection.ask("GET", "/v1/cases").status == 200
    assert connection.pauses == [3.0, 1.0]


def test_it_gives_up_after_its_attempts() -> None:
    connection = Scripted(*[ConnectionRefusedError() for _ in range(4)])

    with pytest.raises(UnreachableError, match="ConnectionRefusedError"):
        connection.ask("GET", "/v1/cases")
    assert connection.pauses == [0.5, 1.0, 2.0]


def test_what_may_do_harm_twice_is_asked_once() -> None:
    for reply in (problem(503, "DATABASE_UNAVAILABLE"), ConnectionResetError()):
        connection = Scripted(reply)
        with pytest.raises((RefusedError, UnreachableError)):
            connection.ask("PATCH", "/v1/recordings/1", is_repeatable=False)
        assert len(connection.sent) == 1


def test_a_refusal_is_not_asked_again() -> None:
    connection = Scripted(problem(422, "SCHEMA_INVALID"))

    with pytest.raises(RefusedError) as caught:
        connection.ask("POST", "/v1/permits", body=b"{}")
    assert (caught.value.status, caught.value.code) == (422, "SCHEMA_INVALID")
    assert connection.pauses == []
