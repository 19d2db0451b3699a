"""The floor under every durable write: one fdatasync of 512 appended bytes on the same disk."""

import os
from pathlib import Path
from time import monotonic

from tests.bench.harness import percentile

_BYTES = 512
_TIMES = 300


def measure_flush(directory: Path) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    path = directory / "flush.bin"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    took: list[float] = []
    try:
        for _ in range(_TIMES):
            begin = monotonic()
            os.write(descriptor, bytes(_BYTES))
            os.fdatasync(descriptor)
            took.append(monotonic() - begin)
    finally:
        os.close(descriptor)
        path.unlink()
    took.sort()
    return {"p50_ms": percentile(took, 0.5) * 1e3, "p99_ms": percentile(took, 0.99) * 1e3}
