import pytest

from audit.errors import NoteError, QuorumError, SignatureError, TrustPolicyError
from audit.policy import TrustPolicy
from tests.audit.log_directory import entries_of, new_signer, new_witness, policy_text, signed

LOG = new_signer()
OTHER = new_signer("other.example.com")
W = [new_witness(f"witness.example/w{number}") for number in range(5)]
WITNESSES = "".join(f"witness w{n} {w.verifier.to_text()}\n" for n, w in enumerate(W))
NESTED = (
    f"# two of three, and one of two\n\n\tlog  {LOG.verifier_key}\thttps://log.example \n"
    f"{WITNESSES}group X 2 w0 w1 w2\ngroup Y any w3 w4\ngroup both all X Y\nquorum both\n"
)
ENTRIES = entries_of(10)


@pytest.mark.parametrize(
    ("cosigners", "is_enough"),
    [
        ((), False),
        ((0, 1), False),
        ((0, 3), False),
        ((3, 4), False),
        ((0, 1, 3), True),
        ((1, 2, 4), True),
        ((0, 1, 2, 3, 4), True),
    ],
)
def test_a_quorum_of_two_levels_is_counted(cosigners: tuple[int, ...], *, is_enough: bool) -> None:
    policy = TrustPolicy.from_text(NESTED)
    note = signed(LOG, ENTRIES, *(W[number] for number in cosigners))

    if is_enough:
        trusted = policy.open(note)
        assert trusted.checkpoint.size == 10
        assert trusted.witnesses == tuple(f"w{number}" for number in cosigners)
    else:
        with pytest.raises(QuorumError):
            policy.open(note)


def test_one_witness_signing_twice_counts_once() -> None:
    policy = TrustPolicy.from_text(
        f"log {LOG.verifier_key}\n{WITNESSES}group X 2 w0 w1\nquorum X\n"
    )

    with pytest.raises(QuorumError):
        policy.open(signed(LOG, ENTRIES, W[0], W[0]))


def test_without_a_quorum_the_logs_signature_is_enough_and_needed() -> None:
    policy = TrustPolicy.from_text(policy_text(LOG))

    assert policy.open(signed(LOG, ENTRIES)).witnesses == ()
    with pytest.raises(SignatureError):
        policy.open(signed(new_signer(LOG.name), ENTRIES))
    with pytest.raises(TrustPolicyError):
        policy.open(signed(OTHER, ENTRIES))
    with pytest.raises(NoteError):
        policy.open("no note")


def test_both_keys_of_a_log_are_believed_while_it_changes_them() -> None:
    newer = new_signer(LOG.name)
    policy = TrustPolicy.from_text(f"log {newer.verifier_key}\n{policy_text(LOG)}")

    assert policy.open(signed(LOG, ENTRIES)) == policy.open(signed(newer, ENTRIES))


def test_a_false_cosignature_fails_the_note_even_where_the_others_suffice() -> None:
    policy = TrustPolicy.from_text(
        f"log {LOG.verifier_key}\n{WITNESSES}group X any w0 w1\nquorum X\n"
    )
    elsewhere = signed(LOG, entries_of(11), W[1]).rstrip("\n").rpartition("\n")[2]

    with pytest.raises(SignatureError, match="w1"):
        policy.open(f"{signed(LOG, ENTRIES, W[0])}{elsewhere}\n")


LINES = f"log {LOG.verifier_key}\n{WITNESSES}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        LINES,
        f"{LINES}quorum w0\nquorum w0\n",
        f"{LINES}quorum nobody\n",
        f"{LINES}quorum\n",
        f"{LINES}quorum X\ngroup X any w0\n",
        f"{LINES}group X any\nquorum X\n",
        f"{LINES}group X 3 w0 w1\nquorum X\n",
        f"{LINES}group X 0 w0 w1\nquorum X\n",
        f"{LINES}group X 01 w0 w1\nquorum X\n",
        f"{LINES}group X some w0 w1\nquorum X\n",
        f"{LINES}group X any w0 w0\nquorum X\n",
        f"{LINES}group X any w0\ngroup Y any w0\nquorum Y\n",
        f"{LINES}group X any none\nquorum X\n",
        f"{LINES}group none any w0\nquorum none\n",
        f"{LINES}group w0 any w1\nquorum w0\n",
        f"{LINES}group X any X\nquorum X\n",
        f"{LINES}witness w9 {W[0].verifier.to_text()}\nquorum none\n",
        f"{LINES}witness w0 {new_witness().verifier.to_text()}\nquorum none\n",
        f"{LINES}log {LOG.verifier_key}\nquorum none\n",
        f"{LINES}log {W[0].verifier.to_text()}\nquorum none\n",
        f"{LINES}witness w9 {LOG.verifier_key}\nquorum none\n",
        f"{LINES}log\nquorum none\n",
        f"{LINES}Quorum none\n",
        f"{LINES}quorum none\r\n",
        f"{LINES}quorum none\x00\n",
    ],
)
def test_a_policy_that_is_not_quite_one_is_refused(text: str) -> None:
    with pytest.raises(TrustPolicyError):
        TrustPolicy.from_text(text)
