"""The lines of a stage: `field: level form`, as policies, profiles and contracts write them."""

from collections.abc import Mapping as Words
from dataclasses import dataclass

from policies.documents import Document, Node, Place, Scalar, quoted
from policies.errors import PolicyFileError, RuleError
from policies.fields import FORM_WORDS, LEVEL_WORDS, FieldCatalog, Stage
from policies.model import FieldRule, verify_rule

_RULE_WORDS = 2


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule and where it stands; `reason` is set when the line is wider than its profile's."""

    rule: FieldRule
    place: Place
    reason: str | None = None


StageLines = dict[Stage, dict[str, RuleLine]]


def read_stages(document: Document, node: Node, catalog: FieldCatalog) -> StageLines:
    """Read `stages`; lines at drop are kept, because they take away what a profile lends.

    PolicyFileError for an unknown stage, and for a rule that the catalogue does not allow.
    """
    known = frozenset(stage.value for stage in Stage)
    stages = document.entries(document.mapping(node, "`stages`"), known=known, what="`stages`")
    if not stages:
        document.fail(node.line, "No stage is given.", "Write `bulk:`, `permit:` or both.")
    return {
        stage: {
            key.text: RuleLine(
                _rule(document, key, value, stage, catalog), Place(document.file, key.line)
            )
            for key, value in document.mapping(stages[stage.value], f"`{stage.value}`").entries
        }
        for stage in Stage
        if stage.value in stages
    }


def inherit(
    profile: StageLines, own: StageLines, wider: Words[str, tuple[str, Place]]
) -> StageLines:
    """Lay a file's own lines over its profile's.

    An own line may be the same or narrower. `wider` holds, by field, the reasons for those that
    are not; PolicyFileError for a wider line without a reason, and for a reason without need.
    """
    merged = {
        stage: dict(profile.get(stage, {})) for stage in Stage if stage in profile or stage in own
    }
    needed: set[str] = set()
    for stage, lines in own.items():
        for field, line in lines.items():
            lent = merged[stage].get(field)
            reason: str | None = None
            if lent is None or line.rule.level > lent.rule.level:
                needed.add(field)
                if field not in wider:
                    place, words = line.place, lent.rule.words if lent else "drop"
                    raise PolicyFileError(
                        place.file,
                        place.line,
                        f"`{field}: {line.rule.words}` is wider than the profile ({words}).",
                        f"Use the profile's level or less, or say why: `wider: {{ {field}: … }}`.",
                    )
                reason = wider[field][0]
            merged[stage][field] = RuleLine(line.rule, line.place, reason)
    for field, (_reason, place) in wider.items():
        if field not in needed:
            raise PolicyFileError(
                place.file,
                place.line,
                f"`wider` names {quoted(field)}, but no line of it is wider than the profile.",
                "Remove it.",
            )
    return merged


def _rule(
    document: Document, key: Scalar, value: Node, stage: Stage, catalog: FieldCatalog
) -> FieldRule:
    words = document.text(value, "A field's level").split()
    if len(words) > _RULE_WORDS:
        document.fail(value.line, "A level has too many words.", "Write `level` or `level form`.")
    level = document.choice(Scalar(words[0], value.line), LEVEL_WORDS, "a level")
    form = (
        document.choice(Scalar(words[1], value.line), FORM_WORDS, "a form")
        if len(words) == _RULE_WORDS
        else None
    )
    rule = FieldRule(key.text, level, form)
    try:
        verify_rule(rule, stage, catalog)
    except RuleError as error:
        raise PolicyFileError(document.file, key.line, error.reason, error.way_out) from error
    return rule
