from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction.spans import PLACEHOLDERS, EntityType, Source, Span, resolve


def span(start: int, end: int, source: Source = Source.PATTERN) -> Span:
    return Span(start, end, EntityType.PHONE, 0.5, source)


SPANS = st.lists(
    st.builds(
        lambda start, length, kind, source: Span(start, start + length, kind, 0.5, source),
        st.integers(0, 40),
        st.integers(1, 12),
        st.sampled_from(EntityType),
        st.sampled_from(Source),
    ),
    max_size=12,
)


def covered(spans: list[Span]) -> set[int]:
    return {place for one in spans for place in range(one.start, one.end)}


@given(SPANS)
def test_what_any_finder_saw_stays_covered_and_nothing_else_is(spans: list[Span]) -> None:
    assert covered(resolve(spans)) == covered(spans)


@given(SPANS)
def test_resolved_spans_are_in_order_and_apart(spans: list[Span]) -> None:
    found = resolve(spans)

    assert all(one.end <= after.start for one, after in pairwise(found))


def test_the_longest_of_overlapping_spans_is_kept_whole() -> None:
    long, short = span(0, 10), span(4, 8, Source.KNOWN)

    assert resolve([short, long]) == [long]


def test_of_two_equally_long_spans_the_known_one_wins() -> None:
    known = Span(0, 5, EntityType.PERSON, 1.0, Source.KNOWN)

    assert resolve([span(0, 5), known]) == [known]


def test_what_a_loser_covers_beyond_the_winner_keeps_its_own_type() -> None:
    address = Span(3, 20, EntityType.ADDRESS, 0.5, Source.NAME_MODEL)

    assert resolve([address, span(0, 5)]) == [span(0, 3), address]


@pytest.mark.parametrize("kind", EntityType)
def test_every_type_has_a_placeholder(kind: EntityType) -> None:
    assert PLACEHOLDERS[kind].startswith("〔")
