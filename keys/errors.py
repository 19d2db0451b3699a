"""Typed errors of the keys room."""


class KeyManagementError(Exception):
    """Base of this room's errors.

    KeyManagementError
    ├── KeyFileError          a key file is missing, malformed or readable by others
    ├── EnvelopeError         a sealed value does not open: wrong key, wrong case, or altered bytes
    ├── CertificateError      a certificate cannot be issued or read
    │   └── RequestRefusedError   a signing request is not acceptable (carries a code)
    └── TokenError            an access token is not acceptable
        ├── TokenExpiredError     its time is over
        └── TokenForeignError     it is bound to another certificate
    """


class KeyFileError(KeyManagementError):
    """A key file is missing, malformed or readable by group or world."""


class EnvelopeError(KeyManagementError):
    """A sealed value does not open: wrong key, wrong case, or altered bytes."""


class CertificateError(KeyManagementError):
    """A certificate cannot be issued or read."""


class RequestRefusedError(CertificateError):
    """A certificate signing request is not acceptable; the message is for its sender."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TokenError(KeyManagementError):
    """An access token is not acceptable (RFC 6750 `invalid_token`)."""


class TokenExpiredError(TokenError):
    """The token's time is over."""


class TokenForeignError(TokenError):
    """The token is bound to another certificate (RFC 8705, 3)."""
