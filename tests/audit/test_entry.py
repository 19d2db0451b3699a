import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from audit import encoding
from audit.encoding import canonical
from audit.entry import EventType, encode_entry
from audit.errors import EntryError, EntryTooLargeError

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_987, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Opaque:
    value: int


def test_an_entry_is_one_json_object_with_sorted_keys_and_no_spaces() -> None:
    entry = encode_entry(
        EventType.ACCESS_RELEASE, time=NOON, vendor="云服催收", rows=3, fields=["a", "b"]
    )

    assert entry.decode() == (
        '{"fields":["a","b"],"rows":3,"time":"2026-03-01T12:00:00.123Z",'
        '"type":"access.release","v":1,"vendor":"云服催收"}'
    )


def test_the_time_is_written_in_utc() -> None:
    shanghai = NOON.astimezone(timezone(timedelta(hours=8)))

    assert encode_entry(EventType.LOG_STARTED, time=shanghai) == encode_entry(
        EventType.LOG_STARTED, time=NOON
    )


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(EntryError):
        encode_entry(EventType.LOG_STARTED, time=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("name", ["v", "type"])
def test_an_event_cannot_overwrite_the_logs_own_fields(name: str) -> None:
    with pytest.raises(EntryError):
        encode_entry(EventType.LOG_STARTED, time=NOON, **{name: "forged"})


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        [1.5],
        {"deep": [{"er": 0.1}]},
        2**53,
        NOON,
        b"bytes",
        Opaque(1),
        OrderedDict(a=1),
        {1: "key"},
        "\ud800",
        {"set"},
    ],
)
def test_a_value_without_one_exact_spelling_is_refused(value: Any) -> None:
    with pytest.raises(EntryError):
        encode_entry(EventType.LOG_STARTED, time=NOON, field=value)


def test_every_exact_kind_of_value_is_accepted() -> None:
    entry = encode_entry(
        EventType.LOG_STARTED, time=NOON, a=None, b=True, c=-(2**53) + 1, d=("x", {"y": [False]})
    )

    assert b'"a":null,"b":true,"c":-9007199254740991,"d":["x",{"y":[false]}]' in entry


def test_the_longest_entry_is_accepted_and_one_byte_more_is_refused() -> None:
    empty = len(encode_entry(EventType.LOG_STARTED, time=NOON, pad=""))
    room = 65_535 - empty

    assert len(encode_entry(EventType.LOG_STARTED, time=NOON, pad="x" * room)) == 65_535
    with pytest.raises(EntryTooLargeError):
        encode_entry(EventType.LOG_STARTED, time=NOON, pad="x" * (room + 1))


def test_event_types_are_noun_and_verb() -> None:
    for event in EventType:
        assert re.fullmatch(r"[a-z]+\.[a-z]+", event.value) is not None
        assert event.name == event.value.replace(".", "_").upper()


def test_canonical_bytes_do_not_depend_on_the_order_of_keys() -> None:
    assert canonical({"b": 1, "a": {"d": 1, "c": 2}}) == canonical({"a": {"c": 2, "d": 1}, "b": 1})


def test_every_event_type_is_in_the_readme() -> None:
    readme = (Path(encoding.__file__).parent / "README.md").read_text(encoding="utf-8")

    assert [event.value for event in EventType if f"`{event.value}`" not in readme] == []
