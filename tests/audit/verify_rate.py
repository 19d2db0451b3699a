"""Measures the directory verifier in entries a second, beside bare SHA-256 of the same bytes.

Run from the repository's root: python -m tests.audit.verify_rate [entries]
Each figure is the best of three passes, since other work on the machine only adds time.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from audit.bundle import encode_bundle
from audit.checkpoint import Checkpoint
from audit.directory import verify_directory
from audit.entry import EventType, encode_entry
from audit.merkle import leaf_hash
from audit.tile_source import CHECKPOINT, DirectorySource
from audit.tile_stack import Tile, TileStack
from audit.tiles import TILE_WIDTH, tile_at
from tests.audit.log_directory import new_signer, policy_of

PASSES = 3
BYTES = 371
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_entry(number: int) -> bytes:
    """A release of exactly 371 bytes."""
    digest = sha256(b"%d" % number).hexdigest()
    fields = {"vendor": "acme", "request": digest[:32], "case": digest[32:], "policy": digest}
    time = NOON + timedelta(milliseconds=number)
    bare = encode_entry(EventType.ACCESS_RELEASE, time=time, actor="", **fields)
    actor = "a" * (BYTES - len(bare))
    return encode_entry(EventType.ACCESS_RELEASE, time=time, actor=actor, **fields)


def write(directory: Path, entries: list[bytes]) -> None:
    """The log's files, without the writer's flushes, which are not what is measured."""

    def put(path: str, data: bytes) -> None:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)

    stack = TileStack()
    tiles: list[Tile] = []
    for first in range(0, len(entries), TILE_WIDTH):
        part = entries[first : first + TILE_WIDTH]
        name = tile_at(None, first // TILE_WIDTH, len(entries))
        put(name.to_path(), encode_bundle(part))
        tiles += stack.extend(b"".join(leaf_hash(entry) for entry in part))
    for tile in (*tiles, *stack.partials()):
        put(tile.name.to_path(), tile.hashes)
    checkpoint = Checkpoint(SIGNER.name, len(entries), stack.frontier.root)
    put(CHECKPOINT, checkpoint.sign(SIGNER).encode())


def best(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(PASSES):
        start = perf_counter()
        work()
        seconds.append(perf_counter() - start)
    return min(seconds)


SIGNER = new_signer()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    entries = [make_entry(number) for number in range(count)]
    assert {len(entry) for entry in entries} == {BYTES}
    policy = policy_of(SIGNER)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write(directory, entries)
        source = DirectorySource(directory)
        print(f"{count:,} entries of {BYTES} bytes, {os.cpu_count()} cores; best of {PASSES}")
        bare = best(lambda: [sha256(entry).digest() for entry in entries])
        print(f"bare SHA-256, in memory     {count / bare:12,.0f} entries/s")
        for workers in (1, os.cpu_count() or 1):
            taken = best(lambda: verify_directory(source, policy, workers=workers))  # noqa: B023
            print(
                f"verify_directory, {workers} process{'es' if workers > 1 else '  '}"
                f"{count / taken:12,.0f} entries/s ({taken:.2f} s)"
            )


if __name__ == "__main__":
    main()
