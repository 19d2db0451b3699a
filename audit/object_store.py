"""What the archive needs of an object store, whoever runs it."""

from typing import Protocol


class ObjectStore(Protocol):
    """Objects by path. One user at a time for each store object.

    Every method raises ArchiveUnavailableError where the store gave no usable answer: what it
    was asked to keep may then be kept or not.
    """

    def verify_locked(self) -> None:
        """Check that what is put here stays.

        Raises:
            ArchiveRefusedError: it would not.
        """
        ...

    def put_new(self, path: str, data: bytes) -> bool:
        """Keep an object unless there is one of that path already.

        Returns:
            True: kept now, durably and for the time of retention. False: there was one.
        """
        ...

    def put(self, path: str, data: bytes) -> None:
        """Keep an object in place of the one of that path, of which nothing is lost."""
        ...

    def read(self, path: str, limit: int) -> bytes | None:
        """The newest object of that path, or None; as audit.tile_source.TileSource has it.

        Raises:
            UnverifiableError: it is longer than `limit` bytes.
        """
        ...
