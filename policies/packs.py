"""Law packs: what a law or standard forbids a data scope, whatever a contract says."""

from dataclasses import dataclass
from datetime import datetime

from policies.documents import Document, Node, Place
from policies.elements import identifier_of, moment_of
from policies.errors import PolicyFileError
from policies.fields import CLASS_WORDS, LEVEL_WORDS, FieldCatalog, FieldClass, Level, Stage
from policies.model import Term
from policies.rules import StageLines

DATA_SCOPE = "data_scope"
# Rules of these kinds belong to contact permits (policies/contact); a data scope passes them by.
OTHER_KINDS = frozenset(
    {
        *("time_window", "preference", "cap", "cooldown", "party", "definition", "caller"),
        *("hold", "agent", "script", "consent", "medium"),
    }
)

_PACK_KEYS = frozenset(
    {
        *("id", "version", "source", "source_date", "effective_from", "effective_to"),
        *("status", "timezone_basis", "verified_by", "verified_on", "activate"),
    }
)
_RULE_KEYS = frozenset({"id", "kind", "effect", "fields", "classes", "stages", "widest", "note"})
_STAGES = {stage.value: stage for stage in Stage}
_STATUS = {"unverified": False, "verified": True}
_ACTIVATE = {"by_default": True, "on_request": False}


@dataclass(frozen=True, slots=True)
class ScopeBound:
    """One rule of a pack: these fields are released no wider than `widest` at these stages."""

    rule_id: str
    fields: frozenset[str]
    stages: frozenset[Stage]
    widest: Level
    place: Place


@dataclass(frozen=True, slots=True)
class PackHead:
    """What every pack says of itself.

    `is_by_default` is false for a pack that is in force only where it was asked for; rules on
    fields bind in any case.
    """

    pack_id: str
    version: str
    source: str
    is_verified: bool
    begins: datetime
    ends: datetime | None
    is_by_default: bool


@dataclass(frozen=True, slots=True)
class LawPack:
    """A pack in its version; it binds every policy whose term it touches.

    `is_verified` tells whether a person has compared it with its source. A pack of this room can
    only tighten, so an unverified one is in force too.
    """

    pack_id: str
    version: str
    is_verified: bool
    begins: datetime
    ends: datetime | None
    bounds: tuple[ScopeBound, ...]

    def is_active(self, term: Term) -> bool:
        """Whether the pack is in force at any moment of a term."""
        return self.begins < term.ends and (self.ends is None or self.ends > term.begins)


def pack_of(document: Document, catalog: FieldCatalog) -> LawPack:
    """Read one pack; PolicyFileError when it cannot be accepted."""
    head, rules = head_of(document)
    bounds = [_bound(document, rule, catalog) for rule in rules]
    return LawPack(
        head.pack_id,
        head.version,
        head.is_verified,
        head.begins,
        head.ends,
        tuple(bound for bound in bounds if bound is not None),
    )


def head_of(document: Document) -> tuple[PackHead, tuple[Node, ...]]:
    """Read a pack's head, and its rules as they stand in the file; PolicyFileError if wrong."""
    top = document.entries(document.root, known=frozenset({"pack", "rules"}), what="a law pack")
    head_node = document.required(top, "pack", line=document.root.line)
    head = document.entries(
        document.mapping(head_node, "`pack`"), known=_PACK_KEYS, what="a pack's head"
    )
    parts = {
        key: document.required(head, key, line=head_node.line)
        for key in ("id", "version", "source", "effective_from", "status")
    }
    ends = None
    if "effective_to" in head and document.text(head["effective_to"], "`effective_to`") != "null":
        ends = moment_of(document, head["effective_to"], "`effective_to`")
    is_by_default = "activate" not in head or document.choice(
        head["activate"], _ACTIVATE, "`activate`"
    )
    rules = document.items(document.required(top, "rules", line=document.root.line), "`rules`")
    return PackHead(
        identifier_of(document, parts["id"], "`id`"),
        document.text(parts["version"], "`version`"),
        document.text(parts["source"], "`source`"),
        document.choice(parts["status"], _STATUS, "`status`"),
        moment_of(document, parts["effective_from"], "`effective_from`"),
        ends,
        is_by_default,
    ), rules


def verify_lawful(stages: StageLines, term: Term, packs: tuple[LawPack, ...]) -> None:
    """Raise PolicyFileError at the first line that is wider than a pack in force allows."""
    bounds = [bound for pack in packs if pack.is_active(term) for bound in pack.bounds]
    for stage, lines in stages.items():
        for field, line in lines.items():
            for bound in bounds:
                is_bound = stage in bound.stages and field in bound.fields
                if is_bound and line.rule.level > bound.widest:
                    raise PolicyFileError(
                        line.place.file,
                        line.place.line,
                        f"`{field}: {line.rule.words}` is wider than the rule {bound.rule_id}"
                        f" allows at stage {stage.value} ({bound.place}: {bound.widest.word}).",
                        "Remove the line."
                        if bound.widest is Level.DROP
                        else f"Use {bound.widest.word} or less.",
                    )


def _bound(document: Document, node: Node, catalog: FieldCatalog) -> ScopeBound | None:
    mapping = document.mapping(node, "A rule")
    plain = {key.text: value for key, value in mapping.entries}
    kind_node = document.required(plain, "kind", line=node.line)
    kind = document.text(kind_node, "`kind`")
    if kind in OTHER_KINDS:
        return None
    if kind != DATA_SCOPE:
        document.fail(
            kind_node.line,
            "The kind of the rule is not known.",
            f"Use one of {', '.join(sorted({DATA_SCOPE, *OTHER_KINDS}))}.",
        )
    entries = document.entries(mapping, known=_RULE_KEYS, what="a rule of kind data_scope")
    fields = {
        document.choice(item, {known.name: known.name for known in catalog}, "a field")
        for item in (document.items(entries["fields"], "`fields`") if "fields" in entries else ())
    }
    classes: set[FieldClass] = {
        document.choice(item, CLASS_WORDS, "a class")
        for item in (
            document.items(entries["classes"], "`classes`") if "classes" in entries else ()
        )
    }
    fields |= {known.name for known in catalog if known.field_class in classes}
    if not fields:
        document.fail(node.line, "The rule names no field.", "Add `fields:` or `classes:`.")
    stages = (
        frozenset(
            document.choice(item, _STAGES, "a stage")
            for item in document.items(entries["stages"], "`stages`")
        )
        if "stages" in entries
        else frozenset(Stage)
    )
    widest = document.required(entries, "widest", line=node.line)
    return ScopeBound(
        identifier_of(document, document.required(entries, "id", line=node.line), "`id`"),
        frozenset(fields),
        stages,
        document.choice(widest, LEVEL_WORDS, "`widest`"),
        Place(document.file, node.line),
    )
