"""Reads one row as a call record, or says what is wrong with it without repeating any of it."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from gateway.intake.checks_personal import is_personal, is_personal_name
from gateway.intake.parsing_members import has_more_members
from gateway.intake.records import MAX_CALL_ID, CallRecord, Promise, RecordRefusedError

_OF_PROMISE = frozenset(Promise.model_fields)
_KNOWN = frozenset(CallRecord.model_fields) | _OF_PROMISE
_validated = CallRecord.__pydantic_validator__.validate_json
_written = CallRecord.__pydantic_serializer__.to_json


class Call(NamedTuple):
    """A record that was read; a tuple, as there are a hundred thousand in a batch.

    `spelled` is the record in one spelling, whatever order and form it came in, without what was
    not said; `sha256` (32 bytes) is the digest of that.
    """

    record: CallRecord
    spelled: Mapping[str, Any]
    sha256: bytes


def read_record(line: bytes) -> Call:
    """The record of a JSON object; nothing is guessed, nothing is mended.

    Raises:
        RecordRefusedError: SCHEMA_INVALID, or PII_IN_PAYLOAD when what does not fit looks like a
            person: a name, a number, or a field that is called like one.
    """
    try:
        record = _validated(line)
    except ValidationError as error:
        raise _refusal(error, line) from error
    members = len(record.model_fields_set) + (2 if record.promise is not None else 0)
    if has_more_members(line, members):
        _verify_told_once(line)
    spelled = _written(record, exclude_none=True)
    return Call(record, orjson.loads(spelled), hashlib.sha256(spelled).digest())


def _verify_told_once(line: bytes) -> None:
    """Refuses a row in which a field stands twice: which of the two was meant, nobody knows."""
    doubled: list[str] = []

    def count(members: list[tuple[str, Any]]) -> dict[str, Any]:
        told = Counter(name for name, _value in members)
        doubled.extend(name for name, times in told.items() if times > 1 and name in _KNOWN)
        return dict(members)

    try:
        json.loads(line, object_pairs_hook=count)
    except (ValueError, RecursionError):
        return  # the model says so
    if doubled:
        name = f"promise.{doubled[0]}" if doubled[0] in _OF_PROMISE else doubled[0]
        call_id = None if "call_id" in doubled else _call_id_of(line)
        raise RecordRefusedError("SCHEMA_INVALID", name, call_id)


def _refusal(error: ValidationError, line: bytes) -> RecordRefusedError:
    """The worst of what is wrong, without repeating any of it."""
    found = error.errors(include_url=False, include_context=False)
    call_id = _call_id_of(line)
    for one in found:
        name = str(one["loc"][-1]) if one["loc"] else ""
        if one["type"] == "extra_forbidden":
            if is_personal_name(name):
                return RecordRefusedError("PII_IN_PAYLOAD", "unknown_field", call_id)
        elif name != "summary" and isinstance(one["input"], str) and is_personal(one["input"]):
            return RecordRefusedError("PII_IN_PAYLOAD", _place(one["loc"]), call_id)
    first = found[0]
    if first["type"] == "extra_forbidden":
        return RecordRefusedError("SCHEMA_INVALID", "unknown_field", call_id)
    return RecordRefusedError("SCHEMA_INVALID", _place(first["loc"]), call_id)


def _place(location: tuple[int | str, ...]) -> str:
    """Where in the record, by names of ours; "record" when it is not an object at all."""
    own = [str(part) for part in location if isinstance(part, int) or part in _KNOWN]
    return ".".join(own) or "record"


def _call_id_of(line: bytes) -> str | None:
    """What the row calls itself, if that can be repeated in an answer."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    call_id = content.get("call_id") if isinstance(content, dict) else None
    if not isinstance(call_id, str) or not call_id.isascii() or is_personal(call_id):
        return None
    return call_id if len(call_id) <= MAX_CALL_ID and call_id.isprintable() else None
