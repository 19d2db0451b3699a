from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofError, TamperedError, UnverifiableError
from audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from audit.tile_source import DirectorySource, TileSource
from audit.tile_tree import TileTree
from audit.tiles import tiles_of
from tests.audit.log_directory import entries_of, new_signer, write_log

SIZE = 70_000
LEAVES = [leaf_hash(entry) for entry in entries_of(SIZE)]


class CountingSource:
    def __init__(self, source: TileSource) -> None:
        self._source = source
        self.reads: list[str] = []

    def read(self, path: str, limit: int) -> bytes | None:
        self.reads.append(path)
        return self._source.read(path, limit)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DirectorySource:
    directory = tmp_path_factory.mktemp("log")
    write_log(directory, new_signer(), entries_of(SIZE))
    return DirectorySource(directory)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 600, 769])
def test_proofs_from_tiles_are_those_from_all_leaves(size: int, tmp_path: Path) -> None:
    write_log(tmp_path, new_signer(), entries_of(size))
    tree = TileTree(DirectorySource(tmp_path), size)

    for index in {0, 1, size // 2, 254, 255, 256, size - 2, size - 1} & set(range(size)):
        assert tree.inclusion_proof(index) == inclusion_proof(LEAVES[:size], index)
    for old in {0, 1, 2, 3, size // 2, 255, 256, 257, size - 1, size} & set(range(size + 1)):
        assert tree.consistency_proof(old) == consistency_proof(LEAVES[:size], old)
        assert tree.root(old) == root_of(LEAVES[:old])


@given(index=st.integers(0, SIZE - 1))
def test_every_entry_of_a_large_log_is_proven(source: DirectorySource, index: int) -> None:
    tree = TileTree(source, SIZE)

    verify_inclusion(
        LEAVES[index],
        index=index,
        size=SIZE,
        root=tree.root(SIZE),
        proof=tree.inclusion_proof(index),
    )
    assert tree.leaf(index) == LEAVES[index]


@given(old=st.integers(0, SIZE))
def test_growth_from_every_size_is_proven(source: DirectorySource, old: int) -> None:
    tree = TileTree(source, SIZE)

    verify_consistency(
        old_size=old,
        old_root=Frontier().extend(LEAVES[:old]).root,
        new_size=SIZE,
        new_root=tree.root(SIZE),
        proof=tree.consistency_proof(old),
    )


@pytest.mark.parametrize("index", [0, 40_000, SIZE - 1])
def test_a_proof_reads_no_more_tiles_than_the_tree_has_levels_and_edges(
    source: DirectorySource, index: int
) -> None:
    counting = CountingSource(source)

    TileTree(counting, SIZE).inclusion_proof(index)

    assert len(counting.reads) <= 6


def test_a_smaller_tree_is_read_from_the_tiles_of_the_larger(source: DirectorySource) -> None:
    old = 300

    tree = TileTree(source, old)

    assert tree.root(old) == root_of(LEAVES[:old])
    assert tree.inclusion_proof(290) == inclusion_proof(LEAVES[:old], 290)


def test_the_root_of_nothing_is_that_of_the_empty_tree(source: DirectorySource) -> None:
    assert TileTree(source, SIZE).root(0) == EMPTY_ROOT


def test_what_the_tree_does_not_hold_is_not_proven(source: DirectorySource) -> None:
    with pytest.raises(ProofError):
        TileTree(source, SIZE).inclusion_proof(SIZE)
    with pytest.raises(ProofError):
        TileTree(source, SIZE).consistency_proof(SIZE + 1)


def test_a_missing_tile_and_one_of_another_length_are_told_apart(tmp_path: Path) -> None:
    write_log(tmp_path, new_signer(), entries_of(600))
    tile = tmp_path / "tile/0/001"

    tile.write_bytes(tile.read_bytes()[:-1])
    with pytest.raises(TamperedError) as found:
        TileTree(DirectorySource(tmp_path), 600).inclusion_proof(300)
    assert found.value.index == 256
    tile.unlink()
    with pytest.raises(UnverifiableError, match="missing: tile/0/001"):
        TileTree(DirectorySource(tmp_path), 600).inclusion_proof(300)


def test_a_link_or_a_pipe_or_a_giant_in_place_of_a_tile_is_refused(tmp_path: Path) -> None:
    import os

    write_log(tmp_path, new_signer(), entries_of(600))
    tile = tmp_path / "tile/0/001"
    for replace in (
        lambda: tile.symlink_to("/dev/zero"),
        lambda: os.mkfifo(tile),
        lambda: tile.write_bytes(bytes(8_193)),
        tile.mkdir,
    ):
        tile.unlink()
        replace()
        with pytest.raises(UnverifiableError):
            TileTree(DirectorySource(tmp_path), 600).inclusion_proof(300)


def test_every_tile_of_a_log_is_read_by_its_name(source: DirectorySource) -> None:
    for name in tiles_of(SIZE):
        assert source.read(name.to_path(), name.max_bytes) is not None
