"""Errors of the analysis of notes."""

from gateway.errors import GatewayError


class AnalysisError(GatewayError):
    """Base of this package's errors; messages hold nothing of any note.

    AnalysisError
    └── RenditionError      stored spans do not belong to the text beside them
    """


class RenditionError(AnalysisError):
    """What was stored cannot be cut out of this text: nothing of the note may leave."""
