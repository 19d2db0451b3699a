"""The words of contact rules in a pack file, each read with its line in every error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import TypeVar

from policies.contact.excuses import Excuse
from policies.contact.model import Channel, ConsentScope, PartyRole
from policies.documents import Document, Node, Scalar

Chosen = TypeVar("Chosen")

CHANNELS = {channel.value: channel for channel in Channel}
PARTIES = {party.value: party for party in PartyRole}
SCOPES = {scope.value: scope for scope in ConsentScope}
REQUIRED = {"required": True, "not_required": False}

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?")
_NUMBER = re.compile(r"[0-9]{1,4}")
_PARAMETER = re.compile(r"[a-z_]+\.[a-z_]+")
_EXCUSE_KEYS = frozenset({"consent_scope", "reason", "captured"})
_CAPTURED = {"anywhen": False, "outside_window": True}


class UnsetParameterError(Exception):
    """The rule needs a parameter that is undecided; `name` says which."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


@dataclass(frozen=True, slots=True)
class RuleLines:
    """One rule of a file: its entries by key, and the parameters that a value may name."""

    document: Document
    entries: Mapping[str, Node]
    line: int
    parameters: Mapping[str, str | None]

    def choice(self, key: str, words: Mapping[str, Chosen]) -> Chosen:
        """One word that has to be there."""
        return self.document.choice(self.required(key), words, f"`{key}`")

    def choices(
        self, key: str, words: Mapping[str, Chosen], default: tuple[Chosen, ...] = ()
    ) -> tuple[Chosen, ...]:
        """A word or a list of words, each once, in the order of `words`; else `default`."""
        if key not in self.entries:
            return default
        node = self.entries[key]
        items = (node,) if isinstance(node, Scalar) else self.document.items(node, f"`{key}`")
        if not items:
            self.document.fail(node.line, f"`{key}` is empty.", "Name one, or leave it out.")
        chosen = [self.document.choice(item, words, f"`{key}`") for item in items]
        return tuple(word for word in words.values() if word in chosen)

    def names(self, key: str) -> frozenset[str]:
        """A list of plain texts; empty where the key is left out."""
        if key not in self.entries:
            return frozenset()
        return frozenset(item.text for item in self.document.texts(self.entries[key], f"`{key}`"))

    def required(self, key: str) -> Node:
        """The value of a key that has to be there."""
        return self.document.required(dict(self.entries), key, line=self.line)

    def number(self, key: str, *, least: int, most: int) -> int:
        """A whole number, or the name of the parameter that holds it.

        Raises:
            PolicyFileError: it is neither, or out of bounds.
            UnsetParameterError: the parameter is undecided.
        """
        node = self.required(key)
        text = self.document.text(node, f"`{key}`")
        text = self.parameter(node) if _PARAMETER.fullmatch(text) else text
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            self.document.fail(
                node.line, f"`{key}` is out of bounds.", f"Write {least} to {most}."
            )
        return int(text)

    def parameter(self, node: Node) -> str:
        """The value of the parameter that is named; see number for what is raised."""
        name = self.document.text(node, "A parameter")
        if name not in self.parameters:
            self.document.fail(
                node.line,
                "There is no parameter of this name.",
                "Take the name from policies/parameters.py.",
            )
        value = self.parameters[name]
        if value is None:
            raise UnsetParameterError(name)
        return value

    def time(self, key: str) -> time:
        """A local time of day, as "22:00:00"."""
        node = self.required(key)
        text = self.document.text(node, f"`{key}`")
        if not _TIME.fullmatch(text):
            self.document.fail(node.line, f"`{key}` is not a time.", 'Write "22:00:00".')
        return time.fromisoformat(text)

    def excuse(self) -> Excuse | None:
        """What stands under `unless`, None where it is left out."""
        if "unless" not in self.entries:
            return None
        node = self.entries["unless"]
        mapping = self.document.mapping(node, "`unless`")
        known = self.document.entries(mapping, known=_EXCUSE_KEYS, what="`unless` of this kind")
        inner = RuleLines(self.document, known, node.line, self.parameters)
        inner.required("consent_scope")
        return Excuse(
            inner.choices("consent_scope", SCOPES),
            needs_reason="reason" in known and inner.choice("reason", REQUIRED),
            is_captured_outside="captured" in known and inner.choice("captured", _CAPTURED),
        )

    def verify_without(self, key: str, *others: str) -> None:
        """Raise PolicyFileError when `key` stands beside one that would not be heeded."""
        for other in others:
            if other in self.entries:
                self.document.fail(
                    self.entries[other].line,
                    f"`{other}` means nothing beside `{key}`.",
                    "Write two rules.",
                )

    def flag(self, key: str) -> bool:
        """`required`, which is also what stands where the key is left out, or `not_required`."""
        return key not in self.entries or self.choice(key, REQUIRED)

    def channels(self) -> tuple[Channel, ...]:
        """`applies_to`: some channels, or all of them where it is left out."""
        return self.choices("applies_to", CHANNELS, tuple(Channel))
