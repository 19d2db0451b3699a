"""Logs written straight into directories, the same bytes each time, for rows that only read."""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256, shake_256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.bundle import encode_bundle
from audit.checkpoint import Checkpoint
from audit.entry import EventType, encode_entry
from audit.merkle import HASH_BYTES, leaf_hash
from audit.note import Ed25519Signer
from audit.tile_source import CHECKPOINT
from audit.tile_stack import TileStack
from audit.tiles import TILE_WIDTH, tile_at

VENDOR = "alpha"
CONTRACT = "alpha-2026"
# It signs invented logs only, and its logs are kept from run to run.
BENCH_LOG_KEY = Ed25519Signer(
    "audit.example.com/gw/bench",
    Ed25519PrivateKey.from_private_bytes(sha256(b"casegate bench log").digest()),
)
_ENTRY_BYTES = 371
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write_log(directory: Path, size: int) -> None:
    """A whole log of `size` release entries of 371 bytes; nothing is done where it is already."""
    _write(directory, size, lambda _tile: True)


def write_sparse_log(directory: Path, size: int, tiles_with_entries: Sequence[int]) -> None:
    """All hash tiles of a log of `size` entries, and the entries of some of its level-0 tiles.

    A proof needs hashes only. The leaf hashes of the other tiles are made up.
    """
    chosen = frozenset(tiles_with_entries)
    _write(directory, size, chosen.__contains__)


def _write(directory: Path, size: int, has_entries: Callable[[int], bool]) -> None:
    if (directory / CHECKPOINT).exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    stack = TileStack()
    for index in range(-(-size // TILE_WIDTH)):
        first = index * TILE_WIDTH
        width = min(TILE_WIDTH, size - first)
        if has_entries(index):
            entries = [_make_entry(number) for number in range(first, first + width)]
            bundle = tile_at(None, index, size).to_path()
            _put(directory / bundle, encode_bundle(entries))
            leaves = b"".join([leaf_hash(entry) for entry in entries])
        else:
            leaves = shake_256(b"%d" % index).digest(width * HASH_BYTES)
        for tile in stack.extend(leaves):
            _put(directory / tile.name.to_path(), tile.hashes)
    for tile in stack.partials():
        _put(directory / tile.name.to_path(), tile.hashes)
    # Last: where a checkpoint is, the rest is.
    checkpoint = Checkpoint(BENCH_LOG_KEY.name, size, stack.frontier.root)
    _put(directory / CHECKPOINT, checkpoint.sign(BENCH_LOG_KEY).encode())


def _make_entry(number: int) -> bytes:
    digest = sha256(b"%d" % number).hexdigest()
    time = _NOON + timedelta(milliseconds=number)
    fields = {
        "vendor": VENDOR,
        "contract": CONTRACT,
        "request": digest[:32],
        "case": digest[32:],
        "policy": digest,
    }
    bare = encode_entry(EventType.ACCESS_RELEASE, time=time, actor="", **fields)
    actor = "a" * (_ENTRY_BYTES - len(bare))
    return encode_entry(EventType.ACCESS_RELEASE, time=time, actor=actor, **fields)


def _put(path: Path, data: bytes) -> None:
    # Without the writer's flushes, which are not what is measured.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
