"""Every way in which the log says no.

Messages carry indexes, sizes and names of checks, never the bytes of an entry.
"""


class AuditError(Exception):
    """Root of the room's errors.

    AuditError
     ├── AuditUnavailableError      the log cannot make an entry durable in time
     │    └── LogRewoundError       the store came back without entries that were durable
     ├── StoreUnavailableError      the store gave no answer: the outcome is unknown
     ├── BatchRefusedError          the store answered no: nothing was stored
     ├── EntryError                 an event cannot become an entry
     │    └── EntryTooLargeError
     ├── FramingError               the bytes of a bundle are not framed entries
     ├── ProofError                 a hash, frontier or proof is malformed or proves nothing
     ├── NoteError                  a note, checkpoint or verifier key is malformed
     │    └── SignatureError        no signature of a known key, or a false one
     ├── LogInconsistentError       the publisher will not sign or publish what it reads
     ├── TamperedError              the verifier found a change, and says where
     ├── UnverifiableError          the verifier cannot tell: something it needs is not there
     │    ├── TrustPolicyError      the trust policy is malformed
     │    └── QuorumError           too few of the policy's witnesses cosigned
     ├── DirectoryError             a directory of the log cannot be written or belongs to another
     ├── WitnessUnavailableError    the witness gave no usable answer: try again
     ├── WitnessRefusedError        the witness saw another log than this one: ALARM
     ├── ExchangeError              a server gave no usable answer within size and time
     ├── ArchiveUnavailableError    the object store gave no usable answer: try again
     ├── ArchiveRefusedError        the object store would not keep what is put there: ALARM
     ├── TimestampUnavailableError  the time-stamping authority gave no usable answer: try again
     └── TimestampError             the bytes are no token of the authority that is trusted
          └── TimestampMismatchError  the token is the authority's, over something else
    """


class AuditUnavailableError(AuditError):
    """The entry is not known to be durable, so nothing may be released on its strength.

    It may still land later: it is then logged, but was not released.
    """


class LogRewoundError(AuditUnavailableError):
    """The store gave an index a second time: it is an older copy of itself.

    This process appends nothing any more; a person must look.
    """


class StoreUnavailableError(AuditError):
    """The store gave no answer. Whether the batch is stored is unknown until it is looked up."""


class BatchRefusedError(AuditError):
    """The store answered, and refused the batch as a whole. Nothing of it is stored."""


class EntryError(AuditError):
    """The event holds something that has no exact canonical form."""


class EntryTooLargeError(EntryError):
    """The entry is longer than 65,535 bytes, which a bundle cannot frame."""


class FramingError(AuditError):
    """The bundle ends inside a length or inside an entry."""


class ProofError(AuditError):
    """The hash, frontier or proof is malformed, or does not lead to the stated root."""


class NoteError(AuditError):
    """The text is not a well-formed signed note, checkpoint or verifier key."""


class SignatureError(NoteError):
    """A known key's signature is false, or no known key signed at all."""


class LogInconsistentError(AuditError):
    """The stored log contradicts itself or a head that was signed before."""


class UnverifiableError(AuditError):
    """What the verdict hangs on is missing, unreadable or out of bounds; nothing is proven."""


class TrustPolicyError(UnverifiableError):
    """The text is not a well-formed trust policy, or names a kind of key that is not known."""


class QuorumError(UnverifiableError):
    """The log signed the checkpoint, but too few of the policy's witnesses cosigned it."""


class DirectoryError(AuditError):
    """A log or state directory cannot be written, or another process has it."""


class WitnessUnavailableError(AuditError):
    """The witness did not answer, or not in the words of the protocol. The log goes on."""


class WitnessRefusedError(AuditError):
    """The witness has cosigned what this log does not extend: a fork or a rollback.

    A person must look before anything more is published.
    """


class ExchangeError(AuditError):
    """The server did not answer, or not within the size and time that were allowed."""


class ArchiveUnavailableError(AuditError):
    """The object store did not answer, or not as one does. The log goes on."""


class ArchiveRefusedError(AuditError):
    """The bucket lacks Object Lock or versions, so that nothing in it would stay."""


class TimestampUnavailableError(AuditError):
    """The time-stamping authority did not answer with a token of its own. The log goes on."""


class TimestampError(AuditError):
    """The bytes are no RFC 3161 token, or not one of the authority that is trusted."""


class TimestampMismatchError(TimestampError):
    """The token is the authority's, but was given for other bytes than these."""


class TamperedError(AuditError):
    """The log is not the one that was signed.

    Attributes:
        index: the first entry index at which the evidence no longer fits.
        how: what does not fit, in words.
    """

    def __init__(self, index: int, how: str) -> None:
        super().__init__(f"entry {index}: {how}")
        self.index = index
        self.how = how
