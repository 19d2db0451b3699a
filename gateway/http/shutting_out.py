"""The company API's routes to revoke for good, to suspend, and to let in again by two."""

import asyncio
from typing import Annotated, Any, Protocol
from uuid import UUID

from cryptography.x509 import ReasonFlags
from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.operations.effect import RevocationEffect
from gateway.operations.invitation import SYSTEM_PATTERN
from gateway.operations.shutting_out import ShuttingOutDesk

_SHUTS_OUT = for_roles(StaffRole.SECURITY)
_SUSPENDS = for_roles(StaffRole.SECURITY, StaffRole.COMPLIANCE)
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
_NO_WAY: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: problem_response("What is revoked stays revoked."),
}
VendorID = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Reference = Annotated[str, Path(pattern=r"^[0-9A-Za-z._-]{1,64}$")]
System = Annotated[str, Path(pattern=f"^{SYSTEM_PATTERN}$")]
Thumbprint = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
IssuerID = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


class RevocationRequest(BaseModel):
    """Why; a reason name of RFC 5280, 5.3.1, but not one that could be taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonFlags = ReasonFlags.cessation_of_operation


class ShuttingOutCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def shutting_out(self) -> ShuttingOutDesk:
        """The desk."""
        ...


def add_shutting_out(api: GatewayAPI, cases: ShuttingOutCases) -> None:
    """Adds the routes."""
    _add_revocations(api, cases)
    _add_suspensions(api, cases)


def _add_revocations(api: GatewayAPI, cases: ShuttingOutCases) -> None:
    @api.post(
        "/company/v1/vendors/{vendor_id}/revoke",
        summary="Shut a vendor out (security)",
        response_class=Response,
        openapi_extra=_SHUTS_OUT,
        responses=_NOT_FOUND,
    )
    async def revoke_vendor(
        request: Request, vendor_id: VendorID, body: RevocationRequest | None = None
    ) -> Response:
        effect = await asyncio.to_thread(
            cases.shutting_out.revoke_vendor, vendor_id, _reason(body), actor=actor_of(request)
        )
        return json_answer(effect.document())

    @api.post(
        "/company/v1/vendors/{vendor_id}/systems/{system}/revoke",
        summary="Revoke all credentials of one of a vendor's systems (security)",
        response_class=Response,
        openapi_extra=_SHUTS_OUT,
        responses=_NOT_FOUND,
    )
    async def revoke_system(
        request: Request,
        vendor_id: VendorID,
        system: System,
        body: RevocationRequest | None = None,
    ) -> Response:
        effect = await asyncio.to_thread(
            cases.shutting_out.revoke_system,
            vendor_id,
            system,
            _reason(body),
            actor=actor_of(request),
        )
        return json_answer(effect.document())

    @api.post(
        "/company/v1/credentials/{reference}/revoke",
        summary="Revoke a credential with all its certificates (security)",
        response_class=Response,
        openapi_extra=_SHUTS_OUT,
        responses=_NOT_FOUND,
    )
    async def revoke_credential(
        request: Request, reference: Reference, body: RevocationRequest | None = None
    ) -> Response:
        effect = await asyncio.to_thread(
            cases.shutting_out.revoke_credential, reference, _reason(body), actor=actor_of(request)
        )
        return json_answer(effect.document())

    @api.post(
        "/company/v1/certificates/{thumbprint}/revoke",
        summary="Revoke one certificate, a vendor's or a staff member's (security)",
        response_class=Response,
        openapi_extra=_SHUTS_OUT,
        responses=_NOT_FOUND,
    )
    async def revoke_certificate(
        request: Request, thumbprint: Thumbprint, body: RevocationRequest | None = None
    ) -> Response:
        effect = await asyncio.to_thread(
            cases.shutting_out.revoke_certificate,
            bytes.fromhex(thumbprint),
            _reason(body),
            actor=actor_of(request),
        )
        return json_answer(effect.document())

    @api.post(
        "/company/v1/issuers/{issuer}/revoke",
        summary="Revoke an issuing authority with every certificate that it gave (security)",
        response_class=Response,
        openapi_extra=_SHUTS_OUT,
        responses=_NOT_FOUND,
    )
    async def revoke_issuer(
        request: Request, issuer: IssuerID, body: RevocationRequest | None = None
    ) -> Response:
        reason = ReasonFlags.ca_compromise if body is None else body.reason
        effect = await asyncio.to_thread(
            cases.shutting_out.revoke_issuer, issuer, reason, actor=actor_of(request)
        )
        return json_answer(effect.document())


def _add_suspensions(api: GatewayAPI, cases: ShuttingOutCases) -> None:
    @api.post(
        "/company/v1/vendors/{vendor_id}/suspend",
        summary="Suspend a vendor at once (security, compliance)",
        response_class=Response,
        openapi_extra=_SUSPENDS,
        responses=_NO_WAY,
    )
    async def suspend_vendor(request: Request, vendor_id: VendorID) -> Response:
        effect = await asyncio.to_thread(
            cases.shutting_out.suspend_vendor, vendor_id, actor=actor_of(request)
        )
        return json_answer(effect.document())

    @api.post(
        "/company/v1/credentials/{reference}/suspend",
        summary="Suspend a credential at once (security, compliance)",
        response_class=Response,
        openapi_extra=_SUSPENDS,
        responses=_NO_WAY,
    )
    async def suspend_credential(request: Request, reference: Reference) -> Response:
        effect = await asyncio.to_thread(
            cases.shutting_out.suspend_credential, reference, actor=actor_of(request)
        )
        return json_answer(effect.document())

    @api.post(
        "/company/v1/vendors/{vendor_id}/resume",
        summary="Let a vendor in: proposes, or acts once approved (security, compliance)",
        response_class=Response,
        openapi_extra=_SUSPENDS,
        responses=_NO_WAY,
    )
    async def resume_vendor(request: Request, vendor_id: VendorID) -> Response:
        return _resumed(
            await asyncio.to_thread(
                cases.shutting_out.resume_vendor, vendor_id, actor=actor_of(request)
            )
        )

    @api.post(
        "/company/v1/credentials/{reference}/resume",
        summary="Let a credential in: proposes, or acts once approved (security, compliance)",
        response_class=Response,
        openapi_extra=_SUSPENDS,
        responses=_NO_WAY,
    )
    async def resume_credential(request: Request, reference: Reference) -> Response:
        return _resumed(
            await asyncio.to_thread(
                cases.shutting_out.resume_credential, reference, actor=actor_of(request)
            )
        )


def _reason(body: RevocationRequest | None) -> ReasonFlags:
    return (body or RevocationRequest()).reason


def _resumed(outcome: RevocationEffect | UUID) -> Response:
    """The effect, or with status 202 the proposal that a second person has to approve."""
    if isinstance(outcome, UUID):
        answer = json_answer({"proposal_id": outcome})
        answer.status_code = 202
        return answer
    return json_answer(outcome.document())
