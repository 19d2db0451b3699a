"""Keeps the published log directory at the newest signed head, cosigned by its witnesses."""

from collections.abc import Sequence
from pathlib import Path

import psycopg

from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureVerifier
from audit.durable import replace_file
from audit.errors import DirectoryError, WitnessUnavailableError
from audit.note import SignedNote
from audit.tile_source import DirectorySource, read_note
from audit.tile_tree import TileTree
from audit.tile_writer import TileWriter
from audit.witness_client import WitnessClient
from gateway.clock import Clock, rfc3339
from gateway.logs import logger
from gateway.oversight.export import extend_directory
from gateway.sections import WitnessSettings
from gateway.serving.alarms import Alarms

WITNESS_SECONDS = 2.0
RETRY_SECONDS = 10.0
UNWITNESSED = "unwitnessed"


class _Witness:
    """One witness: where it is thought to be, and when to ask it again.

    Attributes:
        size: of the newest checkpoint that it cosigned; 0 when not known.
    """

    def __init__(self, settings: WitnessSettings) -> None:
        verifier = CosignatureVerifier.from_text(settings.vkey)
        self.name = verifier.name
        self.party = f"witness:{verifier.name}"
        self.client = WitnessClient(settings.url, verifier, timeout_seconds=WITNESS_SECONDS)
        self.size = 0
        self.asked_again_at = 0.0
        self._key_id = verifier.key_id

    def is_under(self, note: SignedNote) -> bool:
        """Whether a line of its key stands under a note."""
        own = (self.name, self._key_id)
        return any((line.name, line.key_id) == own for line in note.signatures)


class DirectoryExport:
    """The directory's one writer. A full disk or a silent witness never stops the signing.

    What a witness did not cosign is published all the same. It is asked again every ten
    seconds, whether the log grew meanwhile or not; until it answers, the file `unwitnessed`
    beside the checkpoint says since when.
    """

    def __init__(
        self,
        directory: Path | None,
        witnesses: Sequence[WitnessSettings],
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        """Takes the directory (None for none) and the witnesses.

        Raises:
            NoteError, WitnessUnavailableError: a witness's key or URL is malformed.
        """
        self._directory = directory
        self._witnesses = [_Witness(settings) for settings in witnesses]
        self._clock = clock
        self._alarms = alarms
        self._writer: TileWriter | None = None
        self._unwitnessed: str | None = None

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
            extend_directory(connection, self._writer)
            if self._writer.published is not None and self._witnesses:
                self._cosign(self._writer.published, self._writer, self._directory)
                self._tell_unwitnessed(self._directory)
        except DirectoryError:
            logger().warning("export.refused", directory=str(self._directory))
            self.close()

    def close(self) -> None:
        """Lets go of the directory."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _cosign(self, checkpoint: Checkpoint, writer: TileWriter, directory: Path) -> None:
        now = self._clock.monotonic()
        due = [
            witness
            for witness in self._witnesses
            if witness.size < checkpoint.size and witness.asked_again_at <= now
        ]
        if not due:
            return
        source = DirectorySource(directory)
        note = read_note(source)
        signed = SignedNote.from_text(note)
        tree = TileTree(source, checkpoint.size)
        for witness in due:
            # After a restart: a second line of the same key would say nothing more.
            if witness.is_under(signed):
                witness.size = checkpoint.size
                continue
            try:
                note = witness.client.cosign(
                    note, old_size=witness.size, prove=tree.consistency_proof
                )
                witness.size = checkpoint.size
                self._alarms.succeeded(witness.party)
            except WitnessUnavailableError as error:
                witness.asked_again_at = self._clock.monotonic() + RETRY_SECONDS
                self._alarms.failed(witness.party, str(error))
        if len(SignedNote.from_text(note).signatures) > len(signed.signatures):
            writer.publish(note)

    def _tell_unwitnessed(self, directory: Path) -> None:
        """Says beside the checkpoint which witnesses have been silent, and since when."""
        lines = [
            f"{witness.name} {rfc3339(since)}\n"
            for witness in self._witnesses
            if (since := self._alarms.since(witness.party)) is not None
        ]
        text = "".join(lines)
        if text == self._unwitnessed:
            return
        try:
            if text:
                replace_file(directory / UNWITNESSED, text.encode())
            else:
                (directory / UNWITNESSED).unlink(missing_ok=True)
        except OSError as error:
            raise DirectoryError("the state of the witnesses could not be written") from error
        self._unwitnessed = text
