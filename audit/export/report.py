"""What the verifier of exports found to hold, as values and in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from audit.directory import DirectoryReport
from audit.export.manifest import Manifest
from audit.policy import TrustedCheckpoint
from audit.timestamp import TimeBound


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was found to hold.

    Attributes:
        manifest: what the export says of itself, checked.
        trusted: the checkpoint and the witnesses that cosigned it.
        files: files that have the hash they are listed with.
        proofs: receipts of shown entries that lead to the root.
        log: the report on the whole log; None for a filtered export.
        times: when entries existed, by the tokens of a time-stamping authority.
        is_request_proven: whether the log's own entry about the export was shown to be in it.
    """

    manifest: Manifest
    trusted: TrustedCheckpoint
    files: int
    proofs: int
    log: DirectoryReport | None
    times: tuple[TimeBound, ...]
    is_request_proven: bool

    def lines(self) -> Iterator[str]:
        """The findings; never more than was found."""
        manifest = self.manifest
        checkpoint = self.trusted.checkpoint
        if manifest.is_whole:
            yield f"verified: {checkpoint.size} entries of {checkpoint.origin}, an export"
        else:
            yield (
                f"verified: filtered: {manifest.shown} of {manifest.end - manifest.first}"
                f" entries of the range shown, of {checkpoint.origin}"
            )
            last = manifest.end - 1
            named = manifest.filters.to_document().items()
            yield f"range       entries {manifest.first} to {last} of {checkpoint.size}"
            yield f"filters     {', '.join(f'{name} {value}' for name, value in named)}"
            yield (
                f"withheld    {manifest.withheld}; that none of them passes the filters is NOT"
                " proven, only the whole range could"
            )
        yield f"root hash   {checkpoint.root.hex()}"
        if self.log is not None:
            yield f"recomputed  {self.log.bundles} bundles, {self.log.tiles} tiles"
        yield f"compared    {self.files} files, {self.proofs} proofs"
        yield f"cosigned    {', '.join(self.trusted.witnesses) or 'by nobody; none is asked for'}"
        if self.is_request_proven:
            yield f"exported    by {manifest.request.by} at {manifest.request.at}"
        else:
            yield "exported    by whom and when is NOT proven: it was logged after this checkpoint"
