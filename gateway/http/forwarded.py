"""Reads the client certificate that a proxy forwards: RFC 9440 headers, or Envoy's own.

Only a connection from the proxy may carry such a header; everybody else is refused, whatever the
header says. What comes from the proxy is read strictly: one spelling, one certificate.
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import Clock
from gateway.errors import ProxyRefusedError
from gateway.identity.chain import ClientChain
from keys.thumbprint import certificate_thumbprint

Headers = Iterable[tuple[bytes, bytes]]

CLIENT_CERT: Final = b"client-cert"
CLIENT_CERT_CHAIN: Final = b"client-cert-chain"
XFCC: Final = b"x-forwarded-client-cert"
# Read nowhere here, but what other products' proxies say of certificates: a caller that sends one
# tries whether somebody believes it.
_FOREIGN = (
    b"x-client-cert",
    b"x-ssl-client-cert",
    b"x-ssl-cert",
    b"ssl-client-cert",
    b"x-ssl-client-verify",
    b"ssl-client-verify",
    b"x-forwarded-tls-client-cert",
    b"x-amzn-mtls-clientcert",
    b"x-amzn-mtls-clientcert-leaf",
    b"x-arr-clientcert",
    b"cf-client-cert-der-base64",
)
# Some servers behind a proxy take `_` for `-`, so a caller could hide one name behind the other:
# all spellings count. Written out, because every request's names are looked up here.
_SPELLINGS = frozenset(
    parts[0] + b"".join(mark + part for mark, part in zip(marks, parts[1:], strict=True))
    for parts in (name.split(b"-") for name in (CLIENT_CERT, CLIENT_CERT_CHAIN, XFCC, *_FOREIGN))
    for marks in product((b"-", b"_"), repeat=len(parts) - 1)
)

MAX_CERTIFICATE_BYTES = 4096
_MAX_REMEMBERED = 1024
_BYTE_SEQUENCE = re.compile(rb":([A-Za-z0-9+/]+={0,2}):")  # RFC 8941, 3.3.5
# A pair of an XFCC element: a token, or a quoted string in which a backslash escapes.
_XFCC_PAIR = re.compile(rb'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;=]*))')
_XFCC_REPEATED = frozenset({b"by", b"uri", b"dns"})
_XFCC_KEYS = frozenset({b"hash", b"cert", b"chain", b"subject"}) | _XFCC_REPEATED
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n?")


class HopHeader(StrEnum):
    """In which form the proxy forwards."""

    CLIENT_CERT = "client-cert"
    XFCC = "xfcc"


def names_certificate(name: bytes) -> bool:
    """Whether a header of this name says something of certificates, in any spelling."""
    return name.lower() in _SPELLINGS


def verify_nothing_forwarded(headers: Headers) -> None:
    """For a connection that is not the proxy's; names are in lower case, as ASGI has them.

    Raises:
        ProxyRefusedError: PROXY_HEADER_FORBIDDEN.
    """
    for name, value in headers:
        if name in _SPELLINGS or (name == b"connection" and _hides(value)):
            raise ProxyRefusedError("PROXY_HEADER_FORBIDDEN", "not-from-the-proxy")


class ForwardedCertificates:
    """Reads and verifies what the one configured header says."""

    def __init__(
        self, header: HopHeader, chain: ClientChain, clock: Clock, *, max_chain: int
    ) -> None:
        self._header = header
        self._chain = chain
        self._clock = clock
        self._max_chain = max_chain
        self._remembered: OrderedDict[tuple[bytes, bytes], tuple[bytes, datetime]] = OrderedDict()

    def thumbprint(self, headers: Headers) -> bytes:
        """The thumbprint of the request's client certificate, whose path has been verified.

        Whether it is registered, revoked or in its term is asked of the TrustView, as ever.

        Raises:
            ProxyRefusedError: PROXY_HEADER_INVALID or PROXY_CERTIFICATE_REFUSED.
        """
        value, chain = self._sole(headers)
        now = self._clock.now()
        known = self._remembered.get((value, chain))
        if known is not None and now < known[1]:
            return known[0]
        ders = _of_xfcc(value) if self._header is HopHeader.XFCC else _of_rfc9440(value, chain)
        if len(ders) - 1 > self._max_chain:
            raise _invalid("chain-too-long")
        leaf, *issuers = [_parsed(der) for der in ders]
        until = self._chain.verify(leaf, issuers, now)
        found = certificate_thumbprint(ders[0])
        self._remembered[value, chain] = found, until
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return found

    def _sole(self, headers: Headers) -> tuple[bytes, bytes]:
        """The header's value, and that of Client-Cert-Chain; both may stand once."""
        wanted = XFCC if self._header is HopHeader.XFCC else CLIENT_CERT
        values: list[bytes] = []
        chains: list[bytes] = []
        for name, value in headers:
            if name == wanted:
                values.append(value)
            elif name == CLIENT_CERT_CHAIN and wanted == CLIENT_CERT:
                chains.append(value)
            elif name in _SPELLINGS:
                raise _invalid("other-header")
            elif name == b"connection" and _hides(value):
                raise _invalid("hidden")
        if not values:
            raise _invalid("missing")
        if len(values) > 1 or len(chains) > 1:
            raise _invalid("repeated")
        return values[0], chains[0] if chains else b""


def _hides(connection: bytes) -> bool:
    """Whether a Connection header asks the next hop to drop a certificate's header."""
    return any(names_certificate(option.strip()) for option in connection.split(b","))


def _invalid(reason: str) -> ProxyRefusedError:
    return ProxyRefusedError("PROXY_HEADER_INVALID", reason)


def _of_rfc9440(value: bytes, chain: bytes) -> list[bytes]:
    """Client-Cert is a byte sequence, Client-Cert-Chain a list of them; without parameters."""
    members = [member.strip(b" \t") for member in chain.split(b",")] if chain else []
    return [_byte_sequence(member) for member in (value, *members)]


def _byte_sequence(text: bytes) -> bytes:
    matched = _BYTE_SEQUENCE.fullmatch(text)
    if matched is None:
        raise _invalid("not-a-byte-sequence")
    return _decoded(matched[1])


def _decoded(text: bytes) -> bytes:
    """Base64 in its one canonical spelling: with padding, and no bits to spare."""
    if len(text) > MAX_CERTIFICATE_BYTES * 4 // 3 + 4:
        raise _invalid("too-large")
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _invalid("not-base64") from error
    if base64.b64encode(der) != text:
        raise _invalid("not-base64")
    return der


def _parsed(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise _invalid("not-a-certificate") from error
    if certificate.public_bytes(Encoding.DER) != der:
        raise _invalid("not-a-certificate")
    return certificate


def _of_xfcc(value: bytes) -> list[bytes]:
    """One element of XFCC with Hash and Cert, which have to agree; Chain begins with Cert."""
    pairs = _xfcc_pairs(value)
    if b"hash" not in pairs or b"cert" not in pairs:
        raise _invalid("incomplete")
    leaf = _pem_certificates(pairs[b"cert"])
    if len(leaf) != 1:
        raise _invalid("not-one-certificate")
    if pairs[b"hash"].lower() != certificate_thumbprint(leaf[0]).hex().encode():
        raise _invalid("hash")
    if b"chain" not in pairs:
        return leaf
    chain = _pem_certificates(pairs[b"chain"])
    if chain[0] != leaf[0]:
        raise _invalid("chain-of-another")
    return chain


def _xfcc_pairs(value: bytes) -> dict[bytes, bytes]:
    pairs: dict[bytes, bytes] = {}
    position = 0
    while True:
        matched = _XFCC_PAIR.match(value, position)
        if matched is None:
            raise _invalid("malformed")
        key = matched[1].lower()
        if key not in _XFCC_KEYS or (key in pairs and key not in _XFCC_REPEATED):
            raise _invalid("malformed")
        pairs[key] = matched[3] if matched[2] is None else matched[2]
        position = matched.end()
        if position == len(value):
            return pairs
        if value[position : position + 1] == b",":
            raise _invalid("repeated")  # a second element: an earlier hop's, or somebody's own
        if value[position : position + 1] != b";":
            raise _invalid("malformed")
        position += 1


def _pem_certificates(escaped: bytes) -> list[bytes]:
    """DER of URL-encoded PEM that holds certificates and nothing between them."""
    pem = unquote_to_bytes(escaped)
    ders = []
    position = 0
    while position < len(pem):
        matched = _PEM.match(pem, position)
        if matched is None:
            raise _invalid("not-pem")
        ders.append(_decoded(matched[1].replace(b"\n", b"")))
        position = matched.end()
    if not ders:
        raise _invalid("not-pem")
    return ders
