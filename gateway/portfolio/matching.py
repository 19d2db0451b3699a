"""Finds the cases that the marks of a leaked file fit: by keyed digests, by looking into cases."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import TupleRow

from gateway.cases.record import CaseRecord
from gateway.masking.pseudonyms import PseudonymKey
from gateway.portfolio.identifiers import id_number_spellings
from gateway.portfolio.looks import Looks, Trait
from gateway.portfolio.marks import Mark, MarkedRow, MarkKind
from gateway.portfolio.sealing import contact_mac, person_mac, source_mac
from keys.envelope import open_sealed
from keys.kek import KeyEncryptionKey
from keys.secret import Secret

MOST_CASES_A_MARK = 200
_FETCH = 1_000

_TOTAL = "SELECT count(*) FROM casegate.case_record"
_BY_REF = """
SELECT case_ref, case_id, vendor_id FROM casegate.assigned_case WHERE case_ref = ANY(%s)
"""
_BY_MAC = {
    "id_number": "SELECT person_mac, case_id FROM casegate.case_record WHERE person_mac = ANY(%s)",
    "mobile_phone": (
        "SELECT contact_mac, case_id FROM casegate.case_record WHERE contact_mac = ANY(%s)"
    ),
    "source_case_no": (
        "SELECT source_mac, case_id FROM casegate.case_record WHERE source_mac = ANY(%s)"
    ),
}
_PEOPLE = """
SELECT a.vendor_id, a.contract_id, a.case_id, r.person_mac, r.contact_mac
  FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
"""
_SEALED = """
SELECT r.case_id, r.kek_id, r.wrapped_key, r.sealed,
       (SELECT a.vendor_id FROM casegate.assigned_case a WHERE a.case_id = r.case_id
         ORDER BY a.sequence DESC LIMIT 1)
  FROM casegate.case_record r WHERE %(cases)s::uuid[] IS NULL OR r.case_id = ANY(%(cases)s)
"""

Progress = Callable[[int, int], None]
_Indexed = dict[Mark, set[tuple[UUID, Trait]]]


@dataclass(frozen=True, slots=True)
class MatchingKeys:
    """What a search needs to recognise cases; `pseudonyms` by vendor and contract."""

    index: Secret
    kek: KeyEncryptionKey
    pseudonyms: Callable[[str, str], PseudonymKey]


@dataclass(slots=True)
class Matches:
    """Cases with their traits; `counts` says for each mark how many cases fit it.

    A mark that more than 200 cases fit leads to nobody, but where another mark leads to a case,
    all its traits count. `opened` is the number of cases looked into, of `total`.
    """

    total: int
    opened: int = 0
    counts: Counter[Mark] = field(default_factory=Counter)
    _traits: dict[UUID, set[Trait]] = field(default_factory=lambda: defaultdict(set))
    _cases: dict[Mark, set[UUID]] = field(default_factory=lambda: defaultdict(set))

    def add(self, case_id: UUID, traits: set[Trait]) -> None:
        """Takes in what a case fits, if any of it leads to the case."""
        for mark in {trait.mark for trait in traits}:
            self.counts[mark] += 1
        if any(map(self._leads, {trait.mark for trait in traits})):
            self._traits[case_id] |= traits
            for trait in traits:
                self._cases[trait.mark].add(case_id)

    def cases_of(self, row: MarkedRow) -> dict[UUID, frozenset[Trait]]:
        """The cases that a row leads to, with those of its traits that they have."""
        leading = [mark for mark in row.marks if self._leads(mark)]
        return {
            case_id: frozenset(t for t in self._traits[case_id] if t.mark in row.marks)
            for case_id in {case_id for mark in leading for case_id in self._cases.get(mark, ())}
        }

    def _leads(self, mark: Mark) -> bool:
        return is_telling(mark) and self.counts[mark] <= MOST_CASES_A_MARK


def is_telling(mark: Mark) -> bool:
    """Whether a mark may lead to a case by itself: a masked name fits too many."""
    return mark.kind is not MarkKind.MASKED_NAME


class CaseMatcher:
    """One search for all marks of a file, on a connection of the company's role."""

    def __init__(self, connection: psycopg.Connection, keys: MatchingKeys) -> None:
        self._connection = connection
        self._keys = keys

    def match(self, rows: Iterable[MarkedRow], *, progress: Progress) -> Matches:
        """Looks for every row: what has a digest by its index, the rest case by case.

        Where every row has something with an index, only the cases found by it are opened. Cases
        are opened one at a time; nothing of one is kept but the marks that it fits. `progress`
        hears how many cases were looked at, and of how many.

        Raises:
            EnvelopeError: a case does not open.
        """
        rows = list(rows)
        marks = {mark for row in rows for mark in row.marks}
        total = self._connection.execute(_TOTAL).fetchone()
        found = Matches(int(total[0]) if total else 0)
        indexed = self._by_index(marks)
        by_case: dict[UUID, set[Trait]] = defaultdict(set)
        for hits in indexed.values():
            for case_id, trait in hits:
                by_case[case_id].add(trait)
        is_whole = not all(_is_settled(row, indexed) for row in rows)
        to_open = None if is_whole else list(by_case)
        whole = found.total if to_open is None else len(to_open)
        looks = Looks(marks)
        for case_id, holder, record in self._opened(to_open):
            traits = looks.traits_of(record, holder) | by_case.get(case_id, set())
            if traits:
                found.add(case_id, traits)
            found.opened += 1
            if found.opened % _FETCH == 0:
                progress(found.opened, whole)
        progress(found.opened, whole)
        return found

    def _by_index(self, marks: set[Mark]) -> _Indexed:
        found: _Indexed = defaultdict(set)
        for name, digests in self._digests(marks).items():
            for digest, case_id in self._connection.execute(_BY_MAC[name], (list(digests),)):
                mark = digests[bytes(digest)]
                found[mark].add((case_id, Trait(mark, name)))
        references = {mark.text: mark for mark in marks if mark.kind is MarkKind.REFERENCE}
        for ref, case_id, vendor in self._connection.execute(_BY_REF, (list(references),)):
            mark = references.pop(str(ref))  # one vendor's, so that it is there once
            found[mark].add((case_id, Trait(mark, "case_ref", vendor)))
        if references:
            self._by_person(references, found)
        return dict(found)

    def _digests(self, marks: set[Mark]) -> dict[str, dict[bytes, Mark]]:
        key = self._keys.index
        digests: dict[str, dict[bytes, Mark]] = {name: {} for name in _BY_MAC}
        for mark in marks:
            if mark.kind is MarkKind.DOCUMENT:
                for spelling in id_number_spellings(mark.text):
                    digests["id_number"][person_mac(key, spelling)] = mark
            elif mark.kind is MarkKind.PHONE:
                digests["mobile_phone"][contact_mac(key, mark.text)] = mark
            elif mark.kind is MarkKind.CASE_NUMBER:
                digests["source_case_no"][source_mac(key, mark.text)] = mark
        return {name: known for name, known in digests.items() if known}

    def _by_person(self, references: Mapping[str, Mark], found: _Indexed) -> None:
        """References of people and numbers stand nowhere: they are made again for everybody."""
        makers: dict[tuple[str, str], tuple[Callable[[str], str], Callable[[str], str]]] = {}
        with self._streamed("traced_people", _PEOPLE) as people:
            for vendor, contract, case_id, person, contact in people:
                makes = makers.get((vendor, contract))
                if makes is None:
                    key = self._keys.pseudonyms(vendor, contract)
                    makes = key.tokenizer("debtor_ref"), key.tokenizer("contact_point_ref")
                    makers[vendor, contract] = makes
                mark = references.get(makes[0](bytes(person).hex()))
                if mark is not None:
                    found[mark].add((case_id, Trait(mark, "debtor_ref", vendor)))
                mark = references.get(makes[1](bytes(contact).hex()))
                if mark is not None:
                    found[mark].add((case_id, Trait(mark, "contact_point_ref", vendor)))

    def _opened(self, cases: list[UUID] | None) -> Iterator[tuple[UUID, str | None, CaseRecord]]:
        with self._streamed("traced_cases", _SEALED, {"cases": cases}) as rows:
            for case_id, kek_id, wrapped_key, sealed, holder in rows:
                plain = open_sealed(
                    sealed, wrapped_key, self._keys.kek, context=case_id.bytes, kek_id=kek_id
                )
                yield case_id, holder, orjson.loads(plain)

    @contextmanager
    def _streamed(
        self, name: str, query: str, parameters: Mapping[str, object] | None = None
    ) -> Iterator[psycopg.ServerCursor[TupleRow]]:
        """Rows by the thousand, whatever their number."""
        with self._connection.transaction(), self._connection.cursor(name=name) as cursor:
            cursor.itersize = _FETCH
            cursor.execute(query, parameters, binary=True)
            yield cursor


def _is_settled(row: MarkedRow, indexed: Mapping[Mark, object]) -> bool:
    """Whether nothing more is to be found by looking into every case."""
    telling = [mark for mark in row.marks if is_telling(mark)]
    return not telling or any(mark in indexed for mark in telling)
