"""Typed errors of a contract's end."""

from gateway.errors import GatewayError


class OffboardingError(GatewayError):
    """Root of what can go wrong at a contract's end beyond the gateway's own errors.

    ::

        OffboardingError
        └── ReportError   a report or its signature is not what it should be
    """


class ReportError(OffboardingError):
    """A report or its signature is not what it should be; the message says which."""
