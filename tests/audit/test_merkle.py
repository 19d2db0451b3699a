import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofError
from audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots that RFC 6962 implementations have tested with since Certificate
# Transparency began.
CLASSIC_LEAVES = [
    leaf_hash(bytes.fromhex(text))
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CLASSIC_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition itself, RFC 9162, 2.1.1."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_are_reproduced(size: int) -> None:
    assert root_of(CLASSIC_LEAVES[:size]).hex() == CLASSIC_ROOTS[size]


@pytest.mark.parametrize("size", range(len(LEAVES) + 1))
def test_the_frontier_root_is_the_root_by_definition(size: int) -> None:
    assert root_of(LEAVES[:size]) == naive_root(LEAVES[:size])


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_extended_in_two_steps_is_the_frontier_of_all(first: int, second: int) -> None:
    first, second = sorted((first, second))

    stepwise = Frontier().extend(LEAVES[:first]).extend(LEAVES[first:second])

    assert stepwise == Frontier().extend(LEAVES[:second])
    assert Frontier.from_bytes(stepwise.to_bytes()) == stepwise


def test_appending_is_extending_by_one() -> None:
    assert Frontier().append(LEAVES[0]).append(LEAVES[1]).root == node_hash(*LEAVES[:2])


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, (1).to_bytes(8, "big"), bytes(8) + bytes(32)])
def test_a_frontier_with_the_wrong_number_of_hashes_is_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        Frontier.from_bytes(data)


def test_a_leaf_hash_of_another_length_is_refused() -> None:
    with pytest.raises(ProofError):
        Frontier().append(b"short")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33, 70])
def test_every_leaf_is_proven_in_its_place_and_in_no_other(size: int) -> None:
    leaves = LEAVES[:size]
    root = root_of(leaves)
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        verify_inclusion(leaves[index], index=index, size=size, root=root, proof=proof)
        for other in {0, index - 1, index + 1, size - 1} - {index, -1, size}:
            with pytest.raises(ProofError):
                verify_inclusion(leaves[index], index=other, size=size, root=root, proof=proof)


@given(st.data())
def test_an_inclusion_proof_with_any_changed_byte_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    parts = [leaves[index], root_of(leaves), *inclusion_proof(leaves, index)]
    part = data.draw(st.integers(0, len(parts) - 1))
    changed = bytearray(parts[part])
    changed[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
    parts[part] = bytes(changed)

    with pytest.raises(ProofError):
        verify_inclusion(parts[0], index=index, size=size, root=parts[1], proof=parts[2:])


@pytest.mark.parametrize("index", [-1, 5])
def test_a_leaf_outside_the_tree_has_no_proof(index: int) -> None:
    with pytest.raises(ProofError):
        inclusion_proof(LEAVES[:5], index)
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], index=index, size=5, root=EMPTY_ROOT, proof=[])


@pytest.mark.parametrize("proof", [[], [LEAVES[1], LEAVES[2]], [b"short"]])
def test_an_inclusion_proof_of_another_shape_is_refused(proof: list[bytes]) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], index=0, size=2, root=root_of(LEAVES[:2]), proof=proof)


@pytest.mark.parametrize("new_size", [0, 1, 2, 3, 7, 8, 9, 33, 70])
def test_growth_from_every_earlier_size_is_proven(new_size: int) -> None:
    leaves = LEAVES[:new_size]
    for old_size in range(new_size + 1):
        verify_consistency(
            old_size=old_size,
            old_root=root_of(leaves[:old_size]),
            new_size=new_size,
            new_root=root_of(leaves),
            proof=consistency_proof(leaves, old_size),
        )


@given(st.data())
def test_a_consistency_proof_with_any_changed_byte_fails(data: st.DataObject) -> None:
    new_size = data.draw(st.integers(1, 70))
    old_size = data.draw(st.integers(1, new_size))
    leaves = LEAVES[:new_size]
    parts = [root_of(leaves[:old_size]), root_of(leaves), *consistency_proof(leaves, old_size)]
    part = data.draw(st.integers(0, len(parts) - 1))
    changed = bytearray(parts[part])
    changed[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
    parts[part] = bytes(changed)

    with pytest.raises(ProofError):
        verify_consistency(
            old_size=old_size,
            old_root=parts[0],
            new_size=new_size,
            new_root=parts[1],
            proof=parts[2:],
        )


@given(st.integers(1, 69), st.integers(0, 68))
def test_a_rewritten_leaf_below_the_old_size_breaks_consistency(old: int, index: int) -> None:
    index %= old
    forged = [*LEAVES[:index], leaf_hash(b"forged"), *LEAVES[index + 1 :]]

    with pytest.raises(ProofError):
        verify_consistency(
            old_size=old,
            old_root=root_of(LEAVES[:old]),
            new_size=70,
            new_root=root_of(forged),
            proof=consistency_proof(forged, old),
        )


def test_a_shrinking_log_is_refused() -> None:
    with pytest.raises(ProofError):
        consistency_proof(LEAVES[:3], 4)
    with pytest.raises(ProofError):
        verify_consistency(
            old_size=2, old_root=LEAVES[0], new_size=1, new_root=LEAVES[0], proof=[]
        )


@pytest.mark.parametrize("proof", [[], [LEAVES[0]] * 5])
def test_a_consistency_proof_of_another_length_is_refused(proof: list[bytes]) -> None:
    with pytest.raises(ProofError):
        verify_consistency(
            old_size=3,
            old_root=root_of(LEAVES[:3]),
            new_size=7,
            new_root=root_of(LEAVES[:7]),
            proof=proof,
        )


def test_nothing_but_the_empty_root_stands_for_the_empty_log() -> None:
    with pytest.raises(ProofError):
        verify_consistency(
            old_size=0, old_root=LEAVES[1], new_size=1, new_root=LEAVES[0], proof=[]
        )
