"""Renewal with the present certificate: `simplereenroll` on the vendors' listener (RFC 7030)."""

from fastapi import Request, Response

from gateway.http.application import GatewayAPI
from gateway.http.est import RENEWAL_PATH, issued_answer, read_csr
from gateway.operations.renewal import RenewalDesk

_DESCRIPTION = (
    "Base64 of a PKCS#10 request in DER, with a new key. Answers a certs-only PKCS#7 with the new"
    " certificate, which works at once; the present one ends seven days later. 202: send it again."
)


def add_renewal(api: GatewayAPI, desk: RenewalDesk) -> None:
    """Adds the route; the gate admits it by certificate alone, without a token."""

    @api.post(
        RENEWAL_PATH,
        summary="A new certificate for a new key",
        description=_DESCRIPTION,
        openapi_extra={
            "security": [{"mutualTLS": []}],
            "requestBody": {"required": True, "content": {"application/pkcs10": {}}},
        },
    )
    async def simplereenroll(request: Request) -> Response:
        csr = await read_csr(request)
        return issued_answer(await desk.renew(request.scope["state"]["principal"], csr))
