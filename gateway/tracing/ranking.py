"""Ranks vendors by how well what they were given explains a leaked file; pure, no store."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from gateway.portfolio.looks import Trait
from gateway.portfolio.marks import MASKED, MarkKind
from gateway.tracing.disclosures import Given, Release
from gateway.tracing.resolution import ResolvedRow

ELSEWHERE = ""
"""Stands for any source but the vendors."""

_ROUNDS = 60
# A vendor can find out more of a person than it was given, but mostly it did not.
_OTHER_FORM = 0.1
# A row from elsewhere is about any case. Forms that only the gateway makes are rarely found there,
# references and canaries practically never.
_MASKED_ELSEWHERE = 0.1
_OWN_ELSEWHERE = 1e-6
_MOST_RECEIPTS = 20


@dataclass(frozen=True, slots=True)
class ReceiptOf:
    """A release by its receipt, with the number of leaked rows that left in it."""

    index: int
    leaf_hash: str
    time: str
    rows: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """A vendor and why: numbers are rows of the file.

    `likelihood` is the part of the file that this vendor explains best, from 0 to 1; `given` rows
    are about cases that it was given at all, `in_form` in the very form that leaked, `alone` given
    to nobody else; `references` bear its own references; `canaries` are invented and its alone.
    """

    vendor: str
    contracts: tuple[str, ...]
    likelihood: float
    given: int
    in_form: int
    alone: int
    references: int
    canaries: int
    first: str | None
    last: str | None
    receipts: tuple[ReceiptOf, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """What a row says of each vendor: how much of it could have come from there, 0 to 1."""

    fits: Mapping[str, float]
    likelihoods: Mapping[str, float]
    alone: str | None
    reference_of: str | None
    canary_of: str | None


def rank_vendors(
    rows: Sequence[ResolvedRow],
    given: Mapping[UUID, Sequence[Given]],
    *,
    shares: Mapping[str, float],
    canaries: Mapping[UUID, str],
) -> tuple[list[Suspect], float]:
    """The vendors in the order of likelihood, and the part that no vendor explains.

    `shares` is the part of all cases that each vendor was assigned: who was given everything is
    not made suspicious by a row that he was given. `canaries` are vendors by their canary cases.
    A file put together from several vendors' data is divided among them (a mixture, fitted by
    expectation and maximisation); rows that lead nowhere are left aside.
    """
    read = [_read(row, given, shares=shares, canaries=canaries) for row in rows if row.cases]
    vendors = sorted({vendor for row in read for vendor in row.fits})
    parts = _mixture(read, vendors)
    suspects = [_suspect(vendor, parts.get(vendor, 0.0), rows, read, given) for vendor in vendors]
    suspects.sort(key=lambda one: (-one.likelihood, -one.in_form, -one.given, one.vendor))
    return suspects, parts.get(ELSEWHERE, 0.0)


def is_in_form(trait: Trait, words: AbstractSet[str]) -> bool:
    """Whether a field at these levels shows what leaked; `words` as policies say them."""
    levels = {word.split()[0] for word in words}
    if trait.mark.kind is MarkKind.REFERENCE:
        return "pseudonym" in levels
    if trait.mark.kind in MASKED:
        return bool(levels & {"partial", "clear"})
    return "clear" in levels


def _read(
    row: ResolvedRow,
    given: Mapping[UUID, Sequence[Given]],
    *,
    shares: Mapping[str, float],
    canaries: Mapping[UUID, str],
) -> _Row:
    fits: dict[str, float] = defaultdict(float)
    holders: list[set[str]] = []
    for case_id, traits in row.cases.items():
        best: dict[str, float] = {}
        for what in given.get(case_id, ()):
            fit = 1.0 if _shows(what, traits) else _OTHER_FORM
            best[what.vendor] = max(fit, best.get(what.vendor, 0.0))
        holders.append({vendor for vendor, fit in best.items() if fit == 1.0} or set(best))
        for vendor, fit in best.items():
            fits[vendor] += fit / len(row.cases)
    traits = frozenset().union(*row.cases.values())
    reference_of = next((trait.holder for trait in traits if trait.holder is not None), None)
    owners = {canaries.get(case_id) for case_id in row.cases}
    canary_of = owners.pop() if len(owners) == 1 else None
    if reference_of is not None:
        # References are made under one vendor's key: nobody else was ever given them.
        fits = defaultdict(float, {reference_of: max(fits.get(reference_of, 0.0), _OTHER_FORM)})
    if canary_of is not None:
        fits = defaultdict(float, {canary_of: max(fits.get(canary_of, 0.0), _OTHER_FORM)})
    likelihoods = {
        vendor: fit / max(shares.get(vendor, 1.0), 1e-9) for vendor, fit in fits.items()
    }
    likelihoods[ELSEWHERE] = (
        _OWN_ELSEWHERE
        if reference_of is not None or canary_of is not None
        else _MASKED_ELSEWHERE
        if any(trait.mark.kind in MASKED for trait in traits)
        else 1.0
    )
    only = holders[0] if all(one == holders[0] for one in holders) else set()
    alone = next(iter(only)) if len(only) == 1 else None
    return _Row(dict(fits), likelihoods, alone, reference_of, canary_of)


def _shows(what: Given, traits: Iterable[Trait]) -> bool:
    """Whether every mark of the row was given, by one field or another."""
    shown: dict[object, bool] = {}
    for trait in traits:
        is_own = trait.holder in {None, what.vendor}
        is_shown = is_own and is_in_form(trait, what.words.get(trait.field, set()))
        shown[trait.mark] = shown.get(trait.mark, False) or is_shown
    return all(shown.values())


def _mixture(rows: Sequence[_Row], vendors: Sequence[str]) -> dict[str, float]:
    """The part of the rows that comes from each source, fitted from equal parts."""
    if not rows:
        return {}
    sources = [*vendors, ELSEWHERE]
    parts = dict.fromkeys(sources, 1 / len(sources))
    for _round in range(_ROUNDS):
        taken: dict[str, float] = defaultdict(float)
        for row in rows:
            joint = {
                source: parts[source] * likelihood
                for source, likelihood in row.likelihoods.items()
            }
            whole = sum(joint.values()) or 1.0
            for source, value in joint.items():
                taken[source] += value / whole
        parts = {source: taken[source] / len(rows) for source in sources}
    return parts


def _suspect(
    vendor: str,
    likelihood: float,
    rows: Sequence[ResolvedRow],
    read: Sequence[_Row],
    given: Mapping[UUID, Sequence[Given]],
) -> Suspect:
    releases: dict[int, Release] = {}
    leaked: dict[int, set[int]] = defaultdict(set)
    contracts: set[str] = set()
    was_given: set[int] = set()
    in_form: set[int] = set()
    for row in rows:
        for case_id, traits in row.cases.items():
            for what in given.get(case_id, ()):
                if what.vendor != vendor:
                    continue
                contracts.add(what.contract)
                was_given.add(row.number)
                if _shows(what, traits):
                    in_form.add(row.number)
                for release in what.releases:
                    releases[release.index] = release
                    leaked[release.index].add(row.number)
    times = sorted(release.time for release in releases.values())
    newest = sorted(leaked, key=lambda index: (-len(leaked[index]), -index))[:_MOST_RECEIPTS]
    counts = {
        "alone": sum(row.alone == vendor for row in read),
        "references": sum(row.reference_of == vendor for row in read),
        "canaries": sum(row.canary_of == vendor for row in read),
    }
    return Suspect(
        vendor,
        tuple(sorted(contracts)),
        likelihood,
        len(was_given),
        len(in_form),
        counts["alone"],
        counts["references"],
        counts["canaries"],
        times[0] if times else None,
        times[-1] if times else None,
        tuple(
            ReceiptOf(index, releases[index].leaf_hash, releases[index].time, len(leaked[index]))
            for index in newest
        ),
        _reasons(len(rows), len(was_given), len(in_form), counts),
    )


def _reasons(
    rows: int, was_given: int, in_form: int, counts: Mapping[str, int]
) -> tuple[str, ...]:
    said = [f"was given {was_given} of {rows} rows, {in_form} in the form that leaked"]
    if counts["alone"]:
        said.append(f"{counts['alone']} rows were given to it alone")
    if counts["references"]:
        said.append(f"{counts['references']} rows bear references that only it was given")
    if counts["canaries"]:
        said.append(f"{counts['canaries']} rows are canaries that only it was given")
    return tuple(said)
