"""Every way to lie in a certificate's header that the tests know, and how it ends."""

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from keys.authority import new_authority
from keys.profiles import Profile
from tests.deploy.proxied import CLOCK, Header, Proxied, byte_sequence, der_of, xfcc

HEADER = "Client-Cert"
XFCC = "X-Forwarded-Client-Cert"
Make = Callable[[Proxied], list[Header]]


@contextmanager
def with_a_foreign_hop(served: Proxied) -> Iterator[httpx.Client]:
    """A certificate of the proxies' authority whose thumbprint is not pinned."""
    other = served.issue(served.hop_authority, profile=Profile.STAFF_CLIENT)
    pem = served.folder / "other-hop.pem"
    pem.write_bytes(other.certificate_pem + other.private_key_pem)
    with served.by_hop(pem) as client:
        yield client


@contextmanager
def as_a_stranger(served: Proxied) -> Iterator[httpx.Client]:
    ca = served.installation.directory / "ca" / "server-ca.pem"
    with httpx.Client(
        base_url=served.installation.enrolment_url,
        verify=ssl.create_default_context(cafile=str(ca)),
    ) as client:
        yield client


WAYS: dict[str, Callable[[Proxied], AbstractContextManager[httpx.Client]]] = {
    "8443": lambda served: served.installation.vendor("alpha"),
    "8444": lambda served: served.installation.staff("auditor"),
    "8445": as_a_stranger,
    "socket": lambda served: served.by_socket(),
    "hop": lambda served: served.by_hop(),
    "foreign hop": with_a_foreign_hop,
}


@dataclass(frozen=True, slots=True)
class Forgery:
    """One way to lie, and how it ends."""

    way: str
    make: Make
    code: str
    reason: str | None = None
    status: int = 400


def good(served: Proxied) -> bytes:
    return served.vendor_der("alpha")


def one(name: str, value: Callable[[Proxied], str]) -> Make:
    return lambda served: [(name, value(served))]


def issued(served: Proxied, **how: Any) -> bytes:
    return der_of(served.issue(**how).certificate_pem)


def registered(served: Proxied, contract: str = "alpha-2026", **how: Any) -> bytes:
    made = served.issue(**how)
    served.register(made.certificate, contract)
    return der_of(made.certificate_pem)


def revoked(served: Proxied) -> bytes:
    made = served.issue()
    thumbprint = served.register(made.certificate)
    command = served.installation.run("cert", "revoke", thumbprint.hex())
    assert command.returncode == 0, command.stderr
    return der_of(made.certificate_pem)


def of_ended_contract(served: Proxied) -> bytes:
    contract = f"alpha-over-{time.monotonic_ns()}"
    served.end_contract(contract)
    return registered(served, contract)


def self_signed(_served: Proxied) -> bytes:
    now = CLOCK.now()
    made = new_authority("vendor alpha", not_before=now, not_after=now.replace(year=now.year + 1))
    return der_of(made.certificate_pem)


def of_another_authority(served: Proxied) -> bytes:
    now = CLOCK.now()
    # Same name as the trusted one, another key.
    other = new_authority(
        "Test vendor CA", not_before=now, not_after=now.replace(year=now.year + 1)
    )
    return issued(served, authority=other)


def staff(served: Proxied) -> bytes:
    return der_of((served.installation.directory / "staff/security/client.pem").read_bytes())


def pem_in_colons(served: Proxied) -> str:
    pem = ssl.DER_cert_to_PEM_cert(good(served))
    return f":{base64.b64encode(pem.encode()).decode()}:"


NOT_ALLOWED = "PROXY_HEADER_FORBIDDEN"
WRONG = "PROXY_HEADER_INVALID"
REFUSED = "PROXY_CERTIFICATE_REFUSED"
OUTSIDE = "not-from-the-proxy"


def direct(way: str, make: Make) -> Forgery:
    return Forgery(way, make, NOT_ALLOWED, OUTSIDE)


def on_socket(make: Make, reason: str, code: str = WRONG) -> Forgery:
    return Forgery("socket", make, code, reason)


def on_hop(value: Callable[[Proxied], str], reason: str, code: str = WRONG) -> Forgery:
    return Forgery("hop", one(XFCC, value), code, reason)


def certificate(der: Callable[[Proxied], bytes], reason: str) -> Forgery:
    return on_socket(one(HEADER, lambda served: byte_sequence(der(served))), reason, REFUSED)


def unregistered(der: Callable[[Proxied], bytes], code: str) -> Forgery:
    make = one(HEADER, lambda served: byte_sequence(der(served)))
    return Forgery("socket", make, code, None, 401)


FORGERIES: dict[str, Forgery] = {
    # Not from the proxy.
    "a vendor forwards himself": direct(
        "8443", one(HEADER, lambda s: byte_sequence(s.vendor_der("alpha")))
    ),
    "a vendor forwards another": direct(
        "8443", one(HEADER, lambda s: byte_sequence(s.vendor_der("beta")))
    ),
    "a vendor sends xfcc": direct("8443", one(XFCC, lambda s: xfcc(good(s)))),
    "a vendor sends both": direct(
        "8443", lambda s: [(HEADER, byte_sequence(good(s))), (XFCC, xfcc(good(s)))]
    ),
    "a vendor sends an empty one": direct("8443", one(HEADER, lambda _s: "")),
    "a vendor sends a chain alone": direct(
        "8443", one("Client-Cert-Chain", lambda s: byte_sequence(good(s)))
    ),
    "odd case": direct("8443", one("cLIENT-cERT", lambda s: byte_sequence(good(s)))),
    "underscore": direct("8443", one("Client_Cert", lambda s: byte_sequence(good(s)))),
    "underscored xfcc": direct("8443", one("X_Forwarded-Client_Cert", lambda s: xfcc(good(s)))),
    "another product's header": direct(
        "8443", one("X-SSL-Client-Cert", lambda s: byte_sequence(good(s)))
    ),
    "with a forwarded address": direct(
        "8443",
        lambda s: [
            ("Forwarded", "for=127.0.0.1;by=unix:;proto=https"),
            ("X-Forwarded-For", "127.0.0.1"),
            (HEADER, byte_sequence(good(s))),
        ],
    ),
    "hidden by a connection option": direct(
        "8443", one("Connection", lambda _s: "keep-alive, Client-Cert")
    ),
    "a member of staff": direct("8444", one(HEADER, lambda s: byte_sequence(staff(s)))),
    "a member of staff sends xfcc": direct("8444", one(XFCC, lambda s: xfcc(staff(s)))),
    "a stranger": direct("8445", one(HEADER, lambda s: byte_sequence(good(s)))),
    "a hop that is not pinned": direct("foreign hop", one(XFCC, lambda s: xfcc(good(s)))),
    # From the proxy, but not what a proxy sends.
    "nothing": on_socket(lambda _s: [], "missing"),
    "twice": on_socket(lambda s: [(HEADER, byte_sequence(good(s)))] * 2, "repeated"),
    "joined by a comma": on_socket(
        one(HEADER, lambda s: ", ".join([byte_sequence(good(s))] * 2)), "not-a-byte-sequence"
    ),
    "empty": on_socket(one(HEADER, lambda _s: ""), "not-a-byte-sequence"),
    "an empty sequence": on_socket(one(HEADER, lambda _s: "::"), "not-a-byte-sequence"),
    "oversized": on_socket(one(HEADER, lambda _s: f":{'A' * 8000}:"), "too-large"),
    "not base64": on_socket(one(HEADER, lambda _s: ":%%%%:"), "not-a-byte-sequence"),
    "base64 of another alphabet": on_socket(
        one(HEADER, lambda _s: ":-_-_:"), "not-a-byte-sequence"
    ),
    "base64 cut short": on_socket(one(HEADER, lambda _s: ":AAAAA:"), "not-base64"),
    "without colons": on_socket(
        one(HEADER, lambda s: byte_sequence(good(s)).strip(":")), "not-a-byte-sequence"
    ),
    "with a parameter": on_socket(
        one(HEADER, lambda s: byte_sequence(good(s)) + ";a=1"), "not-a-byte-sequence"
    ),
    "pem in place of der": on_socket(one(HEADER, pem_in_colons), "not-a-certificate"),
    "trailing bytes": on_socket(
        one(HEADER, lambda s: byte_sequence(good(s) + b"\x00")), "not-a-certificate"
    ),
    "two certificates in one": on_socket(
        one(HEADER, lambda s: byte_sequence(good(s) * 2)), "not-a-certificate"
    ),
    "another header beside it": on_socket(
        lambda s: [(HEADER, byte_sequence(good(s))), (XFCC, xfcc(s.vendor_der("beta")))],
        "other-header",
    ),
    "an underscored one beside it": on_socket(
        lambda s: [
            (HEADER, byte_sequence(good(s))),
            ("Client_Cert", byte_sequence(s.vendor_der("beta"))),
        ],
        "other-header",
    ),
    "a connection option beside it": on_socket(
        lambda s: [(HEADER, byte_sequence(good(s))), ("Connection", "close, client_cert")],
        "hidden",
    ),
    "too long a chain": on_socket(
        lambda s: [
            (HEADER, byte_sequence(good(s))),
            ("Client-Cert-Chain", ",".join([byte_sequence(good(s))] * 3)),
        ],
        "chain-too-long",
    ),
    "two chains": on_socket(
        lambda s: (
            [(HEADER, byte_sequence(good(s)))]
            + [("Client-Cert-Chain", byte_sequence(good(s)))] * 2
        ),
        "repeated",
    ),
    "the hop sends the other form": Forgery(
        "hop", one(HEADER, lambda s: byte_sequence(good(s))), WRONG, "other-header"
    ),
    "two elements": on_hop(lambda s: f"{xfcc(good(s))},{xfcc(good(s))}", "repeated"),
    "a hash of another": on_hop(lambda s: xfcc(good(s), digest="00" * 32), "hash"),
    "no hash": on_hop(lambda s: xfcc(good(s)).partition(";")[2], "incomplete"),
    "no certificate": on_hop(lambda s: xfcc(good(s)).partition(";")[0], "incomplete"),
    "an unknown key": on_hop(lambda s: xfcc(good(s)) + ";Admin=1", "malformed"),
    "two certificates in xfcc": on_hop(
        lambda s: xfcc(good(s)).replace(
            ';Subject="', f';Cert="{xfcc(good(s)).split(chr(34))[1]}";Subject="'
        ),
        "malformed",
    ),
    "a quote that does not end": on_hop(lambda _s: 'Hash=00;Cert="abc', "malformed"),
    "a chain of another": on_hop(
        lambda s: xfcc(good(s), chain=(s.vendor_der("beta"),)), "chain-of-another"
    ),
    "text in place of pem": on_hop(lambda _s: 'Hash=00;Cert="hello"', "not-pem"),
    # A certificate that the proxy should not have let in.
    "self-signed": certificate(self_signed, "purpose"),
    "another authority of that name": certificate(of_another_authority, "chain"),
    "a member of staff's certificate": certificate(staff, "chain"),
    "expired": certificate(lambda s: registered(s, begin=-30, end=-1), "time"),
    "not yet": certificate(lambda s: issued(s, begin=2), "time"),
    "a server's certificate": certificate(
        lambda s: issued(s, profile=Profile.GATEWAY_SERVER), "purpose"
    ),
    "the hop's own certificate": certificate(
        lambda s: der_of((s.folder / "hop.pem").read_text()), "chain"
    ),
    # A certificate that the authority vouches for and the gateway does not.
    "never registered": unregistered(issued, "CRED_UNKNOWN"),
    "revoked": unregistered(revoked, "CRED_REVOKED"),
    "of an ended contract": unregistered(of_ended_contract, "CONTRACT_ENDED"),
}
