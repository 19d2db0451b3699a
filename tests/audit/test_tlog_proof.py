import pytest

from audit.errors import NoteError, ProofError, QuorumError, SignatureError
from audit.merkle import inclusion_proof, leaf_hash
from audit.tlog_proof import TlogProof
from tests.audit.log_directory import entries_of, new_signer, new_witness, policy_of, signed

LOG = new_signer()
WITNESS = new_witness()
ENTRIES = entries_of(15)
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
PROOF = TlogProof(9, tuple(inclusion_proof(LEAVES, 9)), signed(LOG, ENTRIES, WITNESS))
PUBLISHED = """c2sp.org/tlog-proof@v1
index 9
91HQqaPzWlbBsUDk3JvSpOTK7Bc4ifZGxXZzfABOmuU=
UaHiSrgbkmaCsusBntn9ux0S2PsqH1y6DHQAxe6wrPg=
Oy+stN8Ie64lJ90ILA9yEeOWSzBgC+6RjoKksiWsR7Y=
bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=

example.com/log/testdata
15
rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

\u2014 example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6\
zdkdIQzd/fmwlM/dlPWF74ewI=
"""
TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def test_a_receipt_of_a_published_log_is_read_verified_and_written_back() -> None:
    from audit.policy import TrustPolicy

    proof = TlogProof.from_text(PUBLISHED)

    proof.verify(leaf_hash(b"ten"), TrustPolicy.from_text(f"log {TESSERA}\nquorum none\n"))
    assert proof.to_text() == PUBLISHED


@pytest.mark.parametrize("extra", [None, b"", b"anything \x00 at all"])
def test_a_receipt_is_read_back_with_what_travels_along(extra: bytes | None) -> None:
    proof = TlogProof(PROOF.index, PROOF.hashes, PROOF.note, extra)

    assert TlogProof.from_text(proof.to_text()) == proof


def test_a_receipt_of_the_only_entry_has_no_hashes() -> None:
    proof = TlogProof(0, (), signed(LOG, ENTRIES[:1]))

    TlogProof.from_text(proof.to_text()).verify(LEAVES[0], policy_of(LOG))


def test_a_receipt_proves_its_own_entry_and_no_other() -> None:
    policy = policy_of(LOG, WITNESS)

    PROOF.verify(LEAVES[9], policy)
    with pytest.raises(ProofError):
        PROOF.verify(LEAVES[8], policy)
    with pytest.raises(ProofError):
        TlogProof(8, PROOF.hashes, PROOF.note).verify(LEAVES[9], policy)
    with pytest.raises(ProofError):
        TlogProof(15, PROOF.hashes, PROOF.note).verify(LEAVES[9], policy)


def test_a_receipt_is_worth_what_the_policy_says_of_its_checkpoint() -> None:
    bare = TlogProof(PROOF.index, PROOF.hashes, signed(LOG, ENTRIES))

    bare.verify(LEAVES[9], policy_of(LOG))
    with pytest.raises(QuorumError):
        bare.verify(LEAVES[9], policy_of(LOG, WITNESS))
    with pytest.raises(SignatureError):
        PROOF.verify(LEAVES[9], policy_of(new_signer()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("index 9\n", ""),
        ("index 9", "index 09"),
        ("index 9", "index -9"),
        ("index 9", "index ٩"),
        ("index 9", "extra !\nindex 9"),
        ("index 9", "extra YQ\nindex 9"),
        ("index 9", "index 9\nextra YQ=="),
        ("91HQqaPzWlbBsUDk3JvSpOTK7Bc4ifZGxXZzfABOmuU=", "YQ=="),
        ("bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=\n\n", ""),
        ("\n15\n", "\n015\n"),
    ],
)
def test_a_receipt_that_is_not_quite_one_is_refused(old: str, new: str) -> None:
    assert old in PUBLISHED

    with pytest.raises(NoteError):
        TlogProof.from_text(PUBLISHED.replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\n\n"])
def test_a_text_cut_off_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        TlogProof.from_text(text)
