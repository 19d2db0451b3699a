"""Asks the derived index where entries are that match a query, newest first.

Each query walks one index of the table backwards from where its page begins and stops when the
page is full. Which one is chosen here, not left to the planner: it does not know that a vendor's
entries may all be old, and would look for them from the newest entry of all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import sql

from gateway.oversight.derivation import RULES_KIND, SPAN_BITS
from gateway.oversight.query import LogQuery

_WORDS = "SELECT word, id FROM oversight.word WHERE word = ANY(%s)"
_EVENTS = "SELECT id FROM oversight.word WHERE is_event"
_SPANS = """
SELECT (SELECT min(block) FROM oversight.span
         WHERE %(since)s::timestamptz IS NULL OR latest >= %(since)s),
       (SELECT max(block) FROM oversight.span
         WHERE %(until)s::timestamptz IS NULL OR earliest < %(until)s)
"""
# Only one index has the order that a range asks for: comparing whole rows, not the leading columns
# one by one, keeps these in the order. And nothing else may be read and sorted instead.
_WALK = """
SELECT set_config(name, 'off', true) FROM (VALUES
  ('enable_sort'), ('enable_incremental_sort'), ('enable_bitmapscan'), ('enable_seqscan')) w (name)
"""
_RANGE = sql.SQL("""
SELECT e.index, e.place, e.length FROM oversight.entry e
 WHERE {present} AND ({columns}) >= ({first}) AND ({columns}) < ({after}) AND {others}
 ORDER BY {descending} LIMIT {wanted}
""")
_EACH_EVENT = sql.SQL("""
SELECT f.index, f.place, f.length FROM unnest({events}::integer[]) AS w(event)
 CROSS JOIN LATERAL ({range}) f ORDER BY f.index DESC LIMIT {wanted}
""")
_REQUEST = sql.SQL("""
SELECT e.index, e.place, e.length FROM oversight.entry e WHERE e.request = {request} AND {others}
 ORDER BY e.index DESC LIMIT {wanted}
""")
_CASES = sql.SQL("""
SELECT e.index, e.place, e.length FROM (
  SELECT DISTINCT f.index FROM unnest({cases}::bytea[]) AS w(commitment)
   CROSS JOIN LATERAL (
     SELECT s.index FROM oversight.subject s
      WHERE (s.commitment, s.index) >= (w.commitment, {low})
        AND (s.commitment, s.index) < (w.commitment, {before}) AND {others}
      ORDER BY s.commitment DESC, s.index DESC LIMIT {wanted}) f
   ORDER BY f.index DESC LIMIT {wanted}) newest
 JOIN oversight.entry e USING (index) ORDER BY e.index DESC
""")
_HAS_ENTRY = sql.SQL("EXISTS (SELECT FROM oversight.entry e WHERE e.index = s.index AND {})")
_OPEN = sql.SQL("""
SELECT e.index, e.place, e.length FROM oversight.open_release o
  JOIN oversight.entry e USING (index) WHERE {others} ORDER BY o.index DESC LIMIT {wanted}
""")
_ENDS = """
SELECT e.index, e.place, e.length FROM oversight.entry e WHERE e.request = ANY(%s)
   AND e.event = (SELECT id FROM oversight.word WHERE word = 'access.end')
"""
_RULES = """
SELECT DISTINCT e.index, e.place, e.length FROM oversight.used u
  JOIN oversight.entry e ON e.index = u.first_index
 WHERE u.kind = %s AND u.word IN (SELECT id FROM oversight.word WHERE word = ANY(%s))
"""
_CONCERNS = sql.SQL("""
EXISTS (SELECT FROM oversight.subject s
  WHERE s.index = e.index AND s.commitment = ANY({}::bytea[]))
""")
_IS_OPEN = sql.SQL("EXISTS (SELECT FROM oversight.open_release o WHERE o.index = e.index)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the index says that an entry is: its index, and its bytes in its batch's bundle."""

    index: int
    place: int
    length: int


class _Bounds(NamedTuple):
    """Indexes from `low` up to `high`, exclusive; newest first, at most `wanted` of them."""

    low: int
    high: int
    wanted: int


class _Numbers(NamedTuple):
    """The words of a query as the index numbers them."""

    single: dict[str, int]
    events: list[int]


def find_places(
    connection: psycopg.Connection, query: LogQuery, *, before: int, wanted: int
) -> list[Place]:
    """Places of at most `wanted` matching entries below `before`, newest first."""
    numbers = _numbers(connection, query)
    if numbers is None:
        return []
    bounds = _bounds(connection, query, before, wanted)
    if bounds.low >= bounds.high:
        return []
    with connection.transaction():
        if query.request is None and query.cases is None and not query.unended:
            connection.execute(_WALK)
        rows = connection.execute(_statement(connection, query, numbers, bounds)).fetchall()
    return [Place(*row) for row in rows]


def find_ends(connection: psycopg.Connection, requests: Collection[str]) -> list[Place]:
    """Places of the ends of releases, by the requests that they were made in."""
    return [Place(*row) for row in connection.execute(_ENDS, (list(requests),))]


def find_rules(connection: psycopg.Connection, profiles: Collection[str]) -> list[Place]:
    """Places of entries about loaded policies that hold the rules of these profile digests."""
    return [Place(*row) for row in connection.execute(_RULES, (RULES_KIND, list(profiles)))]


def _statement(
    connection: psycopg.Connection, query: LogQuery, numbers: _Numbers, bounds: _Bounds
) -> sql.Composed:
    conditions = _conditions(query, numbers, bounds)
    if query.request is not None:
        return _REQUEST.format(
            request=query.request, others=_joined(conditions), wanted=bounds.wanted
        )
    if query.cases is not None:
        return _CASES.format(
            cases=[bytes.fromhex(case) for case in query.cases],
            low=bounds.low,
            before=bounds.high,
            others=_of_subjects(conditions),
            wanted=bounds.wanted,
        )
    if query.unended:
        return _OPEN.format(others=_joined(conditions, but=("unended",)), wanted=bounds.wanted)
    leading = _leading(query)
    if "event" not in leading:
        return _range(leading, conditions, numbers, bounds)
    events = numbers.events
    if not query.wanted_events():
        events = [int(row[0]) for row in connection.execute(_EVENTS)]
    return _EACH_EVENT.format(
        events=events,
        range=_range(leading, conditions, numbers, bounds),
        wanted=bounds.wanted,
    )


def _leading(query: LogQuery) -> tuple[str, ...]:
    """The columns, before the entry's index, of the table's index that narrows a query most."""
    if query.code is not None:
        owner = "certificate" if query.certificate is not None else "vendor"
        return ("code",) if getattr(query, owner) is None else (owner, "code")
    if query.actor is not None:
        return ("actor",)
    for owner in ("certificate", "vendor"):
        if getattr(query, owner) is not None:
            return (owner, "event")
    return ("event",) if query.wanted_events() else ()


def _range(
    leading: tuple[str, ...],
    conditions: Mapping[str, sql.Composable],
    numbers: _Numbers,
    bounds: _Bounds,
) -> sql.Composed:
    columns = [sql.SQL("e.{}").format(sql.Identifier(name)) for name in (*leading, "index")]
    prefix = [
        sql.SQL("w.event") if name == "event" else sql.Literal(numbers.single[name])
        for name in leading
    ]
    # The partial indexes are of rows that have the column at all.
    present = [sql.SQL("{} IS NOT NULL").format(column) for column in columns]
    return _RANGE.format(
        present=sql.SQL(" AND ").join(present),
        columns=sql.SQL(", ").join(columns),
        first=sql.SQL(", ").join([*prefix, sql.Literal(bounds.low)]),
        after=sql.SQL(", ").join([*prefix, sql.Literal(bounds.high)]),
        others=_joined(conditions, but=(*leading, "index")),
        descending=sql.SQL(", ").join(sql.SQL("{} DESC").format(column) for column in columns),
        wanted=bounds.wanted,
    )


def _numbers(connection: psycopg.Connection, query: LogQuery) -> _Numbers | None:
    """None when a word of the query stands in no entry, so that nothing can match."""
    words = {
        name: str(getattr(query, name))
        for name in ("vendor", "certificate", "actor", "code")
        if getattr(query, name) is not None
    }
    events = query.wanted_events()
    rows = connection.execute(_WORDS, ([*words.values(), *events],)).fetchall()
    known = {str(word): int(number) for word, number in rows}
    if not all(word in known for word in words.values()):
        return None
    wanted = sorted({known[event] for event in events if event in known})
    if events and not wanted:
        return None
    return _Numbers({name: known[word] for name, word in words.items()}, wanted)


def _bounds(connection: psycopg.Connection, query: LogQuery, before: int, wanted: int) -> _Bounds:
    """Turns times into a range of indexes; inside it each entry's own time decides."""
    if query.since is None and query.until is None:
        return _Bounds(0, before, wanted)
    row = connection.execute(_SPANS, {"since": query.since, "until": query.until}).fetchone()
    if row is None or row[0] is None or row[1] is None:
        return _Bounds(0, 0, wanted)
    return _Bounds(row[0] << SPAN_BITS, min(before, (row[1] + 1) << SPAN_BITS), wanted)


def _conditions(query: LogQuery, numbers: _Numbers, bounds: _Bounds) -> dict[str, sql.Composable]:
    """Every condition by the column that it is about."""
    conditions: dict[str, sql.Composable] = {
        name: sql.SQL("e.{} = {}").format(sql.Identifier(name), number)
        for name, number in numbers.single.items()
    }
    if numbers.events:
        conditions["event"] = sql.SQL("e.event = ANY({})").format(numbers.events)
    conditions["index"] = sql.SQL("e.index >= {} AND e.index < {}").format(bounds.low, bounds.high)
    times = [
        sql.SQL("e.occurred {} {}").format(sql.SQL(sign), moment)
        for sign, moment in ((">=", query.since), ("<", query.until))
        if moment is not None
    ]
    if times:
        conditions["occurred"] = sql.SQL(" AND ").join(times)
    if query.cases is not None:
        conditions["cases"] = _CONCERNS.format([bytes.fromhex(case) for case in query.cases])
    if query.unended:
        conditions["unended"] = _IS_OPEN
    return conditions


def _of_subjects(conditions: Mapping[str, sql.Composable]) -> sql.Composable:
    """The conditions beside the case and the range, asked only where there are any."""
    others = {name: part for name, part in conditions.items() if name not in {"cases", "index"}}
    return _HAS_ENTRY.format(_joined(others)) if others else sql.SQL("true")


def _joined(
    conditions: Mapping[str, sql.Composable], *, but: Collection[str] = ()
) -> sql.Composable:
    kept = [part for name, part in conditions.items() if name not in but]
    return sql.SQL(" AND ").join([sql.SQL("true"), *kept])
