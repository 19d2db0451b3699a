"""The analyser's process with a finder that does what a note tells it: `planted.py FD SECONDS`."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

from gateway.analysis.reading import serve
from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.redactor import Redactor
from gateway.redaction.spans import EntityType, Source, Span


class Planted:
    """Hangs, kills its process, raises, tells what the process can see, or finds one word."""

    def find(self, text: str) -> list[Span]:
        if "挂起" in text:
            threading.Event().wait()
        if "崩溃" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "出错" in text:
            raise ArithmeticError(text)
        if "环境" in text and any("SECRET" in name for name in os.environ):
            raise LookupError(text)
        place = text.find("秘密")
        found = IdentifierFinder().find(text)
        if place >= 0:
            found.insert(0, Span(place, place + 2, EntityType.PERSON, 1.0, Source.PATTERN))
        return found


def main() -> None:
    """Serves as the product's own process does."""
    number, seconds = sys.argv[1:]
    with socket.socket(fileno=int(number)) as over:
        serve(lambda: Redactor(Planted(), IdentifierFinder()), over, float(seconds))


COMMAND = [sys.executable, str(Path(__file__).resolve())]

if __name__ == "__main__":
    main()
