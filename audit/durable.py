"""Files that are replaced whole: after a crash they hold the old bytes or the new ones."""

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write beside the path, flush to the disk, and rename over it.

    The new content is on the disk when this returns, but the new name is so only after
    sync_directory on its folder. Two writers of one path would meet in the temporary file:
    callers hold a lock.

    Raises:
        OSError: nothing was replaced; a temporary file may be left, which the next call reuses.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, mode), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
