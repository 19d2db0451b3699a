"""Exports of logs made on the spot, and the two verifiers that look at them."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from audit.cosignature import CosignatureSigner
from audit.entry import EventType, encode_entry
from audit.export.check import verify_export
from audit.export.filters import EntryFilter
from audit.export.manifest import ExportRequest, Manifest
from audit.export.report import ExportReport
from audit.export.selection import Selection, select
from audit.export.sink import open_sink
from audit.export.source import read_manifest
from audit.export.writer import ExportWriter
from audit.note import Ed25519Signer
from audit.policy import TrustPolicy
from audit.tile_source import DirectorySource
from audit.timestamp import Stamp, TimestampVerifier
from audit.zip_source import ZipSource
from tests.audit.log_directory import batches_of, policy_text, signed

START = datetime(2026, 3, 1, tzinfo=UTC)
BY = "cli:auditor"


def entry(number: int, vendor: str) -> bytes:
    at = START + timedelta(minutes=number)
    return encode_entry(EventType.ACCESS_RELEASE, time=at, vendor=vendor, request=f"r{number}")


def stamp(minutes: int) -> str:
    at = START + timedelta(minutes=minutes)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def log_of(count: int) -> list[bytes]:
    """Alpha's and beta's entries in turn, one a minute; a foreign one that is no text."""
    entries = [entry(number, ("alpha", "beta")[number % 2]) for number in range(count)]
    entries[5] = b"\xff\x00not of ours"
    return entries


@dataclass(frozen=True)
class Stand:
    """A signed log with the entry about its export at the end, or after it."""

    signer: Ed25519Signer
    witness: CosignatureSigner
    entries: Sequence[bytes]

    @property
    def policy(self) -> str:
        return policy_text(self.signer, self.witness)

    def export(
        self,
        target: Path,
        filters: EntryFilter,
        *,
        told: bool = True,
        stamps: Sequence[Stamp] = (),
    ) -> Manifest:
        """Select, tell, sign, write: as the gateway does, without a database."""
        selection = select(batches_of(self.entries), filters)
        assert selection is not None
        at = START + timedelta(days=400)
        telling = encode_entry(
            EventType.LOG_EXPORTED,
            time=at,
            actor=BY,
            filters=filters.to_document(),
            **self.counts(selection),
        )
        request = ExportRequest(len(self.entries), BY, stamp(400 * 24 * 60))
        entries = [*self.entries, telling] if told else list(self.entries)
        note = signed(self.signer, entries, self.witness)
        with open_sink(target, at=at) as sink:
            return ExportWriter(sink, note, selection, request).run(
                batches_of(entries), policy=self.policy, stamps=stamps
            )

    def counts(self, selection: Selection) -> dict[str, int]:
        if selection.filters.is_empty:
            return {}
        return {"first": selection.first, "end": selection.end, "shown": selection.shown}

    def verify(self, place: Path, *, timestamps: TimestampVerifier | None = None) -> ExportReport:
        """Casegate's own verifier."""
        source = DirectorySource(place) if place.is_dir() else ZipSource(place)
        policy = TrustPolicy.from_text(self.policy)
        manifest = read_manifest(source)
        assert manifest is not None
        return verify_export(source, policy, manifest, timestamps=timestamps)


def run_alone(
    place: Path,
    *options: str,
    python: Sequence[str] = (sys.executable,),
    path: str = "/usr/bin:/bin",
) -> tuple[int, str]:
    """The stand-alone verifier by itself in an empty environment."""
    with resources.as_file(resources.files("audit.export") / "standalone.py") as script:
        done = subprocess.run(
            ["/usr/bin/env", "-i", f"PATH={path}", *python, script, place, *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    return done.returncode, done.stdout + done.stderr
