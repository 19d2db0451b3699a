"""What a scope says beside its fields: which cases, how many, free text, and telephone numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

from policies.documents import Document, Node

MAX_PULL_CASES_PER_DAY = 1_000_000
MAX_REVEALS_PER_DAY = 20_000
MAX_REVEALS_PER_AGENT_DAY = 500


class FreeText(IntEnum):
    """What leaves of a lender's notes; a higher member never tells less than a lower one."""

    NONE = 0
    CODES = 1
    REDACTED = 2

    @property
    def word(self) -> str:
        """The word used in policy files."""
        return self.name.lower()


class Placeholders(IntEnum):
    """What stands in a redacted note where a value was: its kind, or its kind with a number.

    A number is the same wherever the same value stood in a case's notes, so that a reader can tell
    two persons apart. It is another under another contract.
    """

    PLAIN = 0
    NUMBERED = 1

    @property
    def word(self) -> str:
        """The word used in policy files."""
        return self.name.lower()


class NumberHandling(IntEnum):
    """How a telephone number reaches an agent: dialled by a token, or shown once in a permit."""

    DIAL_TOKEN = 0
    REVEAL_ONCE = 1

    @property
    def word(self) -> str:
        """The word used in policy files."""
        return self.name.lower()


class HoldRule(StrEnum):
    """Whether cases under a hold are released: all cases, or none that is held."""

    ANY = "any"
    NONE = "none"


class RowKey(Enum):
    """What a row condition can look at; `word` in the file, `field` in the catalogue."""

    PROJECT = ("projects", "project_id")
    PORTFOLIO = ("portfolio", "portfolio_id")
    PRODUCT = ("product", "product_type")
    STAGE = ("stage", "collection_stage")
    REGION = ("region", "home_address")

    def __init__(self, word: str, field: str) -> None:
        self.word = word
        self.field = field


# Words of classes K0 and K1, which the database keeps beside the sealed case. A region and a hold
# are told by sensitive fields and are looked at only when the case is open.
SQL_KEYS = (RowKey.PROJECT, RowKey.PORTFOLIO, RowKey.PRODUCT, RowKey.STAGE)


@dataclass(frozen=True, slots=True)
class RowConditions:
    """Which cases a scope covers: each listed key must have one of its words.

    A key that is not in `allowed` does not limit. A case whose value is not known does not meet a
    condition on it.
    """

    allowed: Mapping[RowKey, frozenset[str]]
    hold: HoldRule = HoldRule.ANY

    def is_met(self, words: Mapping[RowKey, str | None], *, is_held: bool) -> bool:
        """Whether a case with these words is covered."""
        if self.hold is HoldRule.NONE and is_held:
            return False
        return all(words.get(key) in wanted for key, wanted in self.allowed.items())

    def content(self) -> dict[str, object]:
        """The conditions as plain data in a fixed order, for digests and the database."""
        listed: dict[str, object] = {
            key.word: sorted(self.allowed[key]) for key in RowKey if key in self.allowed
        }
        return listed | ({"hold": self.hold.value} if self.hold is HoldRule.NONE else {})


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most that may leave on one day in Asia/Shanghai; `pull_cases` None sets no number.

    Reveals of numbers are 0 unless the file grants some.
    """

    pull_cases: int | None = None
    reveals: int = 0
    reveals_per_agent: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything of a scope that is not a field's line."""

    rows: RowConditions = RowConditions(MappingProxyType({}))
    quotas: Quotas = Quotas()
    free_text: FreeText = FreeText.NONE
    numbers: NumberHandling = NumberHandling.DIAL_TOKEN
    placeholders: Placeholders = Placeholders.PLAIN

    def content(self) -> dict[str, object]:
        """The limits as plain data in a fixed order, for digests."""
        quotas = self.quotas
        content: dict[str, object] = {
            "rows": self.rows.content(),
            "quotas": [quotas.pull_cases, quotas.reveals, quotas.reveals_per_agent],
            "free_text": self.free_text.word,
            "numbers": self.numbers.word,
        }
        # Absent where it says nothing: the digests of earlier policies stay what they were.
        if self.placeholders is not Placeholders.PLAIN:
            content["placeholders"] = self.placeholders.word
        return content


NO_LIMITS = Limits()

LIMIT_KEYS = frozenset({"projects", "where", "quotas", "free_text", "placeholders", "numbers"})
QUOTA_BOUNDS = MappingProxyType(
    {
        "pull_cases_per_day": MAX_PULL_CASES_PER_DAY,
        "reveals_per_day": MAX_REVEALS_PER_DAY,
        "reveals_per_agent_day": MAX_REVEALS_PER_AGENT_DAY,
    }
)
FREE_TEXT_WORDS = MappingProxyType({member.word: member for member in FreeText})
PLACEHOLDER_WORDS = MappingProxyType({member.word: member for member in Placeholders})
NUMBER_WORDS = MappingProxyType({member.word: member for member in NumberHandling})
HOLD_WORDS = MappingProxyType({member.value: member for member in HoldRule})
WHERE_KEYS = MappingProxyType({key.word: key for key in RowKey if key is not RowKey.PROJECT})


def limits_of(document: Document, entries: Mapping[str, Node]) -> Limits:
    """Read the LIMIT_KEYS, each of which may be absent.

    PolicyFileError when one of them cannot be accepted.
    """
    quotas = _quotas(document, entries["quotas"]) if "quotas" in entries else Quotas()
    numbers = (
        document.choice(entries["numbers"], NUMBER_WORDS, "`numbers`")
        if "numbers" in entries
        else NumberHandling.DIAL_TOKEN
    )
    if numbers is NumberHandling.REVEAL_ONCE and not quotas.reveals:
        document.fail(
            entries["numbers"].line,
            "Numbers are revealed, but no number of reveals is granted.",
            "Add `quotas: { reveals_per_day: 200, reveals_per_agent_day: 40 }`.",
        )
    free_text = (
        document.choice(entries["free_text"], FREE_TEXT_WORDS, "`free_text`")
        if "free_text" in entries
        else FreeText.NONE
    )
    placeholders = (
        document.choice(entries["placeholders"], PLACEHOLDER_WORDS, "`placeholders`")
        if "placeholders" in entries
        else Placeholders.PLAIN
    )
    if placeholders is Placeholders.NUMBERED and free_text is not FreeText.REDACTED:
        document.fail(
            entries["placeholders"].line,
            "Placeholders are numbered, but no note leaves.",
            "Add `free_text: redacted`, or leave the line out.",
        )
    return Limits(_rows(document, entries), quotas, free_text, numbers, placeholders)


def _rows(document: Document, entries: Mapping[str, Node]) -> RowConditions:
    allowed: dict[RowKey, frozenset[str]] = {}
    if "projects" in entries:
        allowed[RowKey.PROJECT] = _words(document, entries["projects"], "`projects`")
    hold = HoldRule.ANY
    if "where" in entries:
        where = document.entries(
            document.mapping(entries["where"], "`where`"),
            known=frozenset({*WHERE_KEYS, "hold"}),
            what="`where`",
        )
        for word, node in where.items():
            if word == "hold":
                hold = document.choice(node, HOLD_WORDS, "`hold`")
            else:
                allowed[WHERE_KEYS[word]] = _words(document, node, f"`{word}`")
    return RowConditions(MappingProxyType(allowed), hold)


def _words(document: Document, node: Node, what: str) -> frozenset[str]:
    words = document.texts(node, what)
    if not words:
        document.fail(
            node.line,
            f"{what} is empty, so that no case would be covered.",
            "Name one, or leave the line out.",
        )
    return frozenset(word.text for word in words)


def _quotas(document: Document, node: Node) -> Quotas:
    found = {
        name: _number(document, value, name)
        for name, value in document.entries(
            document.mapping(node, "`quotas`"), known=frozenset(QUOTA_BOUNDS), what="`quotas`"
        ).items()
    }
    reveals = found.get("reveals_per_day", 0)
    per_agent = found.get("reveals_per_agent_day", min(reveals, MAX_REVEALS_PER_AGENT_DAY))
    if per_agent > reveals:
        document.fail(
            node.line,
            "One agent may reveal more than the whole vendor.",
            "Make `reveals_per_agent_day` no more than `reveals_per_day`.",
        )
    return Quotas(found.get("pull_cases_per_day"), reveals, per_agent)


def _number(document: Document, node: Node, name: str) -> int:
    text = document.text(node, f"`{name}`")
    most = QUOTA_BOUNDS[name]
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        document.fail(node.line, f"`{name}` is not a number.", f"Write 0 to {most}.")
    if int(text) > most:
        document.fail(
            node.line, f"`{name}` is more than anybody may have.", f"Write {most} or less."
        )
    return int(text)
