"""One line of NDJSON in, one out: what `casegate redact` does with each."""

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import orjson

from gateway.redaction.errors import LineError
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redactor
from gateway.redaction.spans import EntityType

LONGEST_TEXT = 100_000
# A text of that length with every character escaped, and as much again for what is known.
_LONGEST_LINE = 4_000_000
_MOST_KNOWN = 200
_LONGEST_KNOWN = 500
_KNOWN = frozenset(KnownValues.__dataclass_fields__)


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as they come; of one that is too long only the beginning, which is refused."""
    while line := stream.readline(_LONGEST_LINE):
        yield line
        while len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            line = stream.readline(_LONGEST_LINE)


def redact_line(
    engine: Redactor, line: bytes, number: int, types: Collection[EntityType]
) -> tuple[bytes, bool]:
    """The answer to one line, and whether it is a redaction.

    It holds `text`, `spans` (`start`, `end` in code points of the input, `type`), and
    `"withheld": true` with an empty text if something was still found in the result; or `error`
    with a `code` and the `line` number, and nothing of the line.
    """
    try:
        text, known = _parse(line)
    except LineError as error:
        return orjson.dumps({"error": {"code": error.code, "line": number}}) + b"\n", False
    found = engine.redact(text, known, types=types)
    answer: dict[str, Any] = {
        "text": found.text,
        "spans": [
            {"start": span.start, "end": span.end, "type": span.type.value} for span in found.spans
        ],
    }
    if found.withheld:
        answer["withheld"] = True
    return orjson.dumps(answer) + b"\n", True


def _parse(line: bytes) -> tuple[str, KnownValues]:
    if len(line) >= _LONGEST_LINE:
        raise LineError("LINE_TOO_LONG")
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise LineError("NOT_JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("text"), str):
        raise LineError("NO_TEXT")
    text: str = content["text"]
    if len(text) > LONGEST_TEXT:
        raise LineError("TEXT_TOO_LONG")
    return text, _parse_known(content.get("known"))


def _parse_known(known: object) -> KnownValues:
    if known is None:
        return KnownValues()
    if not isinstance(known, dict) or not known.keys() <= _KNOWN:
        raise LineError("KNOWN_INVALID")
    for values in known.values():
        if (
            not isinstance(values, list)
            or len(values) > _MOST_KNOWN
            or not all(isinstance(one, str) and len(one) <= _LONGEST_KNOWN for one in values)
        ):
            raise LineError("KNOWN_INVALID")
    return KnownValues(**{name: tuple(values) for name, values in known.items()})
