"""Reading an export: a log's source that also gives long files piece by piece."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, runtime_checkable

from audit.errors import FramingError, TamperedError, UnverifiableError
from audit.export.manifest import ENTRIES, MANIFEST, MAX_MANIFEST_BYTES, Manifest
from audit.tile_source import TileSource


@runtime_checkable
class ExportSource(TileSource, Protocol):
    """A directory or a zip: audit.tile_source.DirectorySource and ZipSource fit."""

    def open(self, path: str) -> BinaryIO | None:
        """A file to be read piece by piece, or None where there is none.

        Raises:
            UnverifiableError: it cannot be opened.
        """
        ...


def read_manifest(source: TileSource) -> Manifest | None:
    """What the export says of itself; None where the source is a plain log.

    Raises:
        TamperedError: there is a manifest that is none.
        UnverifiableError: the manifest is gone, but the entries are there.
    """
    data = source.read(MANIFEST, MAX_MANIFEST_BYTES)
    if data is None:
        if isinstance(source, ExportSource) and (file := source.open(ENTRIES)) is not None:
            file.close()
            raise UnverifiableError(
                f"missing: {MANIFEST}, without which nobody vouches for {ENTRIES}"
            )
        return None
    try:
        return Manifest.from_bytes(data)
    except FramingError as error:
        raise TamperedError(0, str(error)) from error


@contextmanager
def opened(source: ExportSource, path: str) -> Iterator[BinaryIO]:
    """A file of the export, with every way of failing to read it as UnverifiableError."""
    file = source.open(path)
    if file is None:
        raise UnverifiableError(f"missing: {path}")
    try:
        with file:
            yield file
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UnverifiableError(f"{path} cannot be read") from error
