"""Keeps the published log directory at the newest signed head, cosigned by its witnesses."""

from collections.abc import Sequence
from pathlib import Path

import psycopg

from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureVerifier
from audit.errors import DirectoryError, WitnessUnavailableError
from audit.note import SignedNote
from audit.tile_source import DirectorySource, read_note
from audit.tile_tree import TileTree
from audit.tile_writer import TileWriter
from audit.witness_client import WitnessClient
from gateway.clock import Clock
from gateway.logs import logger
from gateway.oversight.export import extend_directory
from gateway.settings import WitnessSettings

WITNESS_SECONDS = 2.0
RETRY_SECONDS = 10.0


class _Witness:
    """One witness: where it is thought to be, and when to ask it again."""

    def __init__(self, settings: WitnessSettings) -> None:
        verifier = CosignatureVerifier.from_text(settings.vkey)
        self.name = verifier.name
        self.client = WitnessClient(settings.url, verifier, timeout_seconds=WITNESS_SECONDS)
        self.size = 0
        self.asked_again_at = 0.0


class DirectoryExport:
    """The directory's one writer. A full disk or a silent witness never stops the signing."""

    def __init__(
        self, directory: Path | None, witnesses: Sequence[WitnessSettings], clock: Clock
    ) -> None:
        """Takes the directory (None for none) and the witnesses.

        Raises:
            NoteError, WitnessUnavailableError: a witness's key or URL is malformed.
        """
        self._directory = directory
        self._witnesses = [_Witness(settings) for settings in witnesses]
        self._clock = clock
        self._writer: TileWriter | None = None

    def step(self, connection: psycopg.Connection) -> None:
        """Brings the directory up to date; a disk that refuses is tried again next time.

        Raises:
            WitnessRefusedError: a witness has cosigned another log than this one.
            TamperedError, LogInconsistentError: the stored log is not what was signed.
        """
        if self._directory is None:
            return
        try:
            if self._writer is None:
                self._writer = TileWriter(self._directory)
            checkpoint = extend_directory(connection, self._writer)
            if checkpoint is not None:
                self._cosign(checkpoint, self._writer, self._directory)
        except DirectoryError:
            logger().warning("export.refused", directory=str(self._directory))
            self.close()

    def close(self) -> None:
        """Lets go of the directory."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _cosign(self, checkpoint: Checkpoint, writer: TileWriter, directory: Path) -> None:
        source = DirectorySource(directory)
        note = read_note(source)
        tree = TileTree(source, checkpoint.size)
        signatures = len(SignedNote.from_text(note).signatures)
        for witness in self._witnesses:
            now = self._clock.monotonic()
            if now < witness.asked_again_at:
                continue
            try:
                note = witness.client.cosign(
                    note, old_size=witness.size, prove=tree.consistency_proof
                )
                witness.size = checkpoint.size
            except WitnessUnavailableError:
                witness.asked_again_at = now + RETRY_SECONDS
                logger().warning("witness.unheard", host=witness.name)
        if len(SignedNote.from_text(note).signatures) > signatures:
            writer.publish(note)
