"""Keeps time-stamp tokens beside an exported log, where its verifier looks for them."""

from pathlib import Path

from audit.durable import replace_file, sync_directory
from audit.errors import DirectoryError
from audit.timestamp import (
    CHECKPOINTS,
    INDEX,
    TIMESTAMPS,
    TOKEN_SUFFIX,
    format_index,
    note_path,
    token_path,
)


class TimestampFolder:
    """The tokens of one log directory. One writer, which need not be that of the tiles."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def sizes(self) -> set[int]:
        """The sizes that have a token, whether the index was written or not."""
        found = (self._directory / TIMESTAMPS).glob(f"*{TOKEN_SUFFIX}")
        return {int(path.stem) for path in found if path.stem.isdecimal()}

    def keep(self, size: int, note: str, token: bytes) -> None:
        """Write the note, its token and then the index, each durably.

        Raises:
            DirectoryError: the disk refused; what was written does no harm.
        """
        try:
            for folder in (CHECKPOINTS, TIMESTAMPS):
                (self._directory / folder).mkdir(exist_ok=True)
            replace_file(self._directory / note_path(size), note.encode())
            sync_directory(self._directory / CHECKPOINTS)
            replace_file(self._directory / token_path(size), token)
            # Made from what is there: a crash before this line is mended by the next token.
            replace_file(self._directory / INDEX, format_index(self.sizes()).encode())
            sync_directory(self._directory / TIMESTAMPS)
            sync_directory(self._directory)
        except OSError as error:
            raise DirectoryError("a time-stamp token could not be written") from error
