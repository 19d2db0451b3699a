"""Policy files, one for each vendor and contract, read into a bundle or refused with a way out."""

import functools
import importlib.resources
import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from importlib.resources.abc import Traversable

from policies.documents import Document, Node, Scalar, parse_document, read_document
from policies.errors import PolicyFileError, RuleError
from policies.fields import (
    FORM_WORDS,
    LEVEL_WORDS,
    FieldCatalog,
    Stage,
    load_field_catalog,
)
from policies.model import (
    DataScope,
    FieldRule,
    Network,
    PolicyBundle,
    Term,
    VendorPolicy,
    verify_rule,
)

# China has kept one offset without summer time since 1992, so no time-zone database is needed.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_REQUIRED = ("policy", "vendor", "contract", "term", "purposes", "stages")
_KEYS = frozenset({*_REQUIRED, "networks"})
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(_DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")
_RULE_WORDS = 2


@functools.cache
def load_packaged_bundle() -> PolicyBundle:
    """Return the bundle of the policies that come with the package, read once."""
    return load_bundle(importlib.resources.files("policies").joinpath("vendors"))


def load_bundle(directory: Traversable, catalog: FieldCatalog | None = None) -> PolicyBundle:
    """Read every *.yaml and *.yml of a directory (a pathlib.Path will do).

    One wrong file refuses the bundle: PolicyFileError. Nothing is loaded half.
    """
    try:
        found = sorted(
            (entry for entry in directory.iterdir() if _is_policy_name(entry.name)),
            key=lambda entry: entry.name,
        )
    except OSError as error:
        raise PolicyFileError(
            directory.name, 0, "The folder cannot be read.", "Check its name and permissions."
        ) from error
    catalog = catalog or load_field_catalog()
    return bundle_of(
        (entry.name, policy_of(read_document(entry, entry.name), catalog)) for entry in found
    )


def bundle_of(policies: Iterable[tuple[str, VendorPolicy]]) -> PolicyBundle:
    """Join (file name, policy) pairs; a second file for one contract is a PolicyFileError."""
    first: dict[tuple[str, str], str] = {}
    kept: list[VendorPolicy] = []
    for file, policy in policies:
        key = (policy.vendor, policy.contract)
        if key in first:
            raise PolicyFileError(
                file,
                0,
                f"{first[key]} already holds the policy of this vendor and contract.",
                "Keep one file for each contract.",
            )
        first[key] = file
        kept.append(policy)
    return PolicyBundle(tuple(kept))


def load_policy(data: bytes, file: str, catalog: FieldCatalog | None = None) -> VendorPolicy:
    """Read one policy from the bytes of its file; PolicyFileError when it cannot be accepted."""
    return policy_of(parse_document(data, file), catalog or load_field_catalog())


def policy_of(document: Document, catalog: FieldCatalog) -> VendorPolicy:
    """Read one policy from its document; PolicyFileError when it cannot be accepted."""
    entries = document.entries(document.root, known=_KEYS, what="a policy")
    parts = {key: document.required(entries, key, line=document.root.line) for key in _REQUIRED}
    return VendorPolicy.of(
        policy_id=_identifier(document, parts["policy"], "`policy`"),
        vendor=_identifier(document, parts["vendor"], "`vendor`"),
        contract=_identifier(document, parts["contract"], "`contract`"),
        term=_term(document, parts["term"]),
        purposes=_purposes(document, parts["purposes"]),
        networks=_networks(document, entries["networks"]) if "networks" in entries else (),
        scopes=_scopes(document, parts["stages"], catalog),
    )


def moment_of(document: Document, node: Node, what: str) -> datetime:
    """Read a date (its first instant in Asia/Shanghai) or an RFC 3339 time with an offset."""
    text = document.text(node, what)
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    return document.fail(
        node.line,
        f"{what} is not a date of this century.",
        "Write 2026-01-31, or 2026-01-31T18:00:00+08:00.",
    )


def _is_policy_name(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def _identifier(document: Document, node: Node, what: str) -> str:
    text = document.text(node, what)
    if not _IDENTIFIER.fullmatch(text):
        document.fail(
            node.line,
            f"{what} is not a plain name.",
            "Use up to 64 of a-z, 0-9, dot, hyphen and underscore.",
        )
    return text


def _term(document: Document, node: Node) -> Term:
    mapping = document.mapping(node, "`term`")
    entries = document.entries(mapping, known=frozenset({"from", "to"}), what="a term")
    first = document.required(entries, "from", line=node.line)
    last = document.required(entries, "to", line=node.line)
    begins = moment_of(document, first, "`from`")
    ends = moment_of(document, last, "`to`")
    if _DATE.fullmatch(document.text(last, "`to`")):
        # The last day named belongs to the contract.
        ends += timedelta(days=1)
    if ends <= begins:
        document.fail(last.line, "The term ends before it begins.", "Set `to` after `from`.")
    return Term(begins, ends)


def _purposes(document: Document, node: Node) -> frozenset[str]:
    listed = document.texts(node, "`purposes`")
    for item in listed:
        if not _PURPOSE.fullmatch(item.text):
            document.fail(item.line, "A purpose is not a code.", "Write A-Z, 0-9 and underscore.")
    if not listed:
        document.fail(node.line, "No purpose is given.", "Write [DEBT_COLLECTION_TEL].")
    return frozenset(item.text for item in listed)


def _networks(document: Document, node: Node) -> tuple[Network, ...]:
    networks: list[Network] = []
    for item in document.texts(node, "`networks`"):
        try:
            networks.append(ipaddress.ip_network(item.text))
        except ValueError:
            document.fail(
                item.line,
                "A network is not in CIDR form, or has bits set outside its mask.",
                "Write 203.0.113.0/28, or 203.0.113.7/32 for one address.",
            )
    if not networks:
        document.fail(node.line, "The list of networks is empty.", "Name one, or leave it out.")
    return tuple(networks)


def _scopes(document: Document, node: Node, catalog: FieldCatalog) -> tuple[DataScope, ...]:
    known = frozenset(stage.value for stage in Stage)
    stages = document.entries(document.mapping(node, "`stages`"), known=known, what="`stages`")
    if not stages:
        document.fail(node.line, "No stage is given.", "Write `bulk:`, `permit:` or both.")
    scopes: list[DataScope] = []
    for stage in Stage:
        if stage.value in stages:
            lines = document.mapping(stages[stage.value], f"`{stage.value}`")
            rules = tuple(
                _rule(document, key, value, stage, catalog) for key, value in lines.entries
            )
            scopes.append(DataScope.of(stage, rules, catalog))
    return tuple(scopes)


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
