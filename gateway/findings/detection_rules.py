"""Rules of detection, read from detection.yaml: data, so that a company can change them."""

import functools
import importlib.resources
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources.abc import Traversable

from gateway.findings.detection_queries import QUERIES
from gateway.findings.record import Severity
from policies.documents import Document, Node, read_document

_FILE = "detection.yaml"
_KEYS = frozenset({"id", "severity", "kind", "window_hours", "threshold", "told"})
_LONGEST_HOURS, _MOST = 2400, 1_000_000
_YES = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class DetectionRule:
    """What is looked for: `kind` names the query, `window` and `threshold` are its numbers."""

    name: str
    severity: Severity
    kind: str
    window: timedelta
    threshold: int
    is_told: bool


def read_detection_rules(directory: Traversable) -> tuple[DetectionRule, ...]:
    """The rules of a directory of policies, or the packaged ones if it has none.

    Raises:
        policies.errors.PolicyFileError: the file cannot be accepted.
    """
    source = directory.joinpath(_FILE)
    if not source.is_file():
        return packaged_rules()
    return _rules_of(read_document(source, _FILE))


@functools.cache
def packaged_rules() -> tuple[DetectionRule, ...]:
    """The rules that this version comes with."""
    source = importlib.resources.files("policies").joinpath(_FILE)
    return _rules_of(read_document(source, f"policies/{_FILE}"))


def _rules_of(document: Document) -> tuple[DetectionRule, ...]:
    top = document.entries(document.root, known=frozenset({"rules"}), what="the rules")
    listed = document.required(top, "rules", line=document.root.line)
    rules = tuple(_rule(document, node) for node in document.items(listed, "`rules`"))
    if len({rule.name for rule in rules}) < len(rules):
        document.fail(listed.line, "A rule is given twice.", "Keep one of the two.")
    return rules


def _rule(document: Document, node: Node) -> DetectionRule:
    entries = document.entries(document.mapping(node, "A rule"), known=_KEYS, what="a rule")
    parts = {key: document.required(entries, key, line=node.line) for key in sorted(_KEYS)}
    hours = _number(document, parts["window_hours"], "`window_hours`", _LONGEST_HOURS)
    return DetectionRule(
        document.text(parts["id"], "`id`"),
        document.choice(parts["severity"], {each.value: each for each in Severity}, "`severity`"),
        document.choice(parts["kind"], {kind: kind for kind in QUERIES}, "`kind`"),
        timedelta(hours=hours),
        _number(document, parts["threshold"], "`threshold`", _MOST),
        document.choice(parts["told"], _YES, "`told`"),
    )


def _number(document: Document, node: Node, what: str, most: int) -> int:
    text = document.text(node, what)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        document.fail(node.line, f"{what} is out of bounds.", f"Write 1 to {most}.")
    return int(text)
