"""Which calls are drawn: in an order that a published seed fixes, for anybody to draw again."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from heapq import nsmallest

from gateway.errors import RequestInvalidError

MOST_CALLS = 1000
# Nothing that somebody types in passes for a seed: a word or a number is hashed first.
_SEED = re.compile(r"[0-9a-f]{32,128}")


def verify_seed(seed: str) -> None:
    """Looks at a seed that was given.

    Raises:
        RequestInvalidError: it is not 32 to 128 hexadecimal digits.
    """
    if not _SEED.fullmatch(seed):
        raise RequestInvalidError(
            "seed: 32 to 128 hexadecimal digits (0-9, a-f); of a published number give its SHA-256"
        )


def draw_calls(seed: str, calls: Iterable[str], wanted: int) -> list[str]:
    """The calls of a sample, first drawn first; all of them if there are not so many.

    They are ordered by HMAC-SHA256 with the seed's characters as key over the call's id. Who knows
    the ids before the seed cannot tell which will be drawn; who knows both can draw them again.
    """
    key = seed.encode()
    return nsmallest(
        wanted, calls, key=lambda call: (hmac.digest(key, call.encode(), hashlib.sha256), call)
    )


def calls_digest(calls: Sequence[str]) -> bytes:
    """SHA-256 of the ids in their order, one a line, each line ended."""
    digest = hashlib.sha256()
    for call in calls:
        digest.update(f"{call}\n".encode())
    return digest.digest()
