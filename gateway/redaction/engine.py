"""Puts the tiers into a Presidio registry, and the registry behind a `Redactor`."""

from collections.abc import Iterable

from presidio_analyzer import (
    AnalyzerEngine,
    EntityRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine
from typing_extensions import override

from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.recognizer import (
    IDENTIFIER_TYPES,
    LANGUAGE,
    NAME_TYPES,
    FinderRecognizer,
)
from gateway.redaction.redactor import Redactor
from gateway.redaction.spans import EntityType, Source, Span, resolve
from gateway.redaction.tier import NameModels, NameTier
from gateway.redaction.traces import ANY

_NO_MODEL = [{"lang_code": LANGUAGE, "model_name": "no_op"}]


def build_engine(
    *, names: bool = True, more: Iterable[EntityRecognizer] = (), models: NameModels | None = None
) -> Redactor:
    """The engine with all tiers, or without names; `more` are further Presidio recognizers.

    With names, the models are loaded now; `models` says which (else all).

    Raises:
        ModelMissingError: the extra `names` is not installed.
    """
    identifiers = IdentifierFinder()
    recognizers: list[EntityRecognizer] = [
        FinderRecognizer(identifiers, IDENTIFIER_TYPES, name="CasegateIdentifiers")
    ]
    if names:
        tier = NameTier(NameModels.ALL if models is None else models)
        recognizers.append(FinderRecognizer(tier, NAME_TYPES, name="CasegateNames"))
    return Redactor(CasegateAnalyzer([*recognizers, *more]), identifiers)


class PassThroughEnhancer(ContextAwareEnhancer):
    """Leaves scores as they are; the finders have read the context already.

    Presidio's own copies every result first, which takes longer than finding them.
    """

    def __init__(self) -> None:
        super().__init__(
            context_similarity_factor=0,
            min_score_with_context_similarity=0,
            context_prefix_count=0,
            context_suffix_count=0,
        )

    @override
    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """The results as they are."""
        return raw_results


class CasegateAnalyzer(AnalyzerEngine):
    """Presidio's engine on a registry of ours, with a direct way to spans.

    `analyze` is Presidio's own; `find` asks each recognizer once and settles overlaps.
    """

    def __init__(self, recognizers: Iterable[EntityRecognizer]) -> None:
        registry = RecognizerRegistry(
            recognizers=list(recognizers), supported_languages=[LANGUAGE]
        )
        super().__init__(
            registry=registry,
            nlp_engine=NoOpNlpEngine(_NO_MODEL),
            supported_languages=[LANGUAGE],
            context_aware_enhancer=PassThroughEnhancer(),
        )
        self._members = tuple(registry.recognizers)
        alone = self._members[0] if len(self._members) == 1 else None
        finder = alone.finder if isinstance(alone, FinderRecognizer) else None
        self._only = finder if isinstance(finder, IdentifierFinder) else None

    def find(self, text: str) -> list[Span]:
        """Spans in order of place, none overlapping; other people's types are OTHER."""
        return self.look(text)[0]

    def look(self, text: str, traces: int = ANY) -> tuple[list[Span], int]:
        """What `find` gives, and the traces that the tier of identifiers saw."""
        if self._only is not None:
            return self._only.look(text, traces)
        spans: list[Span] = []
        seen = ANY
        for member in self._members:
            if isinstance(member, FinderRecognizer):
                if isinstance(member.finder, IdentifierFinder):
                    found, seen = member.finder.look(text, traces)
                else:
                    found = member.finder.find(text)
                spans += found
            else:
                artifacts = self.nlp_engine.process_text(text, LANGUAGE)
                results = member.analyze(text, member.supported_entities, artifacts)
                spans += [_from_result(result) for result in results or ()]
        return resolve(spans), seen


def _from_result(result: RecognizerResult) -> Span:
    kind = EntityType.__members__.get(result.entity_type, EntityType.OTHER)
    return Span(result.start, result.end, kind, result.score, Source.PATTERN)
