import subprocess
import sys
from typing import Any

import orjson

SECRET = "13800138000"


def redact(
    *lines: bytes, options: tuple[str, ...] = ("--no-names",)
) -> tuple[int, list[Any], str]:
    outcome = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "redact", *options],
        input=b"".join(line + b"\n" for line in lines),
        capture_output=True,
        check=False,
        timeout=120,
    )
    answers = [orjson.loads(line) for line in outcome.stdout.splitlines()]
    return outcome.returncode, answers, outcome.stderr.decode()


def line(text: str, **known: list[str]) -> bytes:
    return orjson.dumps({"text": text, **({"known": known} if known else {})})


def test_each_line_is_answered_in_order_with_spans_of_the_input() -> None:
    code, answers, said = redact(
        line(f"打{SECRET}找𠮷先生"),
        line("张建国说建国不在", names=["张建国"]),
        line("没有什么"),
    )

    assert code == 0
    assert said == ""
    assert answers == [
        {"text": "打〔电话〕找𠮷先生", "spans": [{"start": 1, "end": 12, "type": "PHONE"}]},
        {
            "text": "〔姓名〕说〔姓名〕不在",
            "spans": [
                {"start": 0, "end": 3, "type": "PERSON"},
                {"start": 4, "end": 6, "type": "PERSON"},
            ],
        },
        {"text": "没有什么", "spans": []},
    ]


def test_a_bad_line_gets_an_error_in_its_place_and_the_others_go_on() -> None:
    code, answers, said = redact(
        SECRET.encode() + b" is no JSON {",
        orjson.dumps({"text": int(SECRET)}),
        line("字" * 100_001),
        line("好", names="张三"),  # type: ignore[arg-type]
        line("好", passwords=["x"]),
        b"[" * 3000,
        b"",
        line(SECRET),
    )

    assert code == 1
    assert [answer.get("error") for answer in answers] == [
        {"code": "NOT_JSON", "line": 1},
        {"code": "NO_TEXT", "line": 2},
        {"code": "TEXT_TOO_LONG", "line": 3},
        {"code": "KNOWN_INVALID", "line": 4},
        {"code": "KNOWN_INVALID", "line": 5},
        {"code": "NOT_JSON", "line": 6},
        {"code": "NOT_JSON", "line": 7},
        None,
    ]
    assert answers[-1]["text"] == "〔电话〕"
    assert said.count("\n") == 1
    assert SECRET not in said


def test_a_line_longer_than_any_note_is_refused_without_being_kept() -> None:
    code, answers, _said = redact(b'{"text": "' + b"x" * 9_000_000 + b'"}', line(SECRET))

    assert code == 1
    assert answers[0] == {"error": {"code": "LINE_TOO_LONG", "line": 1}}
    assert answers[1]["text"] == "〔电话〕"


def test_types_limits_what_is_cut_out() -> None:
    code, answers, _said = redact(
        line(f"{SECRET}，京A12345"), options=("--no-names", "--types", "plate, email")
    )

    assert code == 0
    assert answers[0]["text"] == f"{SECRET}，〔车牌〕"


def test_an_unknown_type_is_wrong_use() -> None:
    code, answers, said = redact(line(SECRET), options=("--types", "PHONES"))

    assert (code, answers) == (2, [])
    assert "PASSPORT_PERMIT" in said
