"""The process that reads notes: `python -m gateway.analysis.reading MODELS SOCKET SECONDS`."""

import signal
import socket
import sys
from collections.abc import Callable

import orjson

from gateway.analysis.frames import receive, send
from gateway.errors import ConfigurationError
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redactor

# Whoever waits ends this process sooner. This is for a note that hangs when nobody waits any more.
_LEFT_ALONE = 3


def serve(build: Callable[[], Redactor], over: socket.socket, seconds: float) -> None:
    """Answers notes until the other side closes; the first frame says that all is loaded.

    No handler is set for the alarm, so that it ends the process even inside a model's own code.
    """
    try:
        engine = build()
    except ConfigurationError as error:
        send(over, orjson.dumps({"error": str(error)}))
        return
    send(over, orjson.dumps({}))
    while (frame := receive(over)) is not None:
        signal.setitimer(signal.ITIMER_REAL, _LEFT_ALONE * seconds)
        answer = _answer(engine, frame)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(over, answer)


def _answer(engine: Redactor, frame: bytes) -> bytes:
    note = orjson.loads(frame)
    values = note["known"]
    known = None if values is None else KnownValues(**{k: tuple(v) for k, v in values.items()})
    try:
        redaction = engine.redact(note["text"], known)
    # A message may quote the note; the type's name is all that the queue keeps.
    except Exception as error:  # noqa: BLE001
        return orjson.dumps({"error": type(error).__name__})
    return orjson.dumps(
        {
            "text": redaction.text,
            "spans": [[*span] for span in redaction.spans],
            "withheld": redaction.withheld,
        }
    )


def main() -> None:
    """Serves the socket that it was started with."""
    models, number, seconds = sys.argv[1:]
    # A terminal's Ctrl-C is for whoever started this; it closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(number)) as over:
        serve(lambda: _build(models), over, float(seconds))


def _build(models: str) -> Redactor:
    # Presidio and the models: a second, for this process alone.
    from gateway.redaction.engine import build_engine  # noqa: PLC0415
    from gateway.redaction.tier import NameModels  # noqa: PLC0415

    return build_engine(models=NameModels(models))


if __name__ == "__main__":
    main()
