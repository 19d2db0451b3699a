"""A lock on a directory, so that two processes never write the same files."""

import fcntl
import os
from pathlib import Path

from audit.errors import DirectoryError


class DirectoryLock:
    """Held from construction to close; the kernel drops it when the process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock at once.

        Raises:
            DirectoryError: another process has it, or there is no such directory.
        """
        try:
            self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise DirectoryError("the directory cannot be opened") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise DirectoryError("another process writes this directory") from error

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)
