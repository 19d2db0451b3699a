"""Which marks of a leaked file an open case fits, by which of its fields."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.cases.record import CaseRecord
from gateway.masking.names import masked_name
from gateway.masking.projection import MADE_PSEUDONYMS
from gateway.portfolio.marks import Mark, MarkKind, mask_of, mask_shape

_PHONES = ("mobile_phone", "home_phone", "work_phone", "related_phone")
_NAMES = ("full_name", "related_name")
_MASKABLE: Mapping[MarkKind, tuple[str, ...]] = {
    MarkKind.MASKED_PHONE: _PHONES,
    MarkKind.MASKED_DOCUMENT: ("id_number",),
    MarkKind.MASKED_ACCOUNT: ("bank_account_no", "core_account_no"),
}
_FIELDS: Mapping[MarkKind, tuple[str, ...]] = {
    MarkKind.DOCUMENT: ("id_number",),
    MarkKind.PHONE: _PHONES,
    MarkKind.NAME: _NAMES,
    MarkKind.CASE_NUMBER: ("source_case_no", "bank_account_no", "core_account_no"),
}


@dataclass(frozen=True, slots=True)
class Trait:
    """A mark that a case fits, by which field; `holder` is the vendor whose reference it is."""

    mark: Mark
    field: str
    holder: str | None = None


class Looks:
    """All marks of a file, ready to be looked for in one case after the other."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self._exact: dict[str, dict[str, Mark]] = defaultdict(dict)
        self._masks: dict[tuple[str, int, int], dict[str, Mark]] = defaultdict(dict)
        self._names: dict[str, Mark] = {}
        self._references: dict[str, Mark] = {}
        for mark in marks:
            for name in _FIELDS.get(mark.kind, ()):
                self._exact[name][mark.text] = mark
            for name in _MASKABLE.get(mark.kind, ()):
                self._masks[name, *mask_shape(mark)][mark.text] = mark
            if mark.kind is MarkKind.MASKED_NAME:
                self._names[mark.text] = mark
            elif mark.kind is MarkKind.REFERENCE:
                self._references[mark.text] = mark

    def traits_of(self, record: CaseRecord, holder: str | None) -> set[Trait]:
        """The traits of a case; `holder` is the vendor for which it was sealed last."""
        found: set[Trait] = set()
        for name, wanted in self._exact.items():
            value = record.get(name)
            if isinstance(value, str) and (mark := wanted.get(_bare(name, value))) is not None:
                found.add(Trait(mark, name))
        for (name, head, tail), wanted in self._masks.items():
            value = record.get(name)
            if isinstance(value, str) and len(value) > head + tail:
                masked = wanted.get(mask_of(value, head, tail))
                if masked is not None:
                    found.add(Trait(masked, name))
        if self._names:
            found |= self._masked_names(record)
        if self._references and holder is not None:
            found |= self._made(record, holder)
        return found

    def _masked_names(self, record: CaseRecord) -> set[Trait]:
        found = set()
        for name in _NAMES:
            value = record.get(name)
            if isinstance(value, str) and (mark := self._names.get(masked_name(value))):
                found.add(Trait(mark, name))
        return found

    def _made(self, record: CaseRecord, holder: str) -> set[Trait]:
        made = record.get(MADE_PSEUDONYMS)
        if not isinstance(made, dict):
            return set()
        return {
            Trait(self._references[value], name, holder)
            for name, value in made.items()
            if isinstance(value, str) and value in self._references
        }


def _bare(name: str, value: str) -> str:
    # Registers pad names of two characters with a space, and a case keeps it: 张 三.
    return value.replace(" ", "") if name in _NAMES else value
