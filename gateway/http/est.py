"""Enrolment over secure transport (RFC 7030, RFC 8951): bodies, headers and types."""

import base64
import binascii
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from fastapi import Request, Response

from gateway.errors import EnrolmentRefusedError
from keys.errors import RequestRefusedError

PREFIX = "/.well-known/est/"
RENEWAL_PATH = f"{PREFIX}simplereenroll"
MAX_BODY_BYTES = 16 * 1024
RETRY_SECONDS = 60
_REQUEST_TYPE = "application/pkcs10"
_CERTIFICATES_TYPE = "application/pkcs7-mime; smime-type=certs-only"
# CsrAttrs (RFC 7030, 4.5.2; RFC 8951, 3.3): a P-256 key, and a request signed with SHA-256.
_ATTRIBUTES = bytes.fromhex(
    "3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302"
)


async def read_csr(request: Request) -> bytes:
    """The request in DER. The body is its base64; a Content-Transfer-Encoding changes nothing.

    Raises:
        RequestRefusedError: CSR_MALFORMED: another content type, too large, or no base64.
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != _REQUEST_TYPE:
        raise RequestRefusedError("CSR_MALFORMED", f"send the request as {_REQUEST_TYPE}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestRefusedError("CSR_MALFORMED", "a request has at most 16 KiB")
    try:
        return base64.b64decode(b"".join(bytes(body).split()), validate=True)
    except (ValueError, binascii.Error):
        raise RequestRefusedError(
            "CSR_MALFORMED", "the body is the base64 of a PKCS#10 request in DER"
        ) from None


def read_basic(request: Request) -> tuple[str, str]:
    """Vendor id and code of HTTP Basic (RFC 7617).

    Raises:
        EnrolmentRefusedError: INVITATION_NOT_ACCEPTED; a missing header is told as a wrong code.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (ValueError, binascii.Error):
        text = ""
    vendor, separator, code = text.partition(":")
    if scheme.lower() != "basic" or not separator:
        raise EnrolmentRefusedError(
            "INVITATION_NOT_ACCEPTED", "the vendor id or the code is not accepted"
        )
    return vendor, code


def certificates_answer(
    certificates: Sequence[x509.Certificate], media_type: str = _CERTIFICATES_TYPE
) -> Response:
    """A certs-only PKCS#7 in base64, in lines that `openssl base64 -d` takes."""
    der = pkcs7.serialize_certificates(list(certificates), Encoding.DER)
    return _base64_answer(der, media_type)


def issued_answer(certificate: x509.Certificate | None) -> Response:
    """The certificate alone (RFC 7030, 4.2.3), or 202: to be asked for again as it was."""
    if certificate is not None:
        return certificates_answer([certificate])
    return Response(
        "The request is on record and waits for approval. Send it again, the same file with the"
        " same code.\n",
        status_code=202,
        media_type="text/plain",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def attributes_answer() -> Response:
    """What a request should hold."""
    return _base64_answer(_ATTRIBUTES, "application/csrattrs")


def _base64_answer(der: bytes, media_type: str) -> Response:
    return Response(
        base64.encodebytes(der),
        media_type=media_type,
        headers={"Content-Transfer-Encoding": "base64"},
    )
