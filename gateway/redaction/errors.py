"""What can go wrong when free text is redacted; looking for spans cannot fail."""


class RedactionError(Exception):
    """Root of this package's errors. Messages never hold text of a note.

    RedactionError
    ├── SpanMismatchError  stored spans do not fit the text that they should be cut out of
    └── LineError          a line of `casegate redact` is not what it should be (carries a code)
    """


class SpanMismatchError(RedactionError):
    """A span ends beyond the text, or begins before the one before it has ended."""


class LineError(RedactionError):
    """A line that cannot be redacted; `code` is one word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
