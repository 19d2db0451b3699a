"""Typed errors of the keys room."""


class KeyManagementError(Exception):
    """Base of this room's errors.

    KeyManagementError
    ├── KeyFileError          a key file is missing, malformed or readable by others
    ├── KeyRotationError      a key cannot rotate or retire now (the message says why)
    ├── DeviceError           a key device (PKCS#11) does not answer or has no such key
    ├── EnvelopeError         a sealed value does not open: wrong key, wrong case, or altered bytes
    ├── CertificateError      a certificate cannot be issued or read
    │   ├── RequestRefusedError   a signing request is not acceptable (carries a code)
    │   ├── RevocationListError   a revocation list cannot be made, or does not verify
    │   └── StatusRequestError    a question about a certificate's status is not acceptable
    └── TokenError            an access token is not acceptable
        ├── TokenExpiredError     its time is over
        └── TokenForeignError     it is bound to another certificate
    """


class KeyFileError(KeyManagementError):
    """A key file is missing, malformed or readable by group or world."""


class KeyRotationError(KeyManagementError):
    """A key cannot rotate or retire now; the message says why and what to do."""


class DeviceError(KeyManagementError):
    """A key device (PKCS#11) does not answer, refuses its PIN, or has no such key."""


class EnvelopeError(KeyManagementError):
    """A sealed value does not open: wrong key, wrong case, or altered bytes."""


class CertificateError(KeyManagementError):
    """A certificate cannot be issued or read."""


class RequestRefusedError(CertificateError):
    """A certificate signing request is not acceptable; the message is for its sender."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RevocationListError(CertificateError):
    """A revocation list cannot be made, or does not verify."""


class StatusRequestError(CertificateError):
    """A question about a certificate's status is malformed or too large (RFC 6960, 2.3)."""


class TokenError(KeyManagementError):
    """An access token is not acceptable (RFC 6750 `invalid_token`)."""


class TokenExpiredError(TokenError):
    """The token's time is over."""


class TokenForeignError(TokenError):
    """The token is bound to another certificate (RFC 8705, 3)."""
