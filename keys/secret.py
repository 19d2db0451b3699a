"""A value that cannot be printed, and the files it is read from."""

import os
import stat
from pathlib import Path
from typing import Self, final

from typing_extensions import override

from keys.errors import KeyFileError

_GROUP_OR_WORLD = stat.S_IRWXG | stat.S_IRWXO
_MAX_KEY_FILE_BYTES = 64 * 1024


@final
class Secret:
    """Bytes that must not reach a log, a traceback or a page: only `reveal()` gives them.

    The bytes are overwritten by `close()`, at the end of a `with`, and when the object goes. What
    `reveal()` handed out is a copy that Python keeps until it is collected: hand it straight to
    what needs it and give it no name, so that it stands in no frame that a traceback prints.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._value: bytearray | None = bytearray(value)

    def reveal(self) -> bytes:
        """Returns a copy of the bytes.

        Raises:
            KeyFileError: the secret has been closed.
        """
        if self._value is None:
            raise KeyFileError("a secret was used after it had been overwritten")
        return bytes(self._value)

    def close(self) -> None:
        """Overwrites the bytes with zeros; a second time does nothing."""
        value, self._value = self._value, None
        if value is not None:
            value[:] = bytes(len(value))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __len__(self) -> int:
        """How many bytes; 0 once closed."""
        return 0 if self._value is None else len(self._value)

    @override
    def __repr__(self) -> str:
        return "Secret(…)"

    @override
    def __format__(self, format_spec: str) -> str:
        return repr(self)

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
            content = Secret(file.read(_MAX_KEY_FILE_BYTES + 1))
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    if not 0 < len(content) <= _MAX_KEY_FILE_BYTES:
        raise KeyFileError(f"{path} is not a key file: it holds {len(content)} bytes")
    return content


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
