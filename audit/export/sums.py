"""files.sha256: the SHA-256 of each file of an export, in the form that sha256sum checks."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from audit.errors import FramingError

MAX_LINE_BYTES = 1_000
# Names that lead nowhere but downward, without any sign that a shell or sha256sum reads.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_LINE = re.compile(rf"([0-9a-f]{{64}})  ({_PART}(?:/{_PART})*)\n")
_BLOCK = 1 << 16


class HashingFile:
    """Hashes what is written on its way into a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Write and hash."""
        self._digest.update(data)
        self._file.write(data)

    @property
    def digest(self) -> str:
        """SHA-256 of all that was written, in hex."""
        return self._digest.hexdigest()


class FileSums:
    """Collects the list on the disk, because a long log has many tiles."""

    def __init__(self) -> None:
        self._lines = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()

    def add(self, path: str, digest: str) -> None:
        """List a file.

        Raises:
            FramingError: the path is none that the list can hold.
        """
        line = f"{digest}  {path}\n"
        if _LINE.fullmatch(line) is None:
            raise FramingError("the name of a file cannot stand in the list")
        self._lines.write(line.encode())

    def write_to(self, file: BinaryIO) -> str:
        """Write the list; returns its own SHA-256 in hex."""
        self._lines.seek(0)
        hashing = HashingFile(file)
        while block := self._lines.read(_BLOCK):
            hashing.write(block)
        return hashing.digest


def read_sums(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Paths and digests; raises FramingError where a line is none."""
    while line := file.readline(MAX_LINE_BYTES):
        match = _LINE.fullmatch(line.decode("utf-8", "replace"))
        if match is None:
            raise FramingError("a line of the list of files is none")
        yield match[2], match[1]


def sum_of(file: BinaryIO) -> str:
    """SHA-256 of the rest of a file, in hex."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
