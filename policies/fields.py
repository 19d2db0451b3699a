"""The catalogue of case fields: what each is, what it is called, how far it may ever go."""

import functools
import importlib.resources
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

from policies.documents import Document, Mapping, Scalar, quoted, read_document
from policies.errors import UnknownFieldError

_KEYS = frozenset({"name", "headers", "type", "class", "bulk", "permit", "forms", "origin"})

# These stay K3 even when the catalogue's file calls them something else. Further K3 fields may be
# added in the file; none can be taken away there.
_ALWAYS_K3 = frozenset(
    {"pan", "cvv", "card_expiry", "pin", "password", "otp", "biometric", "contacts_list"}
)


class FieldClass(StrEnum):
    """Sensitivity, narrowest duty first (JR/T 0171-2020 levels, PIPL article 28 for K2S)."""

    K0 = "K0"
    K1 = "K1"
    K2 = "K2"
    K2S = "K2S"
    K3 = "K3"


class Level(IntEnum):
    """How much of a value is released; a higher level never tells less than a lower one."""

    DROP = 0
    REDACT = 1
    GENERALISE = 2
    PARTIAL = 3
    PSEUDONYM = 4
    CLEAR = 5

    @property
    def word(self) -> str:
        """The word used in policy files."""
        return self.name.lower()


class Stage(StrEnum):
    """The two moments of release: lists and batches, or one live contact permit."""

    BULK = "bulk"
    PERMIT = "permit"


class Form(Enum):
    """The shape of a partial or generalised value, with the one level that it belongs to."""

    NAME = ("name", Level.PARTIAL)
    PHONE_CN = ("phone_cn", Level.PARTIAL)
    ACCOUNT = ("account", Level.PARTIAL)
    MONTH = ("month", Level.GENERALISE)
    DPD_BAND = ("dpd_band", Level.GENERALISE)
    AMOUNT_BAND = ("amount_band", Level.GENERALISE)
    CITY = ("city", Level.GENERALISE)
    PRODUCT_TYPE = ("product_type", Level.GENERALISE)
    HOLD = ("hold", Level.GENERALISE)
    AGE_BAND = ("age_band", Level.GENERALISE)
    YES_NO = ("yes_no", Level.GENERALISE)
    RELATION = ("relation", Level.GENERALISE)

    def __init__(self, word: str, level: Level) -> None:
        self.word = word
        self.level = level


class FieldType(StrEnum):
    """What a value of the field is, for whoever reads it from a lender's file."""

    TEXT = "text"
    ENUM = "enum"
    CODE = "code"
    CODES = "codes"
    DATE = "date"
    MONEY = "money"
    INTEGER = "integer"
    FLAG = "flag"
    PHONE = "phone"
    ID_NUMBER = "id_number"
    ACCOUNT = "account"
    ADDRESS = "address"
    PERCENT = "percent"
    TIMESTAMP = "timestamp"


class Origin(StrEnum):
    """Where a value comes from: a column of the lender's file, or the gateway itself."""

    IMPORT = "import"
    GATEWAY = "gateway"


LEVEL_WORDS = MappingProxyType({level.word: level for level in Level})
FORM_WORDS = MappingProxyType({form.word: form for form in Form})
CLASS_WORDS = MappingProxyType({member.value: member for member in FieldClass})
TYPE_WORDS = MappingProxyType({member.value: member for member in FieldType})
ORIGIN_WORDS = MappingProxyType({member.value: member for member in Origin})


@dataclass(frozen=True, slots=True)
class CatalogField:
    """One field of a case; `bulk` and `permit` are the widest levels, already closed for K3."""

    name: str
    headers: tuple[str, ...]
    type: FieldType
    field_class: FieldClass
    bulk: Level
    permit: Level
    forms: tuple[Form, ...]
    origin: Origin

    def __post_init__(self) -> None:
        """Close K3 here, in code: no file and no caller can build an open K3 field."""
        if self.name in _ALWAYS_K3:
            object.__setattr__(self, "field_class", FieldClass.K3)
        if self.field_class is FieldClass.K3:
            object.__setattr__(self, "bulk", Level.DROP)
            object.__setattr__(self, "permit", Level.DROP)

    def widest(self, stage: Stage) -> Level:
        """Return the widest level that any policy may give at this stage."""
        return self.bulk if stage is Stage.BULK else self.permit

    @property
    def is_reference(self) -> bool:
        """Whether vendors know this field only by a pseudonym of an internal key."""
        return Level.PSEUDONYM in {self.bulk, self.permit}


def normalised_header(text: str) -> str:
    """Fold full-width characters, case, and all white or invisible space of a column header."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(
        character
        for character in folded
        if not character.isspace() and unicodedata.category(character) != "Cf"
    )


class FieldCatalog:
    """The fields in their fixed order; the order in which rules and released values appear."""

    __slots__ = ("_by_header", "_by_name", "_positions")

    def __init__(self, fields: tuple[CatalogField, ...]) -> None:
        self._by_name = {field.name: field for field in fields}
        self._positions = {field.name: index for index, field in enumerate(fields)}
        self._by_header = {
            normalised_header(header): field
            for field in fields
            for header in (field.name, *field.headers)
        }

    def __iter__(self) -> Iterator[CatalogField]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def field(self, name: str) -> CatalogField:
        """Return the field of this exact name; UnknownFieldError when there is none."""
        found = self._by_name.get(name)
        if found is None:
            raise UnknownFieldError(
                f"The catalogue has no field {quoted(name)}.",
                "Take the name from policies/catalog/fields.yaml.",
            )
        return found

    def by_header(self, header: str) -> CatalogField | None:
        """Return the field of a column header, Chinese or snake_case, however it is spaced.

        K3 fields and fields of origin `gateway` are found too: the reader of a lender's file must
        raise an alarm for the first and ignore the second.
        """
        return self._by_header.get(normalised_header(header))

    def position(self, name: str) -> int:
        """Return the place of a field in the catalogue's order; UnknownFieldError if none."""
        self.field(name)
        return self._positions[name]


@functools.cache
def load_field_catalog() -> FieldCatalog:
    """Return the packaged catalogue, read once; PolicyFileError if the file is damaged."""
    source = importlib.resources.files("policies").joinpath("catalog", "fields.yaml")
    return catalog_from_document(read_document(source, "policies/catalog/fields.yaml"))


def catalog_from_document(document: Document) -> FieldCatalog:
    """Build a catalogue; a doubled name or header raises PolicyFileError."""
    top = document.entries(document.root, known=frozenset({"fields"}), what="the catalogue")
    listed = document.required(top, "fields", line=document.root.line)
    fields: list[CatalogField] = []
    taken: set[str] = set()
    for node in document.items(listed, "`fields`"):
        field = _catalog_field(document, document.mapping(node, "A field"))
        own = {normalised_header(header) for header in (field.name, *field.headers)}
        if taken & own:
            document.fail(
                node.line,
                "The field's name or one of its headers belongs to an earlier field.",
                "A header leads to one field only; remove it from one of the two.",
            )
        taken |= own
        if field.bulk > field.permit:
            document.fail(
                node.line,
                "A list would tell more than one live permit.",
                "Make `bulk` no wider than `permit`: lists are what leaks.",
            )
        fields.append(field)
    return FieldCatalog(tuple(fields))


def _catalog_field(document: Document, node: Mapping) -> CatalogField:
    entries = document.entries(node, known=_KEYS, what="a field")
    named = {
        key: document.required(entries, key, line=node.line)
        for key in ("name", "headers", "type", "class", "bulk", "permit")
    }
    forms = document.texts(entries["forms"], "`forms`") if "forms" in entries else ()
    origin = entries.get("origin", Scalar(Origin.IMPORT.value, node.line))
    return CatalogField(
        name=document.text(named["name"], "`name`"),
        headers=tuple(header.text for header in document.texts(named["headers"], "`headers`")),
        type=document.choice(named["type"], TYPE_WORDS, "`type`"),
        field_class=document.choice(named["class"], CLASS_WORDS, "`class`"),
        bulk=document.choice(named["bulk"], LEVEL_WORDS, "`bulk`"),
        permit=document.choice(named["permit"], LEVEL_WORDS, "`permit`"),
        forms=tuple(document.choice(form, FORM_WORDS, "`forms`") for form in forms),
        origin=document.choice(origin, ORIGIN_WORDS, "`origin`"),
    )
