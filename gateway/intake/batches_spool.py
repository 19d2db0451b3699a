"""Keeps a body in a file that nobody else can open until all of it has come and is what it should.

What is larger than a megabyte goes to a temporary file without a name, of mode 600; it is gone
when it is closed, whatever happens to the process.
"""

import base64
import binascii
import hashlib
import hmac
import re
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Self

from gateway.errors import ContentMismatchError, RequestInvalidError

MAX_BODY_BYTES = 128 * 1024 * 1024
_IN_MEMORY = 1 << 20
# RFC 9530, 2: a dictionary of byte sequences (RFC 8941, 3.2 and 3.3.5).
_MEMBER = re.compile(r"\s*([a-z0-9*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):\s*(?:,|$)")
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


class Spool:
    """One body as it comes in."""

    def __init__(self, content_digest: str | None = None) -> None:
        """Takes the value of Content-Digest.

        Raises:
            RequestInvalidError: it is malformed, or names neither sha-256 nor sha-512.
        """
        self._expected = {} if content_digest is None else digests_of(content_digest)
        self._hashes = {name: hashlib.new(_ALGORITHMS[name]) for name in self._expected}
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> bool:
        """Takes what has come; False when it is more than a body may be."""
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            return False
        self._sha256.update(chunk)
        for running in self._hashes.values():
            running.update(chunk)
        self._file.write(chunk)
        return True

    @property
    def sha256(self) -> bytes:
        """SHA-256 of what has come so far."""
        return self._sha256.digest()

    def whole(self) -> IO[bytes]:
        """The body from its beginning, when it is what its digest says.

        Raises:
            ContentMismatchError: it is not; nothing of it is processed.
        """
        for name, expected in self._expected.items():
            if not hmac.compare_digest(self._hashes[name].digest(), expected):
                raise ContentMismatchError("the body is not what Content-Digest says")
        self._file.seek(0)
        return self._file


def digests_of(header: str) -> dict[str, bytes]:
    """The digests of a Content-Digest header that are known here, by their algorithm.

    Raises:
        RequestInvalidError: it is malformed, or none is known.
    """
    found: dict[str, bytes] = {}
    at = 0
    while at < len(header):
        member = _MEMBER.match(header, at)
        if member is None:
            raise RequestInvalidError("Content-Digest is malformed")
        at = member.end()
        if member[1] in _ALGORITHMS:
            try:
                found[member[1]] = base64.b64decode(member[2], validate=True)
            except binascii.Error as error:
                raise RequestInvalidError("Content-Digest is malformed") from error
    if not found:
        raise RequestInvalidError("Content-Digest names sha-256 or sha-512")
    return found
