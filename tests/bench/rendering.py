"""Row: notes rendered at release from what was found when they arrived."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import process_time
from uuid import UUID

from gateway.analysis.renditions import pack, render
from gateway.cases.notes import NoteKey
from gateway.masking.pseudonyms import PseudonymKey
from gateway.redaction.engine import build_engine
from gateway.release.notes import note_numberer
from keys.envelope import seal
from keys.kek import LocalKeyEncryptionKey
from keys.secret import Secret
from tests.bench.harness import Sample, Target, middle
from tests.bench.notes import make_notes
from tests.bench.stand import Stand

_CASE = UUID(int=1)


class Rendering:
    """Spans unpacked, cut out, the result compared with what was scanned; no peer does this."""

    name = "render"
    unit = "µs a note"
    target = Target(10.0, at_most=True)
    has_warmup = True
    _count = 2_000

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        del stand
        engine = build_engine(names=False)
        notes = make_notes(self._count)
        found = [engine.redact(note) for note in notes]
        self._renditions = [
            (note, pack(redaction.text, redaction.spans))
            for note, redaction in zip(notes, found, strict=True)
            if not redaction.withheld
        ]
        self._spans = sum(len(redaction.spans) for redaction in found) / len(found)
        self._kek = LocalKeyEncryptionKey(Secret(bytes(32)))
        yield

    def ours(self) -> Sample:
        begin = process_time()
        for note, packed in self._renditions:
            render(note, packed)
        return Sample((process_time() - begin) * 1e6 / len(self._renditions))

    def peer(self) -> Sample | None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        del ours
        return (
            f"splice only, {self._spans:.1f} spans a note; with numbered placeholders"
            f" {self._numbered():.1f} µs; with both ciphertexts opened {self._whole():.1f} µs"
        )

    def _numbered(self) -> float:
        """The same with a number in each placeholder, by the contract's key."""
        numberer = note_numberer(PseudonymKey.derive(bytes(32), vendor="a", contract="a-1"))
        begin = process_time()
        for note, packed in self._renditions:
            render(note, packed, numberer(_CASE.hex))
        return (process_time() - begin) * 1e6 / len(self._renditions)

    def _whole(self) -> float:
        """What a release does for a case's notes, from sealed to rendered."""
        kek = self._kek
        sealed = []
        for note, packed in self._renditions:
            case = seal(b"{}", kek, context=_CASE.bytes, attachment=note.encode())
            key = NoteKey(_CASE, case.kek_id, case.wrapped_key)
            assert case.attachment is not None
            sealed.append((key, case.attachment, key.seal_spans(packed, kek)))
        begin = process_time()
        for key, notes, spans in sealed:
            render(key.open_text(notes, kek), key.open_spans(spans, kek))
        return (process_time() - begin) * 1e6 / len(sealed)
