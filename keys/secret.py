"""A value that cannot be printed, and the files it is read from."""

import os
import stat
from pathlib import Path
from typing import final

from typing_extensions import override

from keys.errors import KeyFileError

_GROUP_OR_WORLD = stat.S_IRWXG | stat.S_IRWXO
_MAX_KEY_FILE_BYTES = 64 * 1024


@final
class Secret:
    """Bytes that must not reach a log, a traceback or a page: only `reveal()` gives them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Returns the bytes; the caller keeps them out of names that get printed."""
        return self._value

    @override
    def __repr__(self) -> str:
        return "Secret(…)"

    @override
    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


def read_private_file(path: Path) -> Secret:
    """Reads a key file.

    Raises:
        KeyFileError: it is missing, empty, too large, or readable by group or world.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _GROUP_OR_WORLD:
                raise KeyFileError(
                    f"{path} can be read by others (mode {mode:o}); run: chmod 600 {path}"
                )
            content = file.read(_MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    if not content or len(content) > _MAX_KEY_FILE_BYTES:
        raise KeyFileError(f"{path} is not a key file: it holds {len(content)} bytes")
    return Secret(content)


def write_private_file(path: Path, content: bytes) -> None:
    """Writes a new key file with mode 600; an existing file is never overwritten.

    Raises:
        KeyFileError: the file exists or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error
