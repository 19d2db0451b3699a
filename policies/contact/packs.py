"""Packs of contact rules: a law, a standard or the company's own rules, in one version."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources.abc import Traversable

import orjson

from policies.contact.kinds import ContactRule, rule_of
from policies.contact.parties import FACTS, Definition, PartyRule
from policies.documents import Document, parse_document
from policies.library import policy_files, read_text
from policies.packs import head_of
from policies.parameters import read_parameters

# Part of every digest: a new meaning of the same words must not keep the old digest.
_DIGEST_LABEL = "casegate/contact-pack/v1"


@dataclass(frozen=True, slots=True)
class ContactPack:
    """A pack; it binds contacts from `begins` up to but not with `ends` (None: until further).

    `digest` is the SHA-256 of what the rules mean, parameters filled in: a comment or another
    order of keys does not change it. `is_verified` tells whether a person has compared the pack
    with its source; since rules only deny, that makes no difference to a decision.
    `is_by_default` is false for packs of other countries, in force where they are asked for.
    `text` is the file as it was read.
    """

    pack_id: str
    version: str
    digest: str
    is_verified: bool
    begins: datetime
    ends: datetime | None
    rules: tuple[ContactRule, ...]
    text: str
    source: str = ""
    is_by_default: bool = True


def load_contact_packs(directory: Traversable) -> tuple[ContactPack, ...]:
    """Read the contact rules under `packs/` of a directory of policies, in the order of files.

    `parameters.yaml` of the same directory fills in what the rules leave to the company. A pack
    without contact rules is left out. PolicyFileError names the file, the line and the way out.
    """
    parameters = read_parameters(directory)
    folder = directory.joinpath("packs")
    packs: dict[str, ContactPack] = {}
    for source in policy_files(folder) if folder.is_dir() else ():
        file = f"packs/{source.name}"
        text = read_text(source, file)
        pack = read_contact_pack(text, file, parameters)
        if pack.pack_id in packs:
            parse_document(text.encode(), file).fail(
                1, "Another file already holds this name.", "Keep one of the two."
            )
        if pack.rules:
            packs[pack.pack_id] = pack
    return tuple(packs.values())


def read_contact_pack(text: str, file: str, parameters: Mapping[str, str | None]) -> ContactPack:
    """Read one pack from its text; `file` is how its errors name it (PolicyFileError)."""
    document = parse_document(text.encode(), file)
    head, nodes = head_of(document)
    found = [(node.line, rule_of(document, node, parameters)) for node in nodes]
    rules = tuple((line, rule) for line, rule in found if rule is not None)
    _verify_names(document, rules)
    _verify_terms(document, rules)
    kept = tuple(rule for _, rule in rules)
    moments = [head.begins, *([] if head.ends is None else [head.ends])]
    meaning = [
        _DIGEST_LABEL,
        head.pack_id,
        head.version,
        [moment.astimezone(UTC) for moment in moments],
        [[type(rule).__name__, rule] for rule in kept],
    ]
    encoded = orjson.dumps(meaning, default=_encoded, option=orjson.OPT_SORT_KEYS)
    return ContactPack(
        head.pack_id,
        head.version,
        hashlib.sha256(encoded).hexdigest(),
        head.is_verified,
        head.begins,
        head.ends,
        kept,
        text,
        head.source,
        head.is_by_default,
    )


def default_packs(packs: Iterable[ContactPack]) -> tuple[ContactPack, ...]:
    """Those that are in force without being asked for."""
    return tuple(pack for pack in packs if pack.is_by_default)


def _verify_names(document: Document, rules: tuple[tuple[int, ContactRule], ...]) -> None:
    seen: set[str] = set()
    for line, rule in rules:
        if rule.rule_id in seen:
            document.fail(line, "Two rules have the same id.", "Give each its own.")
        seen.add(rule.rule_id)


def _verify_terms(document: Document, rules: tuple[tuple[int, ContactRule], ...]) -> None:
    """A term has to be defined in the pack that uses it: then other packs can only narrow it."""
    known = FACTS | {rule.term for _, rule in rules if isinstance(rule, Definition)}
    for line, rule in rules:
        if isinstance(rule, PartyRule) and not rule.terms <= known:
            document.fail(
                line,
                "`unless` uses a term that this pack does not define.",
                "Add a rule of kind definition to the same file.",
            )


def _encoded(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError
