"""An ObjectStore in memory that dies on command, before or after it has kept an object."""

from audit.errors import ArchiveRefusedError, ArchiveUnavailableError, UnverifiableError
from audit.object_store import ObjectStore


class MemoryObjectStore:
    """Objects by path with all their versions, oldest first.

    Attributes:
        is_locked: whether the store says that what it keeps stays.
        fails_at: number of the put (from 1) that gives no answer; 0 for none.
        fails_after: whether that put has kept its object all the same.
        puts: the paths that were kept, in order.
    """

    def __init__(self) -> None:
        self.versions: dict[str, list[bytes]] = {}
        self.is_locked = True
        self.fails_at = 0
        self.fails_after = False
        self.puts: list[str] = []
        self._calls = 0

    @property
    def objects(self) -> dict[str, bytes]:
        return {path: versions[-1] for path, versions in self.versions.items()}

    def verify_locked(self) -> None:
        if not self.is_locked:
            raise ArchiveRefusedError("injected")

    def put_new(self, path: str, data: bytes) -> bool:
        return self._put(path, data, is_new=True)

    def put(self, path: str, data: bytes) -> None:
        self._put(path, data, is_new=False)

    def read(self, path: str, limit: int) -> bytes | None:
        data = self.objects.get(path)
        if data is not None and len(data) > limit:
            raise UnverifiableError("too long")
        return data

    def _put(self, path: str, data: bytes, *, is_new: bool) -> bool:
        self._calls += 1
        fails = self._calls == self.fails_at
        if fails and not self.fails_after:
            raise ArchiveUnavailableError("injected")
        if is_new and path in self.versions:
            return False
        self.versions.setdefault(path, []).append(data)
        self.puts.append(path)
        if fails:
            raise ArchiveUnavailableError("injected")
        return True


_: type[ObjectStore] = MemoryObjectStore
