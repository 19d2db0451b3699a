"""The signing end of the log: recomputes what was stored, and signs only what only grew."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import psycopg

from audit.batch import recompute_leaves, verify_root
from audit.checkpoint import Checkpoint, open_checkpoint
from audit.errors import (
    AuditUnavailableError,
    LogInconsistentError,
    NoteError,
    ProofError,
    TamperedError,
)
from audit.merkle import Frontier
from audit.note import Ed25519Verifier, NoteSigner
from audit.schema import HEAD_CONFLICT
from audit.store import read_batches

# "casegate" as a number: one publisher at a time in one database; others skip their round.
_LOCK = 0x6361736567617465
# The tail is read before the batches: whatever it counts must be found among them.
_BEGIN_ROUND = "SELECT pg_try_advisory_xact_lock(%s), (SELECT size FROM audit.tail)"
_NEWEST_HEAD = "SELECT size, note, frontier FROM audit.signed_head ORDER BY size DESC LIMIT 1"


class Publisher:
    """Signs the log's heads, each at the end of a batch.

    Between rounds it keeps the frontier that it verified itself, so that a round costs only
    the batches that are new. After a restart it takes the frontier stored beside the newest
    head, which counts only because it folds to the root under its own signature.

    Every signature passes audit.sign_head, which compares and records in one transaction;
    a note is handed out only after that transaction has committed.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        signer: NoteSigner,
        origin: str,
        *,
        former_keys: Iterable[str] = (),
    ) -> None:
        """Join a connection, used by nothing else, and the log's key.

        Args:
            connection: open, as a role that may read the log and call audit.sign_head.
            signer: the key, named like the origin.
            origin: the log's origin.
            former_keys: vkeys whose heads are still believed after a change of key.

        Raises:
            NoteError: a vkey is malformed.
        """
        self._connection = connection
        self._origin = origin
        self.sign_with((signer,), former_keys=former_keys)
        self._frontier: Frontier | None = None

    def rejoin(self, connection: psycopg.Connection) -> None:
        """Go on over another connection, held to what was verified over the last one.

        A database that comes back as an older copy of itself is found by that memory.
        """
        self._connection = connection

    def sign_with(self, signers: Sequence[NoteSigner], *, former_keys: Iterable[str] = ()) -> None:
        """Go on with other keys; each of them signs, so that whoever trusts one of them reads on.

        Args:
            signers: the keys, named like the origin; the present one first.
            former_keys: vkeys whose heads are still believed.

        Raises:
            NoteError: a vkey is malformed.
        """
        keys = (*(signer.verifier_key for signer in signers), *former_keys)
        self._verifiers = [Ed25519Verifier.from_text(key) for key in dict.fromkeys(keys)]
        self._signers = tuple(signers)

    def publish_once(self, now: datetime) -> Checkpoint | None:
        """Sign the present end of the log, if it grew since the newest signed head.

        Args:
            now: recorded as the time of signing; the signature does not cover it.

        Returns:
            The checkpoint that was signed and recorded, or None when there is nothing new or
            another publisher is at work.

        Raises:
            LogInconsistentError: the stored log contradicts itself, a signed head, or what
                this publisher saw before. Nothing was signed; a person must look.
            AuditUnavailableError: the database gave no answer; try again.
        """
        try:
            with self._connection.transaction():
                frontier, checkpoint = self._round(now)
        except psycopg.Error as error:
            if error.sqlstate == HEAD_CONFLICT:
                raise LogInconsistentError("the journal of signed heads refused") from error
            raise AuditUnavailableError("the database did not let the head be signed") from error
        except TamperedError as error:
            raise LogInconsistentError(str(error)) from error
        # Only now: a head that was not committed must not be taken for one that vanished.
        if frontier is not None:
            self._frontier = frontier
        return checkpoint

    def _round(self, now: datetime) -> tuple[Frontier | None, Checkpoint | None]:
        row = self._connection.execute(_BEGIN_ROUND, (_LOCK,)).fetchone()
        if row is None or not row[0]:
            return None, None
        signed = self._newest_head()
        known = self._frontier or signed
        if signed.size < known.size or (signed.size == known.size and signed != known):
            raise LogInconsistentError("a signed head has vanished or was replaced")
        frontier = self._catch_up(known, signed)
        if frontier.size < row[1]:
            raise LogInconsistentError("the stored batches end before the tail does")
        if frontier.size == signed.size:
            return frontier, None
        return frontier, self._sign(frontier, now)

    def _catch_up(self, known: Frontier, signed: Frontier) -> Frontier:
        """Check every batch after `known`, passing the newest signed head on the way."""
        frontier = known
        is_signed_passed = known.size == signed.size
        for batch in read_batches(self._connection, known.size):
            frontier = frontier.extend(recompute_leaves(batch, frontier.size))
            verify_root(batch, frontier)
            if frontier.size == signed.size:
                if frontier != signed:
                    raise LogInconsistentError("the log is not the one that was signed")
                is_signed_passed = True
        if not is_signed_passed:
            raise LogInconsistentError("no batch ends where the newest signed head does")
        return frontier

    def _newest_head(self) -> Frontier:
        row = self._connection.execute(_NEWEST_HEAD, binary=True).fetchone()
        if row is None:
            return Frontier()
        size, note, hashes = row
        try:
            frontier = Frontier(size, hashes)
            checkpoint = open_checkpoint(note, self._verifiers, origin=self._origin)
        except (NoteError, ProofError) as error:
            raise LogInconsistentError("the newest signed head cannot be believed") from error
        if checkpoint.size != size or checkpoint.root != frontier.root:
            raise LogInconsistentError("the newest signed head contradicts its own row")
        return frontier

    def _sign(self, frontier: Frontier, now: datetime) -> Checkpoint:
        checkpoint = Checkpoint(self._origin, frontier.size, frontier.root)
        note = checkpoint.sign(*self._signers)
        self._connection.execute(
            "SELECT audit.sign_head(%s, %s, %s, %s, %s)",
            (frontier.size, frontier.root, note, frontier.hashes, now),
        )
        return checkpoint
