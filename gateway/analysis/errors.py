"""Errors of the analysis of notes."""

from gateway.errors import GatewayError


class AnalysisError(GatewayError):
    """Base of this package's errors; messages hold nothing of any note.

    AnalysisError
    ├── RenditionError      stored spans do not belong to the text beside them
    └── NoteFailedError     an analyser in a process of its own did not finish a note
        └── NoteFatalError      it hung, or its process is no more
    """


class RenditionError(AnalysisError):
    """What was stored cannot be cut out of this text: nothing of the note may leave."""


class NoteFailedError(AnalysisError):
    """A note could not be looked through; `reason` is the word that the queue keeps."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a note could not be looked through: {reason}")
        self.reason = reason


class NoteFatalError(NoteFailedError):
    """A note took longer than any may, or took its analyser's process along."""
