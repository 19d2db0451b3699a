"""A tier as a Presidio recognizer."""

from collections.abc import Iterable

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from typing_extensions import override

from gateway.redaction.redactor import Finder
from gateway.redaction.spans import EntityType, Span

LANGUAGE = "zh"
NAME_TYPES = (EntityType.PERSON, EntityType.ADDRESS, EntityType.ORGANISATION)
IDENTIFIER_TYPES = tuple(kind for kind in EntityType if kind not in NAME_TYPES)


class FinderRecognizer(EntityRecognizer):
    """Several entity types in one pass: Presidio calls it once, where one a type would be usual.

    `finder` is also asked directly by `CasegateAnalyzer`, which needs no result objects.
    """

    def __init__(self, finder: Finder, types: Iterable[EntityType], *, name: str) -> None:
        self.finder = finder
        self._title = name
        super().__init__(
            supported_entities=[kind.value for kind in types],
            supported_language=LANGUAGE,
            name=name,
        )

    @override
    def load(self) -> None:
        """Nothing: the finder was made ready before."""

    @override
    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """What the finder reports of these entity types; the artifacts are not used."""
        return [
            to_result(span, self._title)
            for span in self.finder.find(text)
            if not entities or span.type in entities
        ]


def to_result(span: Span, recognizer: str) -> RecognizerResult:
    """A span as Presidio passes it on."""
    return RecognizerResult(
        entity_type=span.type.value,
        start=span.start,
        end=span.end,
        score=span.score,
        recognition_metadata={
            RecognizerResult.RECOGNIZER_NAME_KEY: recognizer,
            "source": span.source.value,
        },
    )
