"""What a debtor may ask for or claim: types of special requests, and what follows from each."""

import importlib.resources
from collections.abc import Mapping as Words
from dataclasses import dataclass
from types import MappingProxyType

from policies.documents import Document, Node, read_document
from policies.parameters import PARAMETERS

_FILE = "policies/catalog/requests.yaml"
_TOP = frozenset({"requests", "holds", "decisions", "instructions"})
_KEYS = frozenset({"type", "hold", "routing", "days"})
_YES_NO = MappingProxyType({"yes": True, "no": False})


@dataclass(frozen=True, slots=True)
class RequestType:
    """One type; `routing` and `days` are names of parameters (policies.parameters)."""

    name: str
    sets_hold: bool
    routing: str
    days: str


@dataclass(frozen=True, slots=True)
class RequestCatalog:
    """The types by name; further grounds of holds; codes of decisions and of instructions."""

    types: Words[str, RequestType]
    holds: frozenset[str]
    decisions: frozenset[str]
    instructions: frozenset[str]

    @property
    def hold_codes(self) -> frozenset[str]:
        """Every ground of a hold that the company may name."""
        return self.holds | {name for name, kind in self.types.items() if kind.sets_hold}


def load_request_catalog() -> RequestCatalog:
    """Return the packaged catalogue; PolicyFileError if the file is damaged."""
    source = importlib.resources.files("policies").joinpath("catalog", "requests.yaml")
    return catalog_from_document(read_document(source, _FILE))


def catalog_from_document(document: Document) -> RequestCatalog:
    """Build a catalogue; a doubled type or an unknown parameter raises PolicyFileError."""
    top = document.entries(document.root, known=_TOP, what="the catalogue of requests")
    line = document.root.line
    types: dict[str, RequestType] = {}
    for node in document.items(document.required(top, "requests", line=line), "`requests`"):
        kind = _type_of(document, node)
        if kind.name in types:
            document.fail(node.line, "The type stands here twice.", "Keep one of the two lines.")
        types[kind.name] = kind
    words = {
        key: frozenset(
            word.text for word in document.texts(document.required(top, key, line=line), key)
        )
        for key in ("holds", "decisions", "instructions")
    }
    return RequestCatalog(MappingProxyType(types), **words)


def _type_of(document: Document, node: Node) -> RequestType:
    entries = document.entries(document.mapping(node, "A request"), known=_KEYS, what="a request")
    named = {key: document.required(entries, key, line=node.line) for key in sorted(_KEYS)}
    parameters = {name: name for name in PARAMETERS}
    return RequestType(
        document.text(named["type"], "`type`"),
        document.choice(named["hold"], _YES_NO, "`hold`"),
        document.choice(named["routing"], parameters, "`routing`"),
        document.choice(named["days"], parameters, "`days`"),
    )
