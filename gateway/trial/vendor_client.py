"""A vendor's client as small as it can be, for the demo: standard library, mTLS, keep-alive."""

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower-case names) and parsed body of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as a JSON object."""
        document: dict[str, Any] = orjson.loads(self.body)
        return document


class VendorClient:
    """One keep-alive connection with a client certificate."""

    def __init__(self, folder: Path, port: int) -> None:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "client.pem", folder / "client.key")
        self._connection = http.client.HTTPSConnection(
            "localhost", port, context=context, timeout=_SECONDS
        )
        self._token: str | None = None

    def authorize(self) -> int:
        """Gets a token bound to the certificate; returns its lifetime in seconds."""
        form = urlencode({"grant_type": "client_credentials"})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", "/oauth2/token", form, headers).document()
        self._token = str(answer["access_token"])
        return int(answer["expires_in"])

    def get(self, path: str) -> Answer:
        """A request with the token.

        Raises:
            OSError, http.client.HTTPException: the connection was cut.
        """
        return self._ask("GET", path, None, {"Authorization": f"Bearer {self._token}"})

    def post(self, path: str, document: dict[str, Any]) -> Answer:
        """A request with the token and a JSON body; raises like get."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return self._ask("POST", path, orjson.dumps(document).decode(), headers)

    def wait_for_cut(self) -> bool:
        """Blocks until the gateway closes the idle connection; False after ten seconds."""
        sock = self._connection.sock
        assert sock is not None
        try:
            return not sock.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
