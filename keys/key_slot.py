"""The files of a key that rotates: the active one, the one announced, those that retire.

Beside `kek.key` stand `kek.next.key`, which is known but not used yet, and
`kek.retiring-ID.key`, which is not used any more but still known. Each step is one rename or one
link, so that whoever reads at any moment finds every key that may be in use.
"""

import contextlib
import os
from pathlib import Path

from keys.errors import KeyFileError
from keys.secret import write_private_file

Stamp = tuple[tuple[str, int, int], ...]


class KeySlot:
    """The files around one path; it does not look into them."""

    def __init__(self, active: Path) -> None:
        self.active = active

    @property
    def announced(self) -> Path:
        """Where the next key waits, if there is one."""
        return self._named("next")

    def retiring(self) -> list[Path]:
        """The files of keys that are still known, though not used."""
        return self._all("retiring")

    def known(self) -> list[Path]:
        """All that are to be loaded: the active one first."""
        announced = [self.announced] if self.announced.exists() else []
        return [self.active, *announced, *self.retiring()]

    def stamp(self) -> Stamp:
        """Differs whenever a file of the slot came, went or changed."""
        stamps = []
        for path in self.known():
            with contextlib.suppress(OSError):
                status = path.stat()
                stamps.append((path.name, status.st_ino, status.st_mtime_ns))
        return tuple(stamps)

    def announce(self, content: bytes) -> None:
        """Places the next key, whole or not at all; one that is announced already stays.

        Raises:
            KeyFileError: the file cannot be written.
        """
        if self.announced.exists():
            return
        fresh = self._named("fresh")
        try:
            fresh.unlink(missing_ok=True)  # of a run that was killed here
            write_private_file(fresh, content)
            fresh.replace(self.announced)
            self._sync()
        except OSError as error:
            raise KeyFileError(f"{fresh} cannot be written: {error.strerror}") from error

    def promote(self, active_id: str) -> None:
        """Makes the announced key the active one; the active one retires under its id.

        Killed between its two steps it leaves the old key active, and can be done again.

        Raises:
            KeyFileError: there is no announced key, or the files cannot be moved.
        """
        try:
            with contextlib.suppress(FileExistsError):
                os.link(self.active, self._named(f"retiring-{active_id}"))
            self.announced.replace(self.active)
            self._sync()
        except OSError as error:
            raise KeyFileError(
                f"{self.active} cannot be replaced by the next key: {error.strerror}"
            ) from error

    def set_aside(self, key_id: str) -> Path:
        """Ends the retirement of a key: nothing loads it any more, its file is kept.

        Raises:
            KeyFileError: no such key retires here.
        """
        retired = self._named(f"retired-{key_id}")
        try:
            self._named(f"retiring-{key_id}").replace(retired)
            self._sync()
        except OSError as error:
            raise KeyFileError(f"no key {key_id} retires beside {self.active}") from error
        return retired

    def destroy(self, key_id: str) -> None:
        """Ends the retirement of a key and removes its file.

        Raises:
            KeyFileError: no such key retires here.
        """
        retired = self.set_aside(key_id)
        # A journalling disk may keep old blocks; it is the best that a file can do.
        with retired.open("r+b") as file:
            file.write(bytes(retired.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        retired.unlink()
        self._sync()

    def _named(self, part: str) -> Path:
        return self.active.with_name(f"{self.active.stem}.{part}{self.active.suffix}")

    def _all(self, kind: str) -> list[Path]:
        begin, end = f"{self.active.stem}.{kind}-", self.active.suffix
        try:
            files = sorted(self.active.parent.iterdir())
        except OSError as error:
            raise KeyFileError(f"{self.active.parent} cannot be read: {error.strerror}") from error
        return [file for file in files if file.name.startswith(begin) and file.name.endswith(end)]

    def _sync(self) -> None:
        """Makes the names durable."""
        descriptor = os.open(self.active.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
