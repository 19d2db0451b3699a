"""Result codes: how a contact went, what it counts as, and what follows from it."""

import functools
import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policies.contact.errors import UnknownCodeError
from policies.contact.model import CallKind, Measure, PointValidity
from policies.documents import Document, Node, quoted, read_document

_COUNTS = {
    "attempt": Measure.ATTEMPT,
    "unanswered": Measure.UNANSWERED,
    "notify": Measure.CONNECTED_NOTIFY,
    "effective": Measure.EFFECTIVE,
    "conversation": Measure.CONVERSATION,
    "conversation_inbound": Measure.CONVERSATION_INBOUND,
}
# A notice is capped as a notice and a talk as a talk (GB/T 45251-2025): one call is one of them.
_NOT_OF = {CallKind.NOTIFY: Measure.EFFECTIVE, CallKind.INTERACTIVE: Measure.CONNECTED_NOTIFY}
_CONNECTED = {word: word for word in ("no", "partly", "yes")}
_PARTIES = {word: word for word in ("none", "unknown", "self", "other", "contact", "any")}
_YES = {"yes": True, "no": False}
_KEYS = frozenset({"code", "words", "connected", "party", "counts", "failed", "talk", "sets"})
_SETS = frozenset({"hold", "validity", "opt_out", "request"})
_LONGEST = 32


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One way a contact may have gone.

    `counts` are the bits of Measure of a call of any kind; measures() narrows them. `party` is who
    was reached. `needs_talk`: there must have been time to talk. `is_failed`: a try at the
    debtor's own number that reached nobody. What follows: a hold of this code, the number's state,
    no further call for ever (`opts_out`), a special request of this type.
    """

    code: str
    words: str
    connected: str
    party: str
    counts: int
    is_failed: bool
    needs_talk: bool
    hold: str | None = None
    validity: PointValidity | None = None
    opts_out: bool = False
    request: str | None = None

    @property
    def needs_contact_person(self) -> bool:
        """Whether it can only end a permit for a contact person."""
        return self.party == "contact"

    def measures(self, kind: CallKind) -> int:
        """The bits of Measure that such an end of a call of this kind counts as."""
        return self.counts & ~int(_NOT_OF[kind])

    def measures_inbound(self) -> int:
        """The same of a call that the debtor made: a talk, or nothing."""
        is_talk = self.counts & (Measure.CONVERSATION | Measure.CONVERSATION_INBOUND)
        return int(Measure.CONVERSATION_INBOUND) if is_talk else 0

    @property
    def reaches(self) -> bool:
        """Whether somebody was there to talk to."""
        return self.connected == "yes"


class ResultCodes:
    """The codes in the order of the catalogue."""

    __slots__ = ("_by_code",)

    def __init__(self, codes: tuple[ResultCode, ...]) -> None:
        self._by_code = {code.code: code for code in codes}

    def __iter__(self) -> Iterator[ResultCode]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def get(self, code: str) -> ResultCode | None:
        """The code of exactly this name, None when there is none."""
        return self._by_code.get(code)

    def code(self, code: str) -> ResultCode:
        """The code of exactly this name; UnknownCodeError, which repeats short names only."""
        found = self._by_code.get(code)
        if found is None:
            raise UnknownCodeError(quoted(code) if len(code) <= _LONGEST else "(a long text)")
        return found

    def measures_of(self, code: str, kind: CallKind) -> int:
        """What a call of this kind that ended so counts as; UnknownCodeError if none is so."""
        return self.code(code).measures(kind)


@functools.cache
def load_results() -> ResultCodes:
    """The packaged catalogue, read once; PolicyFileError if the file is damaged."""
    source = importlib.resources.files("policies").joinpath("catalog", "results.yaml")
    return results_of(read_document(source, "policies/catalog/results.yaml"))


def measures_of(code: str, kind: CallKind) -> int:
    """What a call of this kind that ended so counts as, by the packaged catalogue."""
    return load_results().measures_of(code, kind)


def possible_measures(kind: CallKind) -> int:
    """All that a call of this kind may count as while nobody has said how it went."""
    reached = functools.reduce(lambda bits, code: bits | code.counts, load_results(), 0)
    inbound = int(Measure.CONVERSATION_INBOUND)
    return reached & ~inbound & ~int(_NOT_OF[kind])


def results_of(document: Document) -> ResultCodes:
    """Read a catalogue of result codes; PolicyFileError when it cannot be accepted."""
    top = document.entries(document.root, known=frozenset({"results"}), what="the catalogue")
    listed = document.required(top, "results", line=document.root.line)
    codes = tuple(_code(document, node) for node in document.items(listed, "`results`"))
    if len({code.code for code in codes}) < len(codes):
        document.fail(listed.line, "A code is given twice.", "Keep one of the two.")
    return ResultCodes(codes)


def _code(document: Document, node: Node) -> ResultCode:
    entries = document.entries(
        document.mapping(node, "A result"), known=_KEYS, what="a result code"
    )
    parts = {
        key: document.required(entries, key, line=node.line) for key in sorted(_KEYS - {"sets"})
    }
    counts = 0
    for item in document.items(parts["counts"], "`counts`"):
        counts |= int(document.choice(item, _COUNTS, "`counts`"))
    sets: Mapping[str, Node] = {}
    if "sets" in entries:
        mapping = document.mapping(entries["sets"], "`sets`")
        sets = document.entries(mapping, known=_SETS, what="what a result sets")
    states = {state.value: state for state in PointValidity}
    return ResultCode(
        document.text(parts["code"], "`code`"),
        document.text(parts["words"], "`words`"),
        document.choice(parts["connected"], _CONNECTED, "`connected`"),
        document.choice(parts["party"], _PARTIES, "`party`"),
        counts,
        document.choice(parts["failed"], _YES, "`failed`"),
        document.choice(parts["talk"], _YES, "`talk`"),
        document.text(sets["hold"], "`hold`") if "hold" in sets else None,
        document.choice(sets["validity"], states, "`validity`") if "validity" in sets else None,
        "opt_out" in sets and document.choice(sets["opt_out"], _YES, "`opt_out`"),
        document.text(sets["request"], "`request`") if "request" in sets else None,
    )
