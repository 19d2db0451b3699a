"""Codes in affairs: what the log and vendors get to see is chosen from words, not written."""

import re
from collections.abc import Iterable

from gateway.errors import RequestInvalidError

CODE = r"^[a-z][a-z0-9_]{0,39}$"
CLAUSE = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
_CODE = re.compile(CODE[1:-1])
_CLAUSE = re.compile(CLAUSE[1:-1])


def verify_codes(**named: str | Iterable[str] | None) -> None:
    """Looks at codes by their names, alone or several; None is none.

    Raises:
        RequestInvalidError: one is no code.
    """
    _verify(_CODE, "a code, as late_call: small letters, digits, _", named)


def verify_clauses(**named: str | Iterable[str] | None) -> None:
    """The same of clauses and of ids of calls, permits and findings.

    Raises:
        RequestInvalidError: one is none.
    """
    _verify(_CLAUSE, "an id, as 4.2.2: letters, digits, dots, hyphens", named)


def _verify(
    form: re.Pattern[str], said: str, named: dict[str, str | Iterable[str] | None]
) -> None:
    for name, given in named.items():
        each = [given] if isinstance(given, str) else given or ()
        if not all(form.fullmatch(one) for one in each):
            raise RequestInvalidError(f"{name}: {said}")
