"""What a script has to say, what it must not say, and whether its text keeps to both.

A text is written in passages. A line that begins with a code in brackets, as `[RECORDING]`, opens
the passage with which that statement is made; what stands before the first such line is free.
"""

import re
from enum import StrEnum
from unicodedata import category, normalize

from gateway.errors import RequestInvalidError, ScriptRefusedError
from policies.contact.model import Channel

_MARK = re.compile(r"^\[([A-Z][A-Z_]{0,62})\]", re.MULTILINE)
MOST_TERMS = 500
LONGEST_TERM = 100


class Statement(StrEnum):
    """What the person reached has to be told."""

    WHO_CALLS = "WHO_CALLS"
    FOR_WHOM = "FOR_WHOM"
    RECORDING = "RECORDING"
    COMPLAINT_LINE = "COMPLAINT_LINE"


_ALWAYS = frozenset({Statement.WHO_CALLS, Statement.FOR_WHOM, Statement.COMPLAINT_LINE})
_RECORDED = frozenset({Channel.VOICE_HUMAN, Channel.VOICE_ROBOT})


def mandatory_for(channel: Channel) -> frozenset[Statement]:
    """The statements that no script of a channel goes without; RECORDING where one records."""
    return _ALWAYS | {Statement.RECORDING} if channel in _RECORDED else _ALWAYS


def verify_text(
    text: str,
    channel: Channel,
    *,
    mandatory: tuple[str, ...],
    forbidden: tuple[str, ...],
) -> None:
    """Raises unless a text makes its statements and holds none of its forbidden terms.

    Terms are found in any width and case, and across spaces and invisible characters.

    Raises:
        RequestInvalidError: a statement is none that is known, or a term is empty or too long.
        ScriptRefusedError: STATEMENT_MISSING, which names them; FORBIDDEN_TERM, with its number.
    """
    unknown = sorted(set(mandatory) - set(Statement))
    if unknown:
        raise RequestInvalidError(f"mandatory_statements are among: {', '.join(Statement)}")
    terms = [_folded(term) for term in forbidden]
    if len(terms) > MOST_TERMS or any(not 0 < len(term) <= LONGEST_TERM for term in terms):
        raise RequestInvalidError(
            f"forbidden_terms are up to {MOST_TERMS} of up to {LONGEST_TERM} characters"
        )
    missing = sorted((mandatory_for(channel) | set(mandatory)) - _made(text))
    if missing:
        raise ScriptRefusedError(
            "STATEMENT_MISSING",
            f"the text lacks a passage, begun by its code in brackets, for: {', '.join(missing)}",
        )
    folded = _folded(text)
    for number, term in enumerate(terms, start=1):
        if term in folded:
            raise ScriptRefusedError(
                "FORBIDDEN_TERM", f"the text holds its own forbidden term number {number}"
            )


def _made(text: str) -> set[str]:
    """The codes whose passages hold any words."""
    marks = list(_MARK.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), *([len(text)] if marks else ())]
    return {
        mark[1]
        for mark, end in zip(marks, ends, strict=True)
        if any(one.isalnum() for one in text[mark.end() : end])
    }


def _folded(text: str) -> str:
    return "".join(
        one
        for one in normalize("NFKC", text).casefold()
        if not one.isspace() and category(one) not in {"Cf", "Cc"}
    )
