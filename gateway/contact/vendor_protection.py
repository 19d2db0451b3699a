"""The vendor's side of consents and special requests, put together for one worker."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import psycopg

from gateway.clock import Clock
from gateway.contact.consent import ConsentTerms
from gateway.contact.consents import ConsentDesk, LoggedPermits
from gateway.contact.note_seal import NoteSeal
from gateway.contact.requests import RequestDesk
from gateway.redaction.identifiers import IdentifierFinder
from gateway.release.cursor import CursorCipher
from keys.kek import KeyEncryptionKey
from keys.secret import Secret
from policies.requests import load_request_catalog


def vendor_desks(
    connect: Callable[[], AbstractContextManager[psycopg.Connection]],
    clock: Clock,
    parameters: Mapping[str, str | None],
    *,
    kek: KeyEncryptionKey,
    index_key: Secret,
) -> tuple[ConsentDesk, RequestDesk]:
    """Both desks; `parameters` are the company's, as the policies' directory has them."""
    cursors = CursorCipher(index_key)
    consents = ConsentDesk(
        connect, clock, ConsentTerms.of(parameters), kek, cursors, LoggedPermits()
    )
    requests = RequestDesk(
        connect,
        clock,
        load_request_catalog(),
        parameters,
        NoteSeal(index_key),
        IdentifierFinder(),
        cursors,
    )
    return consents, requests
