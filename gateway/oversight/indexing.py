"""Keeps the search index behind the log: derived, droppable, built from the bundles alone."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

import psycopg

from audit.bundle import LENGTH_BYTES, decode_bundle
from audit.store import read_batches
from gateway.oversight.derivation import Derivation

ENTRIES_A_ROUND = 20_000

_TABLES = "entry, subject, word, open_release, span, volume, used"
_COPY_ENTRIES = """
COPY oversight.entry (index, occurred, event, vendor, certificate, actor, code, place, length,
 request) FROM STDIN
"""
_COPY_SUBJECTS = "COPY oversight.subject (commitment, index) FROM STDIN (FORMAT binary)"
_COPY_OPEN = "COPY oversight.open_release (index) FROM STDIN"
_KNOWN_WORDS = "SELECT word, id FROM oversight.word WHERE word = ANY(%s)"
_NEW_WORDS = """
INSERT INTO oversight.word (id, word, is_event)
SELECT (SELECT coalesce(max(id), 0) FROM oversight.word) + n, word, is_event
  FROM unnest(%s::text[], %s::boolean[]) WITH ORDINALITY AS new(word, is_event, n)
RETURNING word, id
"""
_SPANS = """
INSERT INTO oversight.span AS known (block, earliest, latest)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
ON CONFLICT (block) DO UPDATE SET earliest = least(known.earliest, excluded.earliest),
  latest = greatest(known.latest, excluded.latest)
"""
_VOLUMES = """
INSERT INTO oversight.volume AS known (vendor, hour, event, code, entries, cases, bytes)
SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::int[], %s::int[], %s::bigint[],
  %s::bigint[], %s::bigint[])
ON CONFLICT (vendor, hour, event, code) DO UPDATE SET entries = known.entries + excluded.entries,
  cases = known.cases + excluded.cases, bytes = known.bytes + excluded.bytes
"""
_USED = """
INSERT INTO oversight.used AS known (vendor, kind, word, first_index, first_at, last_at, releases)
SELECT * FROM unnest(%s::int[], %s::text[], %s::int[], %s::bigint[], %s::timestamptz[],
  %s::timestamptz[], %s::bigint[])
ON CONFLICT (vendor, kind, word) DO UPDATE SET
  first_at = least(known.first_at, excluded.first_at),
  last_at = greatest(known.last_at, excluded.last_at),
  releases = known.releases + excluded.releases
"""


def catch_up(
    connection: psycopg.Connection,
    *,
    progress: Callable[[int], None] = lambda _index: None,
    rounds: int | None = None,
) -> int:
    """Indexes what the log has grown by, in transactions of bounded size; returns the next index.

    Two indexers at once take turns: the row of progress is locked.
    """
    done = 0
    while True:
        with connection.transaction():
            row = connection.execute(
                "SELECT next_index FROM oversight.indexed FOR UPDATE"
            ).fetchone()
            assert row is not None
            start = int(row[0])
            following, derived = _derive(connection, start)
            if following > start:
                _write(connection, derived)
                connection.execute("UPDATE oversight.indexed SET next_index = %s", (following,))
        progress(following)
        done += 1
        if following == start or (rounds is not None and done >= rounds):
            return following


def log_size(connection: psycopg.Connection) -> int:
    """How many entries the log has now."""
    row = connection.execute("SELECT size FROM audit.tail").fetchone()
    assert row is not None
    return int(row[0])


def drop_index(connection: psycopg.Connection) -> None:
    """Empties the index; the next catch_up builds it anew."""
    tables = ", ".join(f"oversight.{name}" for name in _TABLES.split(", "))
    with connection.transaction():
        # In the order of catch_up: the row of progress first, so that neither waits in a circle.
        connection.execute("SELECT FROM oversight.indexed FOR UPDATE")
        connection.execute(f"TRUNCATE {tables}".encode())
        connection.execute("UPDATE oversight.indexed SET next_index = 0")


def _derive(connection: psycopg.Connection, start: int) -> tuple[int, Derivation]:
    """What the next batches add, until there are entries enough for a round."""
    derived = Derivation()
    following = start
    with closing(read_batches(connection, start)) as batches:
        for batch in batches:
            place = 0
            for offset, entry in enumerate(decode_bundle(batch.bundle)):
                place += LENGTH_BYTES
                derived.add(batch.first_index + offset, place, entry)
                place += len(entry)
            following = batch.size_after
            if len(derived.rows) >= ENTRIES_A_ROUND:
                break
    return following, derived


def _write(connection: psycopg.Connection, derived: Derivation) -> None:
    numbers = _number_words(connection, derived.words())
    with connection.cursor() as cursor:
        with cursor.copy(_COPY_ENTRIES) as copy:
            for row in derived.rows:
                copy.write_row(
                    (
                        row.index,
                        row.occurred,
                        numbers[row.event],
                        numbers.get(row.vendor or ""),
                        numbers.get(row.certificate or ""),
                        numbers.get(row.actor or ""),
                        numbers.get(row.code or ""),
                        row.place,
                        row.length,
                        row.request,
                    )
                )
        with cursor.copy(_COPY_SUBJECTS) as copy:
            copy.set_types(["bytea", "int8"])
            # Sorted: neighbours in the index's tree are written one after another.
            for subject in sorted(derived.subjects):
                copy.write_row(subject)
        with cursor.copy(_COPY_OPEN) as copy:
            for index in sorted(derived.released - derived.ended):
                copy.write_row((index,))
        cursor.execute(
            "DELETE FROM oversight.open_release WHERE index = ANY(%s)", (list(derived.ended),)
        )
        _write_sums(cursor, derived, numbers)


def _write_sums(cursor: psycopg.Cursor, derived: Derivation, numbers: Mapping[str, int]) -> None:
    spans = [(block, *times) for block, times in derived.spans.items()]
    cursor.execute(_SPANS, _columns(spans, 3))
    volumes = [
        (
            numbers.get(key.vendor, 0),
            key.hour,
            numbers[key.event],
            numbers.get(key.code, 0),
            volume.entries,
            volume.cases,
            volume.bytes,
        )
        for key, volume in derived.volumes.items()
    ]
    cursor.execute(_VOLUMES, _columns(volumes, 7))
    used = [
        (
            numbers[key.vendor],
            key.kind,
            numbers[key.word],
            used.first_index,
            used.first_at,
            used.last_at,
            used.releases,
        )
        for key, used in derived.used.items()
    ]
    cursor.execute(_USED, _columns(used, 7))


def _number_words(connection: psycopg.Connection, words: Mapping[str, bool]) -> dict[str, int]:
    """The number of each word; new ones get the next. The caller holds the row of progress."""
    known = connection.execute(_KNOWN_WORDS, (list(words),)).fetchall()
    numbers = {str(word): int(number) for word, number in known}
    new = [word for word in words if word not in numbers]
    if new:
        rows = connection.execute(_NEW_WORDS, (new, [words[word] for word in new])).fetchall()
        numbers.update((str(word), int(number)) for word, number in rows)
    return numbers


def _columns(rows: Sequence[tuple[object, ...]], count: int) -> list[list[object]]:
    """Rows turned into columns, also when there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
