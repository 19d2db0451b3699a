import os
import subprocess
import sys
import warnings

import pytest
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from gateway.redaction.engine import CasegateAnalyzer, build_engine
from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.recognizer import IDENTIFIER_TYPES, LANGUAGE, FinderRecognizer
from gateway.redaction.spans import EntityType
from tests.bench.notes import make_notes

FINDER = IdentifierFinder()


@pytest.fixture(scope="module")
def recognizer() -> FinderRecognizer:
    return FinderRecognizer(FINDER, IDENTIFIER_TYPES, name="identifiers")


@pytest.fixture(scope="module")
def unmodified(recognizer: FinderRecognizer) -> AnalyzerEngine:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=[recognizer], supported_languages=[LANGUAGE]),
            nlp_engine=NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": "no_op"}]),
            supported_languages=[LANGUAGE],
        )


def test_presidios_own_engine_finds_the_same(
    recognizer: FinderRecognizer, unmodified: AnalyzerEngine
) -> None:
    ours = CasegateAnalyzer([recognizer])
    for note in make_notes(150, seed=9):
        spans = ours.find(note)
        results = unmodified.analyze(note, LANGUAGE)
        direct = ours.analyze(note, LANGUAGE)

        expected = [(one.start, one.end, one.type.value, one.score) for one in spans]
        for answers in (results, direct):
            got = sorted((one.start, one.end, one.entity_type, one.score) for one in answers)
            assert got == expected


def test_only_the_entities_that_are_asked_for_are_returned(unmodified: AnalyzerEngine) -> None:
    text = "打13800138000，卡6222021234567890123"

    [result] = unmodified.analyze(text, LANGUAGE, entities=["PHONE"])

    assert (result.start, result.end) == (1, 12)


def test_another_persons_recognizer_joins_in() -> None:
    other = PatternRecognizer(
        supported_entity="NICKNAME",
        patterns=[Pattern("nick", "阿[猫狗]", 0.9)],
        supported_language=LANGUAGE,
    )
    redaction = build_engine(names=False, more=[other]).redact("阿猫打13800138000")

    assert redaction.text == "〔其他〕打〔电话〕"
    assert [one.type for one in redaction.spans] == [EntityType.OTHER, EntityType.PHONE]


def test_the_engine_opens_no_socket() -> None:
    program = (
        "import socket\n"
        "def refuse(*_):\n    raise AssertionError('a socket')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from gateway.redaction.engine import build_engine\n"
        "print(build_engine(names=False).redact('邮箱a@qq.com').text)\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": "/nonexistent", "PYTHONIOENCODING": "utf-8"},
    )

    assert outcome.stdout.strip() == "邮箱〔邮箱〕"
