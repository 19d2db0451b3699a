"""A published log in a zip file, read in place: nothing is ever unpacked."""

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from typing_extensions import override

from audit.errors import UnverifiableError
from audit.tile_source import CHECKPOINT

_MAX_MEMBERS = 5_000_000
_UNREADABLE = (
    OSError,
    RuntimeError,  # an encrypted member
    NotImplementedError,  # a method of compression that is not known
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


class ZipSource:
    """A log in a zip, at its top or in one folder of it; fits TileSource.

    Members are asked for by names that the verifier makes, so that a member named
    `../../etc/passwd` is never read, let alone written; at most the asked-for number of
    bytes is inflated, whatever a member claims to hold.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UnverifiableError: no zip, no checkpoint or two in it, or a name that stands twice:
                two readers of such a file could see two logs.
        """
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise UnverifiableError("the file is not a zip archive that can be read") from error
        names = self._archive.namelist()
        if len(names) > _MAX_MEMBERS or len(set(names)) != len(names):
            raise UnverifiableError("the zip has too many members, or one name twice")
        found = [name for name in names if name.rpartition("/")[2] == CHECKPOINT]
        if len(found) != 1:
            raise UnverifiableError(f"the zip holds {len(found)} checkpoints instead of one")
        self._prefix = found[0].removesuffix(CHECKPOINT)

    @override
    def __reduce__(self) -> tuple[type["ZipSource"], tuple[Path]]:
        """Pickled by path: a worker process opens the file for itself."""
        return ZipSource, (self._path,)

    def read(self, path: str, limit: int) -> bytes | None:
        """See TileSource."""
        file = self.open(path)
        if file is None:
            return None
        try:
            with file:
                data = file.read(limit + 1)
        except _UNREADABLE as error:
            raise UnverifiableError(f"{path} cannot be read from the zip") from error
        if len(data) > limit:
            raise UnverifiableError(f"{path} is longer than such a file can be")
        return data

    def open(self, path: str) -> BinaryIO | None:
        """A member to be read piece by piece, or None where there is none.

        Raises:
            UnverifiableError: it cannot be opened. Reading on may raise what zip files raise.
        """
        try:
            return cast("BinaryIO", self._archive.open(self._prefix + path))
        except KeyError:
            return None
        except _UNREADABLE as error:
            raise UnverifiableError(f"{path} cannot be read from the zip") from error
