"""The verifier of exports: what is shown is in the signed log, and what is not is counted."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from audit.checkpoint import Checkpoint
from audit.directory import History, verify_directory
from audit.errors import (
    AuditError,
    FramingError,
    NoteError,
    ProofError,
    TamperedError,
    UnverifiableError,
)
from audit.export.lines import ShownEntry, read_lines
from audit.export.manifest import ENTRIES, MANIFEST, REQUEST, SUMS, Manifest, proof_path
from audit.export.outline import Outline
from audit.export.report import ExportReport
from audit.export.source import ExportSource, opened
from audit.export.sums import read_sums, sum_of
from audit.merkle import leaf_hash
from audit.note import SignedNote
from audit.policy import TrustPolicy
from audit.tile_source import TileSource, read_note
from audit.tile_tree import TileTree
from audit.timestamp import TimeBound, TimestampVerifier
from audit.tlog_proof import MAX_PROOF_BYTES, TlogProof

_TOLD_EVERY = 1_000
_Found = TypeVar("_Found")


def verify_export(
    source: ExportSource,
    policy: TrustPolicy,
    manifest: Manifest,
    *,
    receipts: Mapping[str, str] | None = None,
    old_checkpoints: Mapping[str, str] | None = None,
    timestamps: TimestampVerifier | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Check an export, whole or filtered, against a policy got by another way than the export.

    The manifest is what read_manifest gave; the other arguments are those of verify_directory.
    A filtered export can be held to those receipts and old checkpoints alone whose tiles are
    in it.

    Raises:
        TamperedError: something shown is not what was signed, or shown and withheld entries
            do not add up to the range.
        QuorumError: too few witnesses cosigned the checkpoint.
        UnverifiableError: a file is missing or the policy does not know the log.
    """
    check = _Check(source, policy, manifest)
    check.statements()
    report = None
    times: Sequence[TimeBound] = ()
    if manifest.is_whole:
        report = check.doubting(
            lambda: verify_directory(
                source,
                policy,
                receipts=receipts,
                old_checkpoints=old_checkpoints,
                timestamps=timestamps,
                workers=workers,
                progress=progress,
            )
        )
        times = () if report is None else report.times
    else:
        check.outline()
        times = check.history(receipts or {}, old_checkpoints or {}, timestamps)
    proofs = check.entries(progress)
    is_request_proven = check.request()
    files = check.files()
    trusted = policy.open(check.note)
    # What was changed is worse news than what cannot be told, so doubts wait for the end.
    if check.doubts:
        raise check.doubts[0]
    return ExportReport(manifest, trusted, files, proofs, report, tuple(times), is_request_proven)


class _Check:
    def __init__(self, source: ExportSource, policy: TrustPolicy, manifest: Manifest) -> None:
        self._source = source
        self._policy = policy
        self._manifest = manifest
        outline = Outline(source, manifest.checkpoint)
        self._outline = outline
        # The tiles of a whole log are all recomputed before any of them is used.
        self._tiles: TileSource = source if manifest.is_whole else outline
        self._tree = TileTree(self._tiles, manifest.checkpoint.size)
        self.note = read_note(source)
        self.doubts: list[UnverifiableError] = []

    def doubting(self, check: Callable[[], _Found]) -> _Found | None:
        """Run a check, and put off what it cannot tell."""
        try:
            return check()
        except UnverifiableError as error:
            self.doubts.append(error)
            return None

    def statements(self) -> None:
        """The checkpoint's signatures, and that the manifest speaks of it."""
        try:
            checkpoint = self._policy.open_signed(self.note)
            self._policy.cosigners(self.note)
        except NoteError as error:
            raise TamperedError(0, f"the checkpoint over it and all others: {error}") from error
        if checkpoint != self._manifest.checkpoint:
            raise TamperedError(0, f"{MANIFEST} speaks of another checkpoint than the one here")

    def outline(self) -> None:
        """The tree of a filtered export."""
        self._outline.verify(self._manifest.first, self._manifest.end)

    def history(
        self,
        receipts: Mapping[str, str],
        old_checkpoints: Mapping[str, str],
        timestamps: TimestampVerifier | None,
    ) -> Sequence[TimeBound]:
        """What was signed before, as far as the tiles reach; the tiles are checked already."""
        history = History(self._tiles, self._policy, self._manifest.checkpoint)
        for name, text in old_checkpoints.items():
            self.doubting(partial(history.check_checkpoint, name, text))
        for name, text in receipts.items():
            self.doubting(partial(history.check_receipt, name, text))
        times = None
        if timestamps is not None:
            times = self.doubting(partial(history.check_stamps, self._source, timestamps))
        self.doubts.extend(UnverifiableError(doubt) for doubt in history.doubts)
        return times or ()

    def entries(self, progress: Callable[[int, int], None] | None) -> int:
        """Each shown entry against its leaf, and their number; returns the proofs checked."""
        manifest = self._manifest
        following = manifest.first
        shown = 0
        try:
            with opened(self._source, ENTRIES) as file:
                for line in read_lines(file):
                    self._entry(line, following)
                    following = line.index + 1
                    shown += 1
                    if progress is not None and shown % _TOLD_EVERY == 0:
                        progress(shown, manifest.shown)
        except FramingError as error:
            raise TamperedError(following, f"{ENTRIES} from here on: {error}") from error
        if shown != manifest.shown:
            raise TamperedError(
                following, f"{ENTRIES} shows {shown} entries where {manifest.shown} are claimed"
            )
        return shown if manifest.has_proofs else 0

    def _entry(self, line: ShownEntry, lowest: int) -> None:
        manifest = self._manifest
        if not lowest <= line.index < manifest.end:
            raise TamperedError(line.index, f"{ENTRIES} shows it out of order or of range")
        if self._tree.leaf(line.index) != line.leaf:
            raise TamperedError(line.index, "its bytes do not have the leaf hash in the tile")
        if not manifest.filters.matches(line.entry):
            raise TamperedError(line.index, "it is shown, but does not pass the filters")
        if manifest.has_proofs:
            self._receipt(proof_path(line.index), line.index, line.leaf)

    def _receipt(self, path: str, index: int, leaf: bytes) -> None:
        data = self._source.read(path, MAX_PROOF_BYTES)
        if data is None:
            self.doubts.append(UnverifiableError(f"missing: {path}"))
            return
        proof = self._read_proof(data, index)
        self._lead(proof, path, index, leaf)

    def _lead(self, proof: TlogProof, path: str, index: int, leaf: bytes) -> None:
        try:
            proof.verify_root(leaf)
        except ProofError as error:
            raise TamperedError(index, f"{path} does not prove it: {error}") from error

    def _read_proof(self, data: bytes, index: int) -> TlogProof:
        try:
            proof = TlogProof.from_text(data.decode())
            checkpoint = Checkpoint.from_body(SignedNote.from_text(proof.note).body)
        except (ValueError, AuditError) as error:
            raise TamperedError(index, "its proof is none") from error
        if checkpoint != self._manifest.checkpoint or proof.index != index:
            raise TamperedError(index, "its proof is of another entry or another checkpoint")
        return proof

    def request(self) -> bool:
        """Whether the log tells of this very export, in an entry under the checkpoint."""
        index = self._manifest.request.index
        data = self._source.read(REQUEST, MAX_PROOF_BYTES)
        if index >= self._manifest.checkpoint.size and data is None:
            return False
        if data is None:
            self.doubts.append(UnverifiableError(f"missing: {REQUEST}"))
            return False
        proof = self._read_proof(data, index)
        entry = proof.extra or b""
        self._lead(proof, REQUEST, index, leaf_hash(entry))
        if not self._manifest.is_told_by(entry):
            raise TamperedError(index, f"the log tells of another export than {MANIFEST} does")
        return True

    def files(self) -> int:
        """The listed files against their hashes; returns how many there are."""
        with opened(self._source, SUMS) as file:
            if sum_of(file) != self._manifest.files:
                raise TamperedError(0, f"{SUMS} is not the list that {MANIFEST} names")
        count = 0
        try:
            with opened(self._source, SUMS) as file:
                for path, digest in read_sums(file):
                    self.doubting(partial(self._file, path, digest))
                    count += 1
        except FramingError as error:
            raise TamperedError(0, f"{SUMS}: {error}") from error
        return count

    def _file(self, path: str, digest: str) -> None:
        with opened(self._source, path) as file:
            if sum_of(file) != digest:
                raise TamperedError(0, f"{path} is not the file that was exported")
