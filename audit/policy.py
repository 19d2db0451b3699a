"""Trust policies (C2SP tlog-policy): which logs are known, and how many witnesses it takes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from audit.checkpoint import Checkpoint
from audit.cosignature import CosignatureVerifier
from audit.errors import NoteError, QuorumError, SignatureError, TrustPolicyError
from audit.note import Ed25519Verifier, SignedNote

NO_QUORUM = "none"
MAX_POLICY_BYTES = 1_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of the members, which are witnesses or groups defined before."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustedCheckpoint:
    """A checkpoint that a policy accepts.

    Attributes:
        checkpoint: origin, size and root.
        witnesses: the policy's names of the witnesses whose cosignatures were checked.
    """

    checkpoint: Checkpoint
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What makes a checkpoint acceptable: a known log's signature and a quorum of witnesses.

    Attributes:
        logs: keys of the logs; a log is named like its origin, and may have several keys.
        witnesses: the witnesses by the policy's own names for them.
        groups: groups by name, each after those that it refers to.
        quorum: name of the witness or group that must have cosigned, or "none".
    """

    logs: tuple[Ed25519Verifier, ...]
    witnesses: Mapping[str, CosignatureVerifier]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse a policy file. URLs are allowed and ignored.

        Raises:
            TrustPolicyError: another shape, a name used before it is defined or twice, a key
                twice, or a key of a kind other than Ed25519 (0x01 for logs, 0x04 for
                witnesses).
        """
        if len(text) > MAX_POLICY_BYTES or _CONTROL.search(text) is not None:
            raise TrustPolicyError("the policy is too long or holds a control character")
        parser = _Parser()
        for number, line in enumerate(text.split("\n"), 1):
            words = [word for word in _BLANKS.split(line) if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                parser.take(words)
            except (NoteError, TrustPolicyError) as error:
                raise TrustPolicyError(f"line {number} of the policy: {error}") from error
        if parser.quorum is None:
            raise TrustPolicyError("the policy has no quorum line")
        return cls(tuple(parser.logs), parser.witnesses, parser.groups, parser.quorum)

    def log_keys(self, origin: str) -> tuple[Ed25519Verifier, ...]:
        """The keys of one log; raises TrustPolicyError where the policy has none."""
        keys = tuple(key for key in self.logs if key.name == origin)
        if not keys:
            raise TrustPolicyError("the policy does not know the checkpoint's log")
        return keys

    def open_signed(self, text: str) -> Checkpoint:
        """Parse a checkpoint and check the signature of its log, without asking for a quorum.

        Raises:
            SignatureError: a false signature of a known log key, or none.
            NoteError: not a checkpoint.
            TrustPolicyError: the policy does not know the log.
        """
        note = SignedNote.from_text(text)
        checkpoint = Checkpoint.from_body(note.body)
        note.verify(self.log_keys(checkpoint.origin))
        return checkpoint

    def open(self, text: str) -> TrustedCheckpoint:
        """Parse a checkpoint and hold it to the whole policy.

        A false cosignature of a known witness fails the note, even where the others suffice.

        Raises:
            SignatureError: a false signature or cosignature of a known key, or none of the log.
            NoteError: not a checkpoint.
            QuorumError: too few witnesses cosigned.
            TrustPolicyError: the policy does not know the log.
        """
        checkpoint = self.open_signed(text)
        witnesses = self.cosigners(text)
        if not self.is_quorum(witnesses):
            raise QuorumError(
                f"the checkpoint of size {checkpoint.size} is signed by its log, but the quorum"
                f" {self.quorum} is not reached"
            )
        return TrustedCheckpoint(checkpoint, witnesses)

    def is_quorum(self, witnesses: tuple[str, ...]) -> bool:
        """Whether these witnesses, by the policy's names, are enough."""
        agreed = {NO_QUORUM, *witnesses}
        for name, group in self.groups.items():
            if sum(member in agreed for member in group.members) >= group.threshold:
                agreed.add(name)
        return self.quorum in agreed

    def cosigners(self, text: str) -> tuple[str, ...]:
        """The policy's names of the known witnesses under a note, each cosignature checked.

        Raises:
            SignatureError: a known witness's cosignature is false.
            NoteError: not a note.
        """
        note = SignedNote.from_text(text)
        known = {(key.name, key.key_id): name for name, key in self.witnesses.items()}
        body = note.body.encode()
        names: dict[str, None] = {}
        for line in note.signatures:
            name = known.get((line.name, line.key_id))
            if name is not None:
                try:
                    self.witnesses[name].verify_signature(body, line.signature)
                except SignatureError as error:
                    raise SignatureError(f"the cosignature of witness {name} is false") from error
                names[name] = None
        return tuple(names)


@dataclass(slots=True)
class _Parser:
    """What the lines read so far define."""

    logs: list[Ed25519Verifier] = field(default_factory=list)
    witnesses: dict[str, CosignatureVerifier] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    members: set[str] = field(default_factory=set)

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self._take_log(Ed25519Verifier.from_text(vkey))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self._take_witness(name, CosignatureVerifier.from_text(vkey))
            case ["group", name, threshold, *members] if members:
                self._take_group(name, threshold, members)
            case ["quorum", name] if self.quorum is None:
                self._require_defined(name, "none")
                self.quorum = name
            case _:
                raise TrustPolicyError("not a line of a policy, or a second quorum")

    def _take_log(self, key: Ed25519Verifier) -> None:
        if any(key.public_key == other.public_key for other in self.logs):
            raise TrustPolicyError("a log's key stands twice")
        self.logs.append(key)

    def _take_witness(self, name: str, key: CosignatureVerifier) -> None:
        self._require_new(name)
        if any(key.public_key == other.public_key for other in self.witnesses.values()):
            raise TrustPolicyError("a witness's key stands twice")
        self.witnesses[name] = key

    def _take_group(self, name: str, threshold: str, members: list[str]) -> None:
        self._require_new(name)
        for member in members:
            self._require_defined(member)
            # A witness must count in one way only, or one could fill two places of a quorum.
            if member in self.members:
                raise TrustPolicyError("a name is a member twice")
            self.members.add(member)
        needed = {"any": 1, "all": len(members)}.get(threshold)
        if needed is None and _THRESHOLD.fullmatch(threshold) is not None:
            needed = int(threshold)
        if needed is None or needed > len(members):
            raise TrustPolicyError("a threshold is any, all, or 1 to the number of members")
        self.groups[name] = Group(needed, tuple(members))

    def _require_new(self, name: str) -> None:
        if name == NO_QUORUM or name in self.witnesses or name in self.groups:
            raise TrustPolicyError("a name is defined twice")

    def _require_defined(self, name: str, *also: str) -> None:
        if name not in self.witnesses and name not in self.groups and name not in also:
            raise TrustPolicyError("a name is used before it is defined")
