"""Which modules each word of the command line needs: a command loads its own part only."""

from collections.abc import Iterator, MutableMapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

# A word, and the modules of this package whose `add_to` adds it or adds to it. Of a group the
# first is `module:attribute`, the group's own Typer.
WORDS: dict[str, tuple[str, ...]] = {
    "sandbox": ("trial",),
    "serve": ("serve",),
    "demo": ("trial",),
    "sample-portfolio": ("samples",),
    "openapi": ("descriptions",),
    "redact": ("redact",),
    "analyse": ("analysis",),
    "cases": ("cases:app",),
    "canary": ("canary:app",),
    "trace": ("trace",),
    "finding": ("findings:app",),
    "vendor": ("vendors:app", "invitations", "offboarding"),
    "report": ("offboarding:reports", "reports", "months"),
    "quality": ("quality:app",),
    "incident": ("quality:incidents",),
    "review": ("quality:reviews",),
    "contract": ("contracts:app",),
    "agent": ("agents:app",),
    "caller": ("agents:callers",),
    "script": ("scripts:app",),
    "proposals": ("proposals:app",),
    "hold": ("holds:app",),
    "request": ("holds:requests",),
    "complaint": ("complaints:app",),
    "notice": ("notices:app",),
    "claim": ("payments:claims",),
    "ledger": ("payments:ledger",),
    "cert": ("certificates:app",),
    "credential": ("credentials:app",),
    "system": ("credentials:systems",),
    "ca": ("authorities:app",),
    "audit": ("audit:app",),
    "policy": ("policy:app", "policy_versions"),
    "pack": ("packs:app",),
    "db": ("database:app",),
    "keys": ("keys:app",),
}


class CommandGroup(TyperGroup):
    """All commands by their names, each made when it is asked for."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  # typer's own, handed on
        super().__init__(**attributes)
        self.commands = _Commands(dict(self.commands))


class _Commands(MutableMapping[str, Any]):
    """Those of WORDS, loaded one by one, and those that were added in the usual way."""

    def __init__(self, added: dict[str, Any]) -> None:
        self._made = added

    @override
    def __getitem__(self, word: str) -> Any:
        if word not in self._made:
            self._made[word] = _make(word)
        return self._made[word]

    @override
    def __setitem__(self, word: str, command: Any) -> None:
        self._made[word] = command

    @override
    def __delitem__(self, word: str) -> None:
        del self._made[word]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*WORDS, *self._made)))

    @override
    def __len__(self) -> int:
        return len(WORDS.keys() | self._made.keys())


@cache
def _make(word: str) -> Any:  # noqa: ANN401  # typer keeps its types
    """The command or group of commands of a word."""
    first, *others = WORDS[word]
    name, _, attribute = first.partition(":")
    module = import_module(f"gateway.cli.{name}")
    top = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if attribute:
        group = getattr(module, attribute)
        for other in others:
            import_module(f"gateway.cli.{other}").add_to(group)
        top.add_typer(group, name=word)
    else:
        module.add_to(top)
    return typer.main.get_group(top).commands[word]
