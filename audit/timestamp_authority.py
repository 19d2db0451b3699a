"""A time-stamping authority (RFC 3161): asks it for tokens, and knows its tokens from others."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.x509 import Certificate, ObjectIdentifier, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.errors import (
    ExchangeError,
    TimestampError,
    TimestampMismatchError,
    TimestampUnavailableError,
)
from audit.http_exchange import HTTPExchange
from audit.timestamp import MAX_TOKEN_BYTES

_SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_OK = 200
_REQUEST = {"Content-Type": "application/timestamp-query"}


class TokenVerifier:
    """Knows an authority by the root certificate that its own one leads to."""

    def __init__(self, pem: bytes) -> None:
        """Take PEM certificates: at least one root, and intermediate ones if need be.

        Raises:
            TimestampError: not such certificates.
        """
        try:
            certificates = load_pem_x509_certificates(pem)
        except ValueError as error:
            raise TimestampError("the authority's certificates are not PEM") from error
        self._roots = [each for each in certificates if _is_root(each)]
        self._others = [each for each in certificates if not _is_root(each)]
        if not self._roots:
            raise TimestampError("the authority's certificates hold no root")

    def verify(self, token: bytes, message: bytes) -> datetime:
        """See audit.timestamp.TimestampVerifier: time of the token plus its accuracy."""
        return self.check(_decode(token), message, nonce=None)

    def check(self, response: TimeStampResponse, message: bytes, *, nonce: int | None) -> datetime:
        """As verify, of a decoded answer, which has to repeat a nonce where one is given."""
        imprint = response.tst_info.message_imprint
        verifier = VerifierBuilder(
            roots=list(self._roots), intermediates=list(self._others), nonce=nonce
        ).build()
        try:
            # With its own digest: whose token it is comes before what it was given for.
            verifier.verify(response, imprint.message)
        except (VerificationError, ValueError) as error:
            raise TimestampError("not a token of the authority that is trusted") from error
        if imprint.hash_algorithm != _SHA256 or imprint.message != sha256(message).digest():
            raise TimestampMismatchError("the token was given for other bytes")
        return response.tst_info.gen_time.astimezone(UTC) + _accuracy(response)


class TimestampClient:
    """Asks one authority for tokens over HTTP (RFC 3161, 3.4)."""

    def __init__(
        self, url: str, verifier: TokenVerifier, *, timeout_seconds: float = 10.0
    ) -> None:
        """Join address and authority.

        Raises:
            ExchangeError: the URL is malformed.
        """
        self._exchange = HTTPExchange(url, timeout_seconds=timeout_seconds)
        self._verifier = verifier

    def stamp(self, message: bytes) -> bytes:
        """A token over the SHA-256 of a message, checked, as a DER TimeStampResp.

        Raises:
            TimestampUnavailableError: no answer, a refusal, or something that is not the
                authority's token over this message and this request's nonce.
        """
        builder = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        try:
            answer = self._exchange.post("", request.as_bytes(), _REQUEST, MAX_TOKEN_BYTES)
            if answer.status != _OK:
                raise TimestampUnavailableError(f"the authority answered {answer.status}")
            self._verifier.check(_decode(answer.body), message, nonce=request.nonce)
        except (ExchangeError, TimestampError) as error:
            raise TimestampUnavailableError(f"the authority gave no token: {error}") from error
        finally:
            self._exchange.close()
        return answer.body


def _decode(token: bytes) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(token)
        # A refusal decodes too, and has none of these.
        _ = response.tst_info.message_imprint
    except (ValueError, TypeError) as error:
        raise TimestampError("the bytes are no time-stamp token") from error
    return response


def _accuracy(response: TimeStampResponse) -> timedelta:
    # Optional as a whole and in each part (RFC 3161, 2.4.2), whatever its type says.
    accuracy = response.tst_info.accuracy
    return timedelta(
        seconds=getattr(accuracy, "seconds", None) or 0,
        milliseconds=getattr(accuracy, "millis", None) or 0,
        microseconds=getattr(accuracy, "micros", None) or 0,
    )


def _is_root(certificate: Certificate) -> bool:
    return certificate.issuer == certificate.subject
