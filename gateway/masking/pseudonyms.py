"""Tokens that stand for internal keys, with one key for each vendor and contract."""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from itertools import product
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256, SM3, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.masking.errors import WeakMasterKeyError

MIN_MASTER_KEY_BYTES = 32
TOKEN_CHARACTERS = 26

_INFO_LABEL = b"casegate/pseudonym/v1"
_KEY_BYTES = 32
_BLOCK_BYTES = 64
# 26 base32 characters are 130 bits: 17 bytes without their last 6 bits.
# Of a universal hash: the largest prime whose products stay short.
_HASH_PRIME = 2**61 - 1
_TOKEN_BYTES = 17
_SPARE_BITS = 6
_CHECK_CHARACTERS = 8

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648, section 6
# Three characters at a time: the standard library's base32 is written in Python and takes ten
# times as long as these look-ups. The table takes 2 MB.
_TRIPLES = tuple(map("".join, product(_BASE32, repeat=3)))
_PAIRS = tuple(map("".join, product(_BASE32, repeat=2)))
_TRIPLE_MASK = 0x7FFF
_PAIR_MASK = 0x3FF
_PAIR_BITS = 10
_HALF_BITS = 60
_HALF_MASK = (1 << _HALF_BITS) - 1


class PseudonymAlgorithm(StrEnum):
    """By which hash keys are derived and tokens are made."""

    HMAC_SHA256 = "hmac-sha256"
    HMAC_SM3 = "hmac-sm3"  # GB/T 32905-2016, where commercial cryptography is reviewed


class PseudonymKey:
    """The key of one vendor under one contract.

    A plain class and no dataclass, because a generated repr would print the key into logs.

    token = base32(HMAC(key, kind || 0x00 || internal key)), first 26 characters, upper case, with
    SHA-256 or SM3. Equal inputs give equal tokens, so nothing has to be stored to make one again;
    without the key, tokens of two vendors cannot be joined, nor small key spaces searched.
    """

    __slots__ = ("_algorithm", "_key")

    def __init__(
        self, key: bytes, algorithm: PseudonymAlgorithm = PseudonymAlgorithm.HMAC_SHA256
    ) -> None:
        if len(key) < _KEY_BYTES:
            raise WeakMasterKeyError("A pseudonym key needs 32 bytes.")
        self._key = bytes(key)
        self._algorithm = algorithm

    @classmethod
    def derive(
        cls,
        master_key: bytes,
        *,
        vendor: str,
        contract: str,
        algorithm: PseudonymAlgorithm = PseudonymAlgorithm.HMAC_SHA256,
    ) -> Self:
        """Derive the key by HKDF (RFC 5869) with the algorithm's hash from 32 secret bytes.

        `vendor` and `contract` go into the info string with their lengths before them, so that
        no two pairs share one. WeakMasterKeyError when a part is too short or empty.
        """
        if len(master_key) < MIN_MASTER_KEY_BYTES:
            raise WeakMasterKeyError("The master key is shorter than 32 bytes.")
        if not vendor or not contract:
            raise WeakMasterKeyError("A pseudonym key needs a vendor and a contract.")
        info = _INFO_LABEL + _prefixed(vendor) + _prefixed(contract)
        digest = SM3() if algorithm is PseudonymAlgorithm.HMAC_SM3 else SHA256()
        kdf = HKDF(algorithm=digest, length=_KEY_BYTES, salt=None, info=info)
        return cls(kdf.derive(master_key), algorithm)

    @property
    def algorithm(self) -> PseudonymAlgorithm:
        """By which hash the tokens are made."""
        return self._algorithm

    @property
    def check(self) -> str:
        """Tells keys apart without revealing them: eight characters of a token of nothing."""
        return self.token("check", "")[:_CHECK_CHARACTERS]

    def token(self, kind: str, internal_key: str) -> str:
        """Return the 26-character token; any text is accepted."""
        return self.tokenizer(kind)(internal_key)

    def tokenizer(self, kind: str) -> Callable[[str], str]:
        """Return a function from internal keys to tokens of one kind.

        Both hash states of HMAC (RFC 2104) are prepared once, the inner one up to the separator
        after `kind`; a token then costs two copies instead of a key schedule.
        """
        authenticate = self._authenticator(kind)
        return lambda internal_key: _token(authenticate(internal_key))

    def numberer(self, kind: str, numbers: int) -> Callable[[str], Callable[[str], int]]:
        """Return a function from a scope to the numbers, 1 to `numbers`, of the values in it.

        A scope's own key, by HMAC, is that of a universal hash (Carter and Wegman, 1979), which
        takes a sixth of the time. Numbers are short: two values may share one, and whoever hands
        them out has to see to it.
        """
        authenticate = self._authenticator(kind)

        def numbering(scope: str) -> Callable[[str], int]:
            key = authenticate(scope)
            factor = int.from_bytes(key[:8]) % (_HASH_PRIME - 1) + 1
            shift = int.from_bytes(key[8:16]) % _HASH_PRIME

            def number(value: str) -> int:
                whole = int.from_bytes(value.encode("utf-8", "surrogatepass")) % _HASH_PRIME
                return (factor * whole + shift) % _HASH_PRIME % numbers + 1

            return number

        return numbering

    def _authenticator(self, kind: str) -> Callable[[str], bytes]:
        block = self._key.ljust(_BLOCK_BYTES, b"\x00")
        inner_start = bytes(byte ^ 0x36 for byte in block) + _encoded(kind) + b"\x00"
        outer_start = bytes(byte ^ 0x5C for byte in block)
        if self._algorithm is PseudonymAlgorithm.HMAC_SM3:
            return _sm3_authenticator(inner_start, outer_start)
        return _sha256_authenticator(inner_start, outer_start)


def _sha256_authenticator(inner_start: bytes, outer_start: bytes) -> Callable[[str], bytes]:
    inner, outer = hashlib.sha256(inner_start), hashlib.sha256(outer_start)

    def authenticate(internal_key: str) -> bytes:
        inside = inner.copy()
        inside.update(_encoded(internal_key))
        whole = outer.copy()
        whole.update(inside.digest())
        return whole.digest()

    return authenticate


def _sm3_authenticator(inner_start: bytes, outer_start: bytes) -> Callable[[str], bytes]:
    # SM3 has SHA-256's block and length, and not every build of the standard library has SM3.
    inner, outer = Hash(SM3()), Hash(SM3())
    inner.update(inner_start)
    outer.update(outer_start)

    def authenticate(internal_key: str) -> bytes:
        inside = inner.copy()
        inside.update(_encoded(internal_key))
        whole = outer.copy()
        whole.update(inside.finalize())
        return whole.finalize()

    return authenticate


def _token(digest: bytes) -> str:
    bits = int.from_bytes(digest[:_TOKEN_BYTES], "big") >> _SPARE_BITS
    # 130 bits are four triples, four triples and a pair.
    high = _four_triples(bits >> _HALF_BITS + _PAIR_BITS)
    low = _four_triples(bits >> _PAIR_BITS & _HALF_MASK)
    return f"{high}{low}{_PAIRS[bits & _PAIR_MASK]}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _four_triples(bits: int) -> str:
    return (
        f"{_TRIPLES[bits >> 45]}{_TRIPLES[bits >> 30 & _TRIPLE_MASK]}"
        f"{_TRIPLES[bits >> 15 & _TRIPLE_MASK]}{_TRIPLES[bits & _TRIPLE_MASK]}"
    )


def _prefixed(text: str) -> bytes:
    data = _encoded(text)
    return len(data).to_bytes(4, "big") + data
