from hypothesis import given
from hypothesis import strategies as st

from gateway.http.rates import Bucket, RefusalTally, SourceRates, source_key


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 20))
def test_never_more_than_a_full_bucket_and_what_flowed_in(waits: list[float], size: int) -> None:
    bucket = Bucket(size, size, 0.0)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)

    assert taken <= size + now * size / 60 + 1e-6


def test_an_empty_bucket_fills_again() -> None:
    rates = SourceRates(per_source=2, overall=100)

    assert [rates.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.take("a", 29.0) is False
    assert rates.take("a", 31.0) is True


def test_one_loud_source_takes_nothing_from_the_others() -> None:
    rates = SourceRates(per_source=3, overall=6)
    for _ in range(100):
        rates.take("loud", 0.0)

    assert [rates.take("quiet", 0.0) for _ in range(3)] == [True] * 3


def test_many_sources_together_meet_the_common_measure() -> None:
    rates = SourceRates(per_source=3, overall=6)

    assert sum(rates.take(f"s{number}", 0.0) for number in range(100)) == 6


def test_memory_is_bounded_by_forgetting_who_was_silent_longest() -> None:
    rates = SourceRates(per_source=1, overall=1_000_000)
    for number in range(10_001):
        rates.take(f"s{number}", 0.0)

    assert rates.take("s10000", 0.0) is False
    assert rates.take("s0", 0.0) is True


def test_a_flood_of_refusals_is_told_in_sum() -> None:
    tally = RefusalTally(SourceRates(per_source=2, overall=100))

    told = [tally.is_told("a", "WRONG", 0.0) for _ in range(50)]

    assert sum(told) == 2
    assert tally.drain(61.0) == [("a", "WRONG", 48)]
    assert tally.drain(200.0) == []


def test_sums_are_told_once_a_minute() -> None:
    tally = RefusalTally(SourceRates(per_source=1, overall=100))
    for second in (0.0, 0.0):
        tally.is_told("a", "WRONG", second)
    assert tally.drain(60.0) == [("a", "WRONG", 1)]
    tally.is_told("a", "WRONG", 60.0)
    tally.is_told("a", "WRONG", 60.0)

    assert tally.drain(90.0) == []
    assert tally.drain(120.0) == [("a", "WRONG", 1)]


def test_an_ipv6_network_is_one_source() -> None:
    assert source_key("2001:db8::1") == source_key("2001:db8::ffff:1")
    assert source_key("2001:db8::1") != source_key("2001:db8:0:1::1")
    assert source_key("192.0.2.1") != source_key("192.0.2.2")
    assert source_key("unknown") == "unknown"
