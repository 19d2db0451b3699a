"""The guard that keeps a spreadsheet from running or rounding a cell of a rejects file."""

import re

_GUARD = "'"
# Formulas (OWASP, "CSV injection"), digit runs that a spreadsheet rounds, and leading zeros that
# it drops. Any number of guards may stand before: a cell matches exactly when the cell with one
# more guard matches, so that adding one and taking one away are inverse for every text.
_ENDANGERED = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[0-9]{11}|0[0-9])")


def guarded(cell: str) -> str:
    """The cell as a spreadsheet may see it: with an apostrophe in front where it needs one."""
    return _GUARD + cell if _ENDANGERED.match(cell) else cell


def unguarded(cell: str) -> str:
    """The inverse of `guarded`; also right for a cell whose guard a spreadsheet has removed."""
    return cell[1:] if cell.startswith(_GUARD) and _ENDANGERED.match(cell) else cell
