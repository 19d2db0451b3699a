import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.names import COMPOUND_SURNAMES, masked_name

HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("张三", "张*"),
        ("王小明", "王**"),
        ("欧阳娜娜", "欧阳**"),
        ("欧阳修", "欧阳*"),
        ("欧阳", "欧*"),
        ("歐陽娜娜", "歐陽**"),
        ("张 三", "张*"),
        ("\u3000张三 ", "张*"),
        ("阿依古丽·买买提", "阿***·***"),
        ("阿依古丽•买买提", "阿***·***"),
        ("阿依古丽・买买提", "阿***·***"),
        ("买买提·阿·尔肯", "买**·*·**"),
        ("阿·买买提", "*·***"),
        ("𠮷田", "𠮷*"),
        ("Anna Maria Smith", "A*** S****"),
        ("Ａｎｎａ Smith", "A*** S****"),
        ("Anna", "A***"),
        ("A Smith", "* S****"),
        ("José O'Brien", "J*** O******"),
        ("李", "*"),
        ("A", "*"),
        ("", "*"),
        ("   ", "*"),
        ("张三13812345678", "*"),
        ("张三(已故)", "*"),
        ("Smith, Anna", "*"),
        ("张·", "*"),
        ("深圳市某某科技有限公司", "*"),
        ("张**", "*"),
        ("Иван Петров", "*"),
        ("Anna张", "*"),
        ("x" * 65, "*"),
    ],
)
def test_a_name_keeps_its_surname_or_initials_only(name: str, masked: str) -> None:
    assert masked_name(name) == masked


@given(st.text(HAN, min_size=1, max_size=12))
def test_a_chinese_name_shows_one_character_or_a_compound_surname(name: str) -> None:
    shown = masked_name(name).replace("*", "")

    assert len(shown) <= 1 or shown in COMPOUND_SURNAMES
    assert name.startswith(shown)
    assert shown != name


@given(st.text())
def test_no_text_shows_more_than_two_of_its_characters_in_a_row(name: str) -> None:
    runs = re.findall(r"[^*· ]+", masked_name(name))

    assert len(runs) <= 2
    assert all(len(run) <= 2 for run in runs)


@given(st.lists(st.text("abcXYZé'", min_size=2, max_size=8), min_size=1, max_size=5))
def test_a_latin_name_shows_single_letters_only(words: list[str]) -> None:
    runs = re.findall(r"[^* ]+", masked_name(" ".join(words)))

    assert all(len(run) == 1 for run in runs)
