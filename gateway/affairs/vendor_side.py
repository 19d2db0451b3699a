"""The vendor's side of affairs, put together for one worker."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import psycopg

from gateway.affairs.claims import ClaimDesk
from gateway.affairs.files import FilingDesk
from gateway.affairs.seal import AffairSeal
from gateway.affairs.vendor_desk import VendorAffairs
from gateway.clock import Clock
from gateway.release.cursor import CursorCipher
from keys.secret import Secret


def vendor_affairs(
    connect: Callable[[], AbstractContextManager[psycopg.Connection]],
    clock: Clock,
    parameters: Mapping[str, str | None],
    index_key: Secret,
) -> tuple[VendorAffairs, ClaimDesk, FilingDesk]:
    """Its desks; `parameters` are the company's, as the policies' directory has them."""
    seal, cursors = AffairSeal(index_key), CursorCipher(index_key)
    return (
        VendorAffairs(connect, clock, seal, cursors),
        ClaimDesk(connect, clock, parameters, seal, cursors),
        FilingDesk(connect, clock, seal),
    )
