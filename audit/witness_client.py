"""The log's side of C2SP tlog-witness: asks one witness to cosign a checkpoint."""

import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureVerifier
from audit.errors import NoteError, WitnessRefusedError, WitnessUnavailableError
from audit.note import SignedNote
from audit.witness.protocol import SIZE, AddCheckpoint

_MAX_ANSWER_BYTES = 65_536
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")
_OK = 200
_CONFLICT = 409
_INCONSISTENT = 422

Prove = Callable[[int], Sequence[bytes]]


class WitnessClient:
    """One witness by its submission prefix and its key. Opens a connection for each call."""

    def __init__(
        self, url: str, verifier: CosignatureVerifier, *, timeout_seconds: float = 5.0
    ) -> None:
        """Join the witness's address and key.

        Args:
            url: submission prefix, http or https, without `/add-checkpoint`.
            verifier: the witness's key, got by another way than from it.
            timeout_seconds: the longest that one exchange may take in all.

        Raises:
            WitnessUnavailableError: the URL is not of that shape.
        """
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError as error:
            raise WitnessUnavailableError("the URL of the witness cannot be read") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WitnessUnavailableError("the URL of the witness is not http or https")
        self._host = parts.hostname
        self._is_tls = parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/')}/add-checkpoint"
        self._verifier = verifier
        self._timeout = timeout_seconds

    def cosign(self, note: str, *, old_size: int, prove: Prove) -> str:
        """The checkpoint's note with the witness's cosignature added.

        A witness at another size says so, and is asked once more with a proof from there.

        Args:
            note: the checkpoint, signed by the log.
            old_size: where the witness is thought to be; 0 when not known.
            prove: makes the consistency proof from a size up to the checkpoint's.

        Raises:
            WitnessRefusedError: the witness cosigned a log that this one does not extend.
                Stop publishing, and call a person.
            WitnessUnavailableError: no usable answer; try again with the next checkpoint.
            NoteError: the note is not a checkpoint.
        """
        size = Checkpoint.from_body(SignedNote.from_text(note).body).size
        status, kind, answer = self._ask(AddCheckpoint(old_size, tuple(prove(old_size)), note))
        if status == _CONFLICT:
            old_size = _witness_size(kind, answer)
            if old_size > size:
                raise WitnessRefusedError(
                    f"the witness has cosigned {old_size} entries, the log has {size}"
                )
            request = AddCheckpoint(old_size, tuple(prove(old_size)), note)
            status, _, answer = self._ask(request)
        if status == _INCONSISTENT:
            raise WitnessRefusedError("the witness has cosigned another log than this one")
        if status != _OK:
            raise WitnessUnavailableError(f"the witness answered with status {status}")
        return self._join(note, answer)

    def _join(self, note: str, answer: str) -> str:
        """The note with those lines of an answer that are true cosignatures of the witness."""
        signed = SignedNote.from_text(note)
        try:
            answered = SignedNote.from_text(f"{signed.body}\n{answer}")
            answered.verify([self._verifier])
        except NoteError as error:
            raise WitnessUnavailableError("the answer is not the witness's cosignature") from error
        own = (self._verifier.name, self._verifier.key_id)
        lines = [line for line in answered.signatures if (line.name, line.key_id) == own]
        return SignedNote(signed.body, (*signed.signatures, *lines)).to_text()

    def _ask(self, request: AddCheckpoint) -> tuple[int, str, str]:
        kind = HTTPSConnection if self._is_tls else HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout)
        deadline: threading.Timer | None = None
        try:
            connection.connect()
            # A socket's timeout is for each read: who sends a byte at a time would never meet it.
            deadline = threading.Timer(self._timeout, _hang_up, (connection.sock,))
            deadline.daemon = True
            deadline.start()
            connection.request("POST", self._path, request.to_body())
            response = connection.getresponse()
            data = response.read(_MAX_ANSWER_BYTES)
            return response.status, response.getheader("Content-Type", ""), data.decode()
        except (OSError, HTTPException, UnicodeDecodeError) as error:
            raise WitnessUnavailableError("the witness did not answer") from error
        finally:
            if deadline is not None:
                deadline.cancel()
            connection.close()


def _witness_size(kind: str, answer: str) -> int:
    match = _SIZE.fullmatch(answer)
    if kind != SIZE or match is None:
        raise WitnessUnavailableError("the witness did not say at which size it is")
    return int(match[1])


def _hang_up(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
