import base64
from dataclasses import replace

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.people.hashing import HashParameters, agent_mac, commitment_of, hash_identity
from keys.secret import Secret

NUMBER = "11010519491231002X"
KEY, OTHER = Secret(b"k" * 32), Secret(b"o" * 32)


def test_all_vendors_of_an_installation_make_one_hash_and_other_installations_another() -> None:
    ours, theirs = HashParameters.of(KEY), HashParameters.of(OTHER)

    assert ours == HashParameters.of(KEY)
    assert ours.salt != theirs.salt
    assert KEY.reveal() not in ours.salt


def test_the_published_parameters_are_all_that_a_vendor_needs() -> None:
    told = HashParameters.of(KEY).document()

    made = Scrypt(
        salt=base64.b64decode(str(told["salt"])),
        length=int(str(told["length"])),
        n=int(str(told["n"])),
        r=int(str(told["r"])),
        p=int(str(told["p"])),
    ).derive(NUMBER.encode())

    assert made == hash_identity(NUMBER, HashParameters.of(KEY))


def test_a_try_costs_128_mebibytes() -> None:
    parameters = HashParameters.of(KEY)

    assert 128 * parameters.n * parameters.r >= 128 * 1024 * 1024


def test_what_is_kept_needs_the_index_key_and_differs_from_what_is_sent() -> None:
    sent = hash_identity(NUMBER, replace(HashParameters.of(KEY), n=2))

    assert agent_mac(KEY, sent) != sent
    assert agent_mac(KEY, sent) != agent_mac(OTHER, sent)
    assert commitment_of(agent_mac(KEY, sent)) == agent_mac(KEY, sent)[:16].hex()
