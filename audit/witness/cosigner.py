"""A witness at work: the protocol's decisions, made durable before they are told."""

from collections.abc import Iterable

from audit.cosignature import CosignatureSigner
from audit.errors import DirectoryError
from audit.note import Ed25519Verifier
from audit.witness.protocol import Answer, Head, decide, parse_request
from audit.witness.state import WitnessState, origin_hash

_BROKEN = Answer(503, "the witness cannot record anything until it is started again\n")


class Cosigner:
    """Answers one request after the other. Not for use by several threads."""

    def __init__(
        self,
        signer: CosignatureSigner,
        state: WitnessState,
        logs: Iterable[Ed25519Verifier],
    ) -> None:
        """Join the witness's key, its memory, and the keys of the logs that it follows."""
        self._signer = signer
        self._state = state
        self._logs: dict[str, list[Ed25519Verifier]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        self._is_broken = False

    def add_checkpoint(self, body: bytes, now: int) -> Answer:
        """Answer a request of add-checkpoint at a Unix time in seconds.

        A cosignature is on the disk, as the newest of its log, before this returns it. When
        the disk refuses once, what it holds is not known, and nothing is cosigned until the
        witness is started again and reads it.
        """
        if self._is_broken:
            return _BROKEN
        parsed = parse_request(body, self._logs)
        if isinstance(parsed, Answer):
            return parsed
        request, checkpoint = parsed
        newest = self._state.newest(origin_hash(checkpoint.origin))
        known = None if newest is None else Head.from_note(newest, self._signer)
        answer = decide(request, checkpoint, known, self._signer, now)
        try:
            if answer.is_evidence:
                self._state.keep_evidence(answer.origin, body)
            if answer.record is not None:
                self._state.record(answer.origin, answer.record)
        except DirectoryError:
            self._is_broken = True
            return _BROKEN
        return answer

    def newest(self, name: str) -> Answer:
        """The newest cosigned checkpoint of the log with that hex SHA-256 of its origin."""
        note = None
        if any(origin_hash(origin) == name for origin in self._logs):
            note = self._state.newest(name)
        return Answer(404, "there is none\n") if note is None else Answer(200, note)
