"""Where an export is written: a directory or a zip that appears under its name when complete."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from audit.errors import DirectoryError, UnverifiableError
from audit.tile_source import DirectorySource

ZIP_SUFFIX = ".zip"
_COPY_BYTES = 1 << 20
_MODE = 0o100644 << 16


class ExportSink(Protocol):
    """Takes the files of one export; as a TileSource it reads back those it has taken."""

    def write(self, path: str, data: bytes) -> None:
        """Take a whole file. A path is given once."""
        ...

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Take a file piece by piece; other files may be written meanwhile."""
        ...

    def read(self, path: str, limit: int) -> bytes | None:
        """See TileSource."""
        ...


@contextmanager
def open_sink(target: Path, *, at: datetime) -> Iterator[ExportSink]:
    """A zip where the name ends in .zip, a directory otherwise; gone again after an exception.

    Until the end the files stand beside the target under a name of their own. All that is
    made is readable by its owner alone.

    Args:
        target: must not exist.
        at: the time that members of a zip bear.

    Raises:
        DirectoryError: the target is there already, or the disk refused.
    """
    is_zip = target.suffix == ZIP_SUFFIX
    if target.exists() or target.is_symlink():
        raise DirectoryError(f"{target} is there already; an export gets a new name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DirectoryError("the export cannot be begun where it was asked for") from error
    try:
        if is_zip:
            with _ZipSink(workshop / target.name, target.stem, at) as sink:
                yield sink
            (workshop / target.name).rename(target)
            workshop.rmdir()
        else:
            yield _DirectorySink(workshop)
            # One flush for all instead of one a tile.
            os.sync()
            workshop.rename(target)
    except OSError as error:
        raise DirectoryError(f"the export could not be written ({error.strerror})") from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


class _DirectorySink:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._source = DirectorySource(directory)

    def write(self, path: str, data: bytes) -> None:
        with self.open(path) as file:
            file.write(data)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        place = self._directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            yield file

    def read(self, path: str, limit: int) -> bytes | None:
        return self._source.read(path, limit)


class _ZipSink:
    """Members stand in one folder named like the file, so that unpacking makes one directory."""

    def __init__(self, place: Path, folder: str, at: datetime) -> None:
        self._place = place
        self._folder = folder
        self._time = at.timetuple()[:6]
        self._archive = zipfile.ZipFile(place, "x", zipfile.ZIP_DEFLATED, compresslevel=6)
        place.chmod(0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._archive.close()
        with self._place.open("rb") as file:
            os.fsync(file.fileno())

    def write(self, path: str, data: bytes) -> None:
        self._archive.writestr(self._member(path), data)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        # An archive takes one member at a time, so this one waits outside of it.
        with tempfile.TemporaryFile(dir=self._place.parent) as spool:
            yield spool
            spool.seek(0)
            with self._archive.open(self._member(path), "w", force_zip64=True) as member:
                shutil.copyfileobj(spool, member, _COPY_BYTES)

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            with self._archive.open(f"{self._folder}/{path}") as member:
                data = member.read(limit + 1)
        except KeyError:
            return None
        if len(data) > limit:
            raise UnverifiableError(f"{path} is longer than such a file can be")
        return data

    def _member(self, path: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(f"{self._folder}/{path}", self._time)
        # Hashes do not shrink.
        is_tile = path.startswith("tile/") and not path.startswith("tile/entries/")
        member.compress_type = zipfile.ZIP_STORED if is_tile else zipfile.ZIP_DEFLATED
        member.external_attr = _MODE
        return member
