"""A log published with Tessera, reproduced from its words and its public key alone."""

from base64 import b64decode

import pytest

from audit.checkpoint import Checkpoint, open_checkpoint
from audit.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from audit.note import Ed25519Verifier

ORIGIN = "example.com/log/testdata"
VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
WORDS = b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
LEAVES = [leaf_hash(word) for word in WORDS.split()]
ROOT_15 = b64decode("rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=")
ROOT_7 = b64decode("IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U=")
PAYLOAD_0 = (
    "M9e0lhxJACzE1KoUdqKuPa+9p6R7dSW8BlEvrg/noo8FkGg6PbJoRNOcdjqjOq89wVvTA60eubCc4oufo5BvIVEgtQc="
)
PAYLOAD_15 = (
    "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI="
)
INCLUSION_9 = [
    b64decode(text)
    for text in (
        "91HQqaPzWlbBsUDk3JvSpOTK7Bc4ifZGxXZzfABOmuU=",
        "UaHiSrgbkmaCsusBntn9ux0S2PsqH1y6DHQAxe6wrPg=",
        "Oy+stN8Ie64lJ90ILA9yEeOWSzBgC+6RjoKksiWsR7Y=",
        "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=",
    )
]
CONSISTENCY_7_15 = [
    b64decode(text)
    for text in (
        "2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw=",
        "ThcgoV2DYcK+VCxBUDWAlNxmLy2r7dq7dK7+OlgQKWs=",
        "ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=",
        "zY1lN35vrXYAPixXSd59LsU29xUJtuW4o2dNNg5Y2Co=",
        "5jLpqTgjsBDSEX6SgZiRnbTMdTuRd8bQ5tSsAOxe0Ks=",
    )
]


def test_the_words_give_the_published_roots() -> None:
    assert LEAVES[9] == b64decode("HTl9PRkCsBHBJiDsgnbxPM+BP5oV3HsHfbLi8MoJB30=")
    assert root_of(LEAVES[:7]) == ROOT_7
    assert root_of(LEAVES) == ROOT_15


@pytest.mark.parametrize(
    ("size", "root", "payload"), [(0, EMPTY_ROOT, PAYLOAD_0), (15, ROOT_15, PAYLOAD_15)]
)
def test_our_checkpoint_text_bears_the_published_signature(
    size: int, root: bytes, payload: str
) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    note = f"{checkpoint.to_body()}\n— {ORIGIN} {payload}\n"

    opened = open_checkpoint(note, [Ed25519Verifier.from_text(VKEY)], origin=ORIGIN)

    assert opened == checkpoint


def test_the_published_inclusion_proof_is_ours() -> None:
    assert inclusion_proof(LEAVES, 9) == INCLUSION_9
    verify_inclusion(LEAVES[9], index=9, size=15, root=ROOT_15, proof=INCLUSION_9)


def test_the_published_consistency_proof_is_ours() -> None:
    assert consistency_proof(LEAVES, 7) == CONSISTENCY_7_15
    verify_consistency(
        old_size=7, old_root=ROOT_7, new_size=15, new_root=ROOT_15, proof=CONSISTENCY_7_15
    )
