"""Tokens that stand for internal keys, with one key for each vendor and contract."""

import hashlib
from collections.abc import Callable
from itertools import product
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.masking.errors import WeakMasterKeyError

MIN_MASTER_KEY_BYTES = 32
TOKEN_CHARACTERS = 26

_INFO_LABEL = b"casegate/pseudonym/v1"
_KEY_BYTES = 32
_BLOCK_BYTES = 64
# 26 base32 characters are 130 bits: 17 bytes without their last 6 bits.
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


class PseudonymKey:
    """The key of one vendor under one contract.

    A plain class and no dataclass, because a generated repr would print the key into logs.

    token = base32(HMAC-SHA256(key, kind || 0x00 || internal key)), first 26 characters, upper
    case. Equal inputs give equal tokens, so nothing has to be stored to make one again; without
    the key, tokens of two vendors cannot be joined, nor small key spaces searched.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < _KEY_BYTES:
            raise WeakMasterKeyError("A pseudonym key needs 32 bytes.")
        self._key = bytes(key)

    @classmethod
    def derive(cls, master_key: bytes, *, vendor: str, contract: str) -> Self:
        """Derive the key by HKDF-SHA256 (RFC 5869) from at least 32 secret bytes.

        `vendor` and `contract` go into the info string with their lengths before them, so that
        no two pairs share one. WeakMasterKeyError when a part is too short or empty.
        """
        if len(master_key) < MIN_MASTER_KEY_BYTES:
            raise WeakMasterKeyError("The master key is shorter than 32 bytes.")
        if not vendor or not contract:
            raise WeakMasterKeyError("A pseudonym key needs a vendor and a contract.")
        info = _INFO_LABEL + _prefixed(vendor) + _prefixed(contract)
        kdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info)
        return cls(kdf.derive(master_key))

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
        block = self._key.ljust(_BLOCK_BYTES, b"\x00")
        kind_bytes = kind.encode("utf-8", "surrogatepass")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + kind_bytes + b"\x00")
        outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

        def tokenize(internal_key: str) -> str:
            inside = inner.copy()
            inside.update(internal_key.encode("utf-8", "surrogatepass"))
            whole = outer.copy()
            whole.update(inside.digest())
            bits = int.from_bytes(whole.digest()[:_TOKEN_BYTES], "big") >> _SPARE_BITS
            # 130 bits are four triples, four triples and a pair.
            high = _four_triples(bits >> _HALF_BITS + _PAIR_BITS)
            low = _four_triples(bits >> _PAIR_BITS & _HALF_MASK)
            return f"{high}{low}{_PAIRS[bits & _PAIR_MASK]}"

        return tokenize


def _four_triples(bits: int) -> str:
    return (
        f"{_TRIPLES[bits >> 45]}{_TRIPLES[bits >> 30 & _TRIPLE_MASK]}"
        f"{_TRIPLES[bits >> 15 & _TRIPLE_MASK]}{_TRIPLES[bits & _TRIPLE_MASK]}"
    )


def _prefixed(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "big") + data
