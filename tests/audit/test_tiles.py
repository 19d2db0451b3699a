import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofError
from audit.merkle import Frontier, leaf_hash, root_of
from audit.tile_stack import TileStack
from audit.tiles import TileName, fold, tile_at, tiles_of

LEAVES = [leaf_hash(b"%d" % number) for number in range(70_000)]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (TileName(0, 0), "tile/0/000"),
        (TileName(0, 1_234_067), "tile/0/x001/x234/067"),
        (TileName(3, 999, 17), "tile/3/999.p/17"),
        (TileName(1, 1_000), "tile/1/x001/000"),
        (TileName(63, 5), "tile/63/005"),
        (TileName(None, 273, 112), "tile/entries/273.p/112"),
        (TileName(None, 273_000, 1), "tile/entries/x273/000.p/1"),
    ],
)
def test_a_tile_has_one_path(name: TileName, path: str) -> None:
    assert name.to_path() == path
    assert TileName.from_path(path) == name


@given(st.none() | st.integers(0, 63), st.integers(0, 2**60), st.integers(1, 256))
def test_every_path_is_read_back(level: int | None, index: int, width: int) -> None:
    name = TileName(level, index, width)

    assert TileName.from_path(name.to_path()) == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/8/0/000/000",
        "tile/-1/000",
        "tile/0/../000",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
    ],
)
def test_a_path_that_is_not_quite_a_tiles_is_refused(path: str) -> None:
    with pytest.raises(ProofError):
        TileName.from_path(path)


def test_seventy_thousand_entries_have_the_tiles_of_the_specification() -> None:
    paths = [name.to_path() for name in tiles_of(70_000)]

    assert len(paths) == 274 + 274 + 2 + 1
    for path in ("tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17"):
        assert path in paths
    assert paths[-1] == "tile/2/000.p/1"


def test_a_full_tile_at_the_very_end_has_no_partial_one_behind_it() -> None:
    assert [name.to_path() for name in tiles_of(256)] == [
        "tile/entries/000",
        "tile/0/000",
        "tile/1/000.p/1",
    ]
    assert list(tiles_of(0)) == []


def test_a_tile_beyond_the_tree_is_refused() -> None:
    with pytest.raises(ProofError):
        tile_at(0, 1, 256)


def test_a_full_tile_folds_to_the_root_of_its_leaves() -> None:
    assert fold(b"".join(LEAVES[:256])) == root_of(LEAVES[:256])


@pytest.mark.parametrize("step", [1, 7, 256, 1_000, 70_000])
def test_a_stack_hands_out_each_tile_once_however_the_leaves_come(step: int) -> None:
    leaves = LEAVES if step > 100 else LEAVES[:600]
    stack = TileStack()
    tiles = []

    for first in range(0, len(leaves), step):
        tiles += stack.extend(b"".join(leaves[first : first + step]))
    tiles += stack.partials()

    expected = [name for name in tiles_of(len(leaves)) if name.level is not None]
    assert sorted((tile.name for tile in tiles), key=str) == sorted(expected, key=str)
    for tile in tiles:
        if tile.name.level == 0:
            first = tile.name.first_leaf
            assert tile.hashes == b"".join(leaves[first : first + tile.name.width])
    assert stack.frontier == Frontier().extend(leaves)


@given(st.integers(0, 70_000))
def test_a_stack_resumed_from_its_edge_is_the_same_tree(size: int) -> None:
    stack = TileStack()
    stack.extend(b"".join(LEAVES[:size]))
    edge = {tile.name.level: tile.hashes for tile in stack.partials()}
    levels = (size.bit_length() + 7) // 8

    resumed = TileStack(size, [edge.get(level, b"") for level in range(levels)])

    assert resumed.frontier == stack.frontier


def test_full_tiles_may_be_added_by_their_roots_alone() -> None:
    by_leaf, by_tile = TileStack(), TileStack()
    expected = [tile for tile in by_leaf.extend(b"".join(LEAVES)) if tile.name.level]
    roots = b"".join(root_of(LEAVES[at : at + 256]) for at in range(0, 69_888, 256))

    full = by_tile.extend_tiles(roots)
    full += by_tile.extend(b"".join(LEAVES[69_888:]))

    assert full == expected
    assert by_tile.frontier == by_leaf.frontier
    with pytest.raises(ProofError):
        by_tile.extend_tiles(bytes(32))


@pytest.mark.parametrize(("size", "edge"), [(1, []), (1, [b""]), (0, [bytes(32)]), (256, [b""])])
def test_an_edge_that_does_not_fit_the_size_is_refused(size: int, edge: list[bytes]) -> None:
    with pytest.raises(ProofError):
        TileStack(size, edge)
