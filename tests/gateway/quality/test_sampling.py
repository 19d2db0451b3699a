import hashlib
import hmac
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestInvalidError
from gateway.findings.record import Severity
from gateway.quality.rules import QUALITY_RULES, severity_of
from gateway.quality.sampling import calls_digest, draw_calls, verify_seed

SEED = "5e" * 32
CALLS = [f"call-{number}" for number in range(1000)]
ids = st.lists(st.text("abc0123.-", min_size=1, max_size=8), unique=True, max_size=40)


@given(data=st.data(), calls=ids, wanted=st.integers(1, 50))
def test_a_sample_depends_on_the_seed_and_the_calls_and_not_on_their_order(
    data: st.DataObject, calls: list[str], wanted: int
) -> None:
    drawn = draw_calls(SEED, data.draw(st.permutations(calls)), wanted)

    assert drawn == draw_calls(SEED, calls, wanted)
    assert len(drawn) == len(set(drawn)) == min(wanted, len(calls))
    assert set(drawn) <= set(calls)


@given(calls=ids, wanted=st.integers(1, 50))
def test_a_smaller_sample_is_the_beginning_of_a_larger_one(calls: list[str], wanted: int) -> None:
    assert draw_calls(SEED, calls, wanted + 1)[:wanted] == draw_calls(SEED, calls, wanted)


def test_who_has_the_calls_and_the_seed_draws_the_same_with_other_means() -> None:
    def mac(call: str) -> bytes:
        return hmac.new(SEED.encode(), call.encode(), hashlib.sha256).digest()

    assert draw_calls(SEED, CALLS, 30) == sorted(CALLS, key=mac)[:30]
    # So that it stays what it is: a sample of last year can be drawn again.
    assert draw_calls(SEED, CALLS, 3) == ["call-187", "call-240", "call-526"]


def test_another_seed_draws_others_and_each_call_has_its_chance() -> None:
    drawn = Counter(
        call for seed in range(200) for call in draw_calls(f"{seed:032x}", CALLS[:20], 5)
    )

    # 200 draws of 5 in 20: 50 each on average, 6 of deviation.
    assert len(drawn) == 20
    assert all(25 <= times <= 75 for times in drawn.values())


def test_the_digest_is_of_the_ids_line_by_line() -> None:
    assert calls_digest(["a", "b"]) == hashlib.sha256(b"a\nb\n").digest()
    assert calls_digest(["a\nb"]) != calls_digest(["b", "a"])


@pytest.mark.parametrize("seed", ["", "13800138000", "g" * 32, "AB" * 16, "5e" * 65, "5e" * 15])
def test_what_is_no_seed_is_refused(seed: str) -> None:
    with pytest.raises(RequestInvalidError, match="hexadecimal"):
        verify_seed(seed)


def test_a_threat_is_critical_and_an_unknown_rule_is_refused() -> None:
    assert severity_of("QUALITY_THREAT") is Severity.CRITICAL
    assert all(name.startswith("QUALITY_") for name in QUALITY_RULES)
    with pytest.raises(RequestInvalidError, match="QUALITY_THREAT"):
        severity_of("QUALITY_MOOD")
