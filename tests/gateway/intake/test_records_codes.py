"""Vendors' own words for results."""

from pathlib import Path

import pytest

from gateway.intake.records_codes import read_vendor_codes
from policies.contact.results import load_results
from policies.errors import PolicyFileError

POLICIES = Path(__file__).parents[3] / "policies"


def test_a_vendor_may_use_its_own_words_and_the_codes_themselves() -> None:
    words = read_vendor_codes(POLICIES, load_results()).of("alpha")

    assert words["PTP"] is words["RPC_PTP"]
    assert words["RNR"].code == "NO_ANSWER"


def test_another_vendors_words_mean_nothing() -> None:
    words = read_vendor_codes(POLICIES, load_results()).of("beta")

    assert "RNR" not in words
    assert set(words) == {code.code for code in load_results()}


def test_a_directory_without_maps_has_the_codes_alone(tmp_path: Path) -> None:
    assert "PTP" not in read_vendor_codes(tmp_path, load_results()).of("alpha")


def test_a_map_to_a_code_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "vendor_codes"
    folder.mkdir()
    (folder / "alpha.yaml").write_text("codes:\n  PTP: RPC_PTP\n  X: NO_SUCH\n")

    with pytest.raises(PolicyFileError, match="line 3"):
        read_vendor_codes(tmp_path, load_results())
