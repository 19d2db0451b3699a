"""An analyser in a process of its own: a note may hang or kill that process, and nothing else.

The process has the models and the text of one note at a time; it has neither the database nor a
key. Frames of JSON go over a pair of sockets: a note with its case's values there, what was found
back.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from time import monotonic
from typing import Any

import orjson

from gateway.analysis.errors import NoteFailedError, NoteFatalError
from gateway.analysis.frames import receive, send
from gateway.errors import ConfigurationError
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redaction
from gateway.redaction.spans import EntityType, Source, Span

NOTE_SECONDS = 60.0
"""A thousand times what a long note takes; a host that is that busy is tried once more."""
_START_SECONDS = 180.0
_END_SECONDS = 5.0
TIMED_OUT = "timed_out"
DIED = "analyser_died"
_NAMES = 60
# What an interpreter needs to start; keys that settings name by `env:` are not among it.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "HOME", "TMPDIR")


def reading_command(models: str) -> list[str]:
    """The command of the product's own analyser; `models` as in redaction.tier.NameModels."""
    return [sys.executable, "-m", "gateway.analysis.reading", models]


class IsolatedAnalyser:
    """Gives notes to a child process, and ends it when one takes longer than `seconds`.

    The next note gets a new process. Not safe between threads: one note at a time.
    """

    def __init__(self, command: Sequence[str], *, seconds: float = NOTE_SECONDS) -> None:
        """Takes the command without its last two arguments, the socket and the seconds."""
        self._command = list(command)
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Starts the process and waits until its models are loaded, which takes seconds.

        Raises:
            ConfigurationError: a model is missing, or the process does not start.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            os.set_inheritable(theirs.fileno(), True)  # noqa: FBT003  # as the module has it
            self._process = subprocess.Popen(  # noqa: S603
                [*self._command, str(theirs.fileno()), str(self._seconds)],
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        try:
            ready = self._receive(monotonic() + _START_SECONDS)
        except NoteFatalError as error:
            raise ConfigurationError("the analyser of notes does not start") from error
        if "error" in ready:
            self.close()
            raise ConfigurationError(str(ready["error"]))

    def redact(self, text: str, known: KnownValues | None = None) -> Redaction:
        """What the analyser makes of a note.

        Raises:
            NoteFailedError: it raised an error, of which only the type's name comes over.
            NoteFatalError: it took too long, or its process ended; the process is no more.
            ConfigurationError: no process can be started.
        """
        if self._socket is None:
            self.start()
        assert self._socket is not None
        until = monotonic() + self._seconds
        try:
            self._socket.settimeout(self._seconds)
            send(self._socket, orjson.dumps({"text": text, "known": known}))
        except OSError as error:
            raise self._ended(error) from error
        answer = self._receive(until)
        if "error" in answer:
            raise NoteFailedError(_as_reason(answer["error"]))
        spans = tuple(
            Span(start, end, EntityType(kind), score, Source(source))
            for start, end, kind, score, source in answer["spans"]
        )
        return Redaction(answer["text"], spans, withheld=answer["withheld"])

    def close(self) -> None:
        """Ends the process; it hears that the socket is closed, or is killed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _receive(self, until: float) -> dict[str, Any]:
        assert self._socket is not None
        try:
            frame = receive(self._socket, until)
        except OSError as error:
            raise self._ended(error) from error
        if frame is None:
            raise self._ended(None)
        answer: dict[str, Any] = orjson.loads(frame)
        return answer

    def _ended(self, error: OSError | None) -> NoteFatalError:
        """Kills what is left of the process, and says why."""
        reason = TIMED_OUT if isinstance(error, TimeoutError) else DIED
        if self._process is not None:
            self._process.kill()
        self.close()
        return NoteFatalError(reason)


def _as_reason(name: object) -> str:
    """The name of an error's type, which the queue keeps; nothing else gets there."""
    text = str(name)[:_NAMES]
    return text if text.isascii() and text.isidentifier() else "unknown_error"
