"""A vendor's rules compiled once into the plain function that every case passes through."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gateway.masking.errors import ForbiddenFieldError, UnknownTransformError
from gateway.masking.pseudonyms import PseudonymKey
from gateway.masking.transforms import TRANSFORMS, JsonValue, Transform, age_band, redacted
from policies.fields import CatalogField, FieldCatalog, FieldClass, Form, Level
from policies.model import FieldRule

MADE_PSEUDONYMS = "pseudonyms"  # beside the fields of a record; the catalogue knows no such field

_Related = Callable[[JsonValue, Mapping[str, JsonValue]], JsonValue]


@dataclass(frozen=True, slots=True)
class _Step:
    """What to do with one field: `plain` sees its value, `related` the whole record too."""

    field: str
    plain: Transform | None = None
    related: _Related | None = None


@dataclass(frozen=True, slots=True)
class Projection:
    """The way from one full record to what one vendor receives at one stage.

    `fields` are the names that may appear, in catalogue order: all that an audit entry needs.
    """

    fields: tuple[str, ...]
    _steps: tuple[tuple[str, Transform | None, _Related | None], ...] = field(repr=False)

    def apply(self, record: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the released fields of a record, in catalogue order; never raises.

        Money is in integer minor units, dates are ISO text, codes a list of text, and a field at
        level pseudonym holds its internal key as text. What is absent, None, or left out by its
        form gives no key. Values at level clear are handed on, not copied.
        """
        released: dict[str, JsonValue] = {}
        get = record.get
        for name, plain, related in self._steps:
            value = get(name)
            if value is None:
                continue
            if plain is not None:
                value = plain(value)
            elif related is not None:
                value = related(value, record)
            if value is not None:
                released[name] = value
        return released


def compile_projection(
    rules: Iterable[FieldRule], catalog: FieldCatalog, pseudonym_key: PseudonymKey
) -> Projection:
    """Resolve every rule to a function.

    ForbiddenFieldError for a K3 field, a field named twice, and a level wider than the catalogue
    allows at any stage, even if the policy room let it through; UnknownTransformError for a form
    that is missing or not the field's; UnknownFieldError for a field that is not in the catalogue.
    """
    steps: dict[int, _Step] = {}
    for rule in rules:
        known = catalog.field(rule.field)
        _verify_releasable(known, rule)
        position = catalog.position(rule.field)
        if position in steps:
            raise ForbiddenFieldError(f"`{rule.field}` is ruled twice.")
        if rule.level is not Level.DROP:
            steps[position] = _step(known, rule, pseudonym_key)
    ordered = [steps[position] for position in sorted(steps)]
    return Projection(
        tuple(step.field for step in ordered),
        tuple((step.field, step.plain, step.related) for step in ordered),
    )


def _verify_releasable(known: CatalogField, rule: FieldRule) -> None:
    if known.field_class is FieldClass.K3:
        raise ForbiddenFieldError(f"`{known.name}` is K3: no rule may name it.")
    if rule.level > max(known.bulk, known.permit):
        raise ForbiddenFieldError(f"`{known.name}` at {rule.level.word} is too wide.")
    if rule.level is Level.PSEUDONYM and not known.is_reference:
        raise ForbiddenFieldError(f"`{known.name}` is not a reference.")


def _step(known: CatalogField, rule: FieldRule, pseudonym_key: PseudonymKey) -> _Step:
    match rule.level:
        case Level.CLEAR:
            return _Step(known.name)
        case Level.PSEUDONYM:
            return _Step(known.name, related=_pseudonym(known.name, pseudonym_key))
        case Level.REDACT:
            return _Step(known.name, plain=redacted)
        case _:
            return _form_step(known, rule)


def _form_step(known: CatalogField, rule: FieldRule) -> _Step:
    form = rule.form
    if form is None or form not in known.forms or form.level is not rule.level:
        raise UnknownTransformError(f"`{known.name}` at {rule.level.word} needs its form.")
    if form is Form.PRODUCT_TYPE:
        return _Step(known.name, related=_product_type)
    if form is Form.AGE_BAND:
        return _Step(known.name, related=_age_band)
    if form not in TRANSFORMS:
        raise UnknownTransformError(f"The form {form.word} has no transform.")
    return _Step(known.name, plain=TRANSFORMS[form])


def _pseudonym(name: str, key: PseudonymKey) -> _Related:
    tokenize = key.tokenizer(name)
    check = key.check

    def pseudonym(value: JsonValue, record: Mapping[str, JsonValue]) -> JsonValue:
        made = record.get(MADE_PSEUDONYMS)
        # Tokens made when the case was sealed count only if this very key made them: a record
        # that was sealed for another contract can never lend its references to this one.
        if isinstance(made, dict) and made.get("key") == check and name in made:
            return made[name]
        # Anything but text is no internal key; leaving it out is safer than showing it.
        return tokenize(value) if isinstance(value, str) else None

    return pseudonym


def pseudonym_maker(
    key: PseudonymKey, names: Iterable[str]
) -> Callable[[Mapping[str, str]], dict[str, JsonValue]]:
    """Returns a function from internal keys by field name to `MADE_PSEUDONYMS`.

    Tokens that are made when a case is sealed need not be made at each release.
    """
    tokenizers = [(name, key.tokenizer(name)) for name in names]
    check = key.check

    def make(internal_keys: Mapping[str, str]) -> dict[str, JsonValue]:
        made: dict[str, JsonValue] = {
            name: tokenize(internal_keys[name]) for name, tokenize in tokenizers
        }
        made["key"] = check
        return made

    return make


def _product_type(_: JsonValue, record: Mapping[str, JsonValue]) -> JsonValue:
    kind = record.get("product_type")
    return kind if isinstance(kind, str) else None


def _age_band(value: JsonValue, record: Mapping[str, JsonValue]) -> JsonValue:
    as_of = record.get("as_of")
    return age_band(value, record.get("assigned_at") if as_of is None else as_of)
