"""How a person is known without a name or a number: a slow hash by the vendor, a mac by us.

The vendor hashes the identity number with scrypt (RFC 7914) under this installation's published
salt, so that all vendors' hashes of one person agree, and sends the hash. What is kept is an HMAC
of it under the index key: the stored value can be tried against numbers by nobody without the key.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from keys.secret import Secret

HASH_BYTES = 32
_SALT_BYTES = 16
_COST, _BLOCK, _LANES = 2**17, 8, 1
_CANONICAL = (
    "UTF-8 of the number without spaces, letters in upper case; a resident identity number with 18"
    " characters (one of 15 digits is first written with 18); any other document's number as it is"
)


@dataclass(frozen=True, slots=True)
class HashParameters:
    """Of scrypt: salt, cost N, block size r, parallelization p (RFC 7914, 2); 32 bytes come out.

    About 10**9 resident numbers are plausible, so the cost is what keeps a hash from being
    reversed: some 0.4 s and 128 MiB for each try.
    """

    salt: bytes
    n: int = _COST
    r: int = _BLOCK
    p: int = _LANES

    @classmethod
    def of(cls, index_key: Secret) -> "HashParameters":
        """Those of an installation; the salt follows from its index key without telling it."""
        digest = hmac.digest(index_key.reveal(), b"agent-salt\x00v1", hashlib.sha256)
        return cls(digest[:_SALT_BYTES])

    def document(self) -> dict[str, object]:
        """As vendors are told."""
        return {
            "algorithm": "scrypt",
            "salt": base64.b64encode(self.salt).decode(),
            "n": self.n,
            "r": self.r,
            "p": self.p,
            "length": HASH_BYTES,
            "input": _CANONICAL,
            "output": "lower-case hex",
        }


def hash_identity(id_number: str, parameters: HashParameters) -> bytes:
    """The hash as a vendor makes it, of a number in its canonical form; 32 bytes."""
    return hashlib.scrypt(
        id_number.encode(),
        salt=parameters.salt,
        n=parameters.n,
        r=parameters.r,
        p=parameters.p,
        maxmem=129 * parameters.n * parameters.r + 1024 * 1024,
        dklen=HASH_BYTES,
    )


def agent_mac(index_key: Secret, id_hash: bytes) -> bytes:
    """Stands for a person who calls, at whichever vendor; 32 bytes."""
    return hmac.digest(index_key.reveal(), b"agent\x00" + id_hash, hashlib.sha256)


def commitment_of(person: bytes) -> str:
    """What entries and staff see of `agent_mac`: its first 16 bytes in hex."""
    return person[:16].hex()
