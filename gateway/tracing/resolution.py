"""Which case a leaked row most likely is about: by what it says, weighed by how rare that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2
from uuid import UUID

from gateway.portfolio.looks import Trait
from gateway.portfolio.marks import MarkedRow
from gateway.portfolio.matching import Matches

MOST_CASES_A_ROW = 20
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class ResolvedRow:
    """A row and the cases that fit it best, all equally well, with the traits of each.

    No case: nothing known fits. `is_ambiguous`: more than 20 fit equally well, so that the row
    says nothing, and none is named.
    """

    number: int
    cases: dict[UUID, frozenset[Trait]]
    is_ambiguous: bool = False


def resolve_rows(rows: Iterable[MarkedRow], found: Matches) -> list[ResolvedRow]:
    """The best cases of each row, in the order of the rows."""
    return [_resolved(row, found) for row in rows]


def _resolved(row: MarkedRow, found: Matches) -> ResolvedRow:
    weights = {mark: _bits(found, found.counts[mark]) for mark in row.marks}
    scores = {
        case_id: (sum(weights[mark] for mark in {trait.mark for trait in traits}), traits)
        for case_id, traits in found.cases_of(row).items()
    }
    best = max((score for score, _traits in scores.values()), default=0.0)
    cases = {
        case_id: traits for case_id, (score, traits) in scores.items() if score >= best - _TIE
    }
    if len(cases) > MOST_CASES_A_ROW:
        return ResolvedRow(row.number, {}, is_ambiguous=True)
    return ResolvedRow(row.number, cases)


def _bits(found: Matches, cases: int) -> float:
    """How much a mark tells: the rarer, the more; a mark of every case tells nothing."""
    return log2(max(found.total, cases, 1) / max(cases, 1))
