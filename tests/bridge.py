"""A reference bridge: what a telephone platform does with a dial token, as a client."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.installation import Installation


@dataclass(frozen=True)
class Call:
    """A call that the bridge has set up; only the bridge knows the number."""

    permit_id: str
    number: str
    caller_number: str


class DialRefusedError(Exception):
    """The gateway gives no number for the token; `code` says why."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass
class Bridge:
    """Takes tokens from agents' systems and connects them; keeps what it has called."""

    client: httpx.Client
    calls: list[Call] = field(default_factory=list)

    def connect(self, dial_token: str) -> Call:
        """Asks for the number and calls it.

        Raises:
            DialRefusedError: the token was used, its permit has ended, or it is none.
        """
        answer = self.client.post("/v1/dial", json={"dial_token": dial_token})
        content = answer.json()
        if answer.status_code != 200:
            raise DialRefusedError(answer.status_code, content["code"])
        call = Call(content["permit_id"], content["number"], content["caller_number"])
        self.calls.append(call)
        return call


@contextmanager
def bridge_of(installation: Installation) -> Iterator[Bridge]:
    """The bridge of an installation, with its own certificate."""
    with installation.staff("bridge") as client:
        yield Bridge(client)
