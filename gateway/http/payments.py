"""Payments over HTTP: the ledger and the company's accounts, and vendors' claims."""

import asyncio
from datetime import date
from typing import Annotated, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from gateway.affairs.claims import ClaimDesk, PaymentClaim
from gateway.affairs.codes import CLAUSE
from gateway.affairs.ledger import MAX_POSTINGS, LedgerDesk, Posting
from gateway.affairs.reconciling import ReconciliationDesk
from gateway.http.affair_routes import (
    HANDLERS,
    MOVED,
    READERS,
    SECURITY,
    Body,
    CallId,
    Code,
    Cursor,
    Limit,
    OnlyOpen,
    Vendor,
    answered,
    principal_of,
)
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.moments import Moment

CLAIMS = "/v1/payment-claims"
CLAIM = "/v1/payment-claims/{claim_id}"
# A thousand billion in minor units: more is a mistake of the sender's.
MAX_AMOUNT = 10**14
_OPERATOR = for_roles(StaffRole.OPERATOR)
Account = Annotated[str, Field(min_length=5, max_length=60)]
CaseRef = Annotated[str | None, Query(pattern=r"^[A-Z2-7]{26}$")]


class PostingBody(Body):
    """One movement, in minor units: a payment is positive; `balance_after` is what is owed."""

    entry_id: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,63}$")
    case_no: str = Field(min_length=1, max_length=64)
    posted_at: Moment
    amount: int = Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)
    kind: Literal["payment", "adjustment"]
    balance_after: int = Field(ge=0, le=MAX_AMOUNT)


class LedgerBody(Body):
    """Movements, each taken once by its id; after a crash send the same again."""

    entries: list[PostingBody] = Field(min_length=1, max_length=MAX_POSTINGS)


class AccountBody(Body):
    """An account of the company's, to which may be paid; its number is not kept."""

    account: Account
    label: str = Field(min_length=1, max_length=80)


class EndedAccountBody(Body):
    """The account that ends."""

    account: Account


class ResolutionBody(Body):
    """What was found out of a claim that did not match, as a code."""

    resolution: Code


class ClaimBody(Body):
    """What an agent was told of a payment; the amount in minor units."""

    case_ref: str = Field(pattern=r"^[A-Z2-7]{26}$")
    agent: str = Field(pattern=CLAUSE, description="The agent's reference in the register.")
    amount: int = Field(gt=0, le=MAX_AMOUNT)
    claimed_on: date
    call_id: CallId | None = None
    promise_id: UUID | None = None
    customer_statement_code: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]{1,39}$")
    account: Account | None = Field(
        None, description="Where it was paid to, if that was said; compared, and not kept."
    )


class PaymentCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def ledger(self) -> LedgerDesk:
        """The ledger's desk."""
        ...

    @property
    def reconciliation(self) -> ReconciliationDesk:
        """The desk of claims."""
        ...


def add_company_payments(api: GatewayAPI, cases: PaymentCases) -> None:
    """Adds the company's routes."""

    @api.post(
        "/company/v1/ledger",
        summary="Post movements of the ledger; a balance of 0 stops a case (operator)",
        response_class=Response,
        openapi_extra=_OPERATOR,
    )
    async def post_ledger(request: Request, body: LedgerBody) -> Response:
        postings = [
            Posting(
                entry.entry_id,
                entry.case_no,
                entry.posted_at,
                entry.amount,
                entry.kind,
                entry.balance_after,
            )
            for entry in body.entries
        ]
        results = await asyncio.to_thread(cases.ledger.post, postings, actor=actor_of(request))
        return json_answer({"entries": results})

    @api.post(
        "/company/v1/repayment-accounts",
        summary="Register an account to which may be paid (compliance)",
        status_code=204,
        response_class=Response,
        openapi_extra=for_roles(StaffRole.COMPLIANCE),
        responses={409: problem_response("It is registered.")},
    )
    async def register_account(request: Request, body: AccountBody) -> Response:
        desk = cases.ledger
        await asyncio.to_thread(
            desk.register_account, body.account, body.label, actor=actor_of(request)
        )
        return Response(status_code=204)

    @api.post(
        "/company/v1/repayment-accounts/end",
        summary="End an account: it is a stranger's from now on (compliance)",
        status_code=204,
        response_class=Response,
        openapi_extra=for_roles(StaffRole.COMPLIANCE),
        responses={404: problem_response("It is not registered.")},
    )
    async def end_account(request: Request, body: EndedAccountBody) -> Response:
        desk = cases.ledger
        await asyncio.to_thread(desk.end_account, body.account, actor=actor_of(request))
        return Response(status_code=204)

    @api.get(
        "/company/v1/repayment-accounts",
        summary="The accounts by their labels (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_accounts() -> Response:
        return json_answer({"items": await asyncio.to_thread(cases.ledger.accounts)})

    @api.get(
        "/company/v1/payment-claims",
        summary="Claims of vendors, newest first (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_company_claims(
        vendor: Vendor = None,
        only_open: OnlyOpen = True,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.reconciliation.page,
            vendor=vendor,
            is_open=only_open,
            cursor=cursor,
            limit=limit,
        )
        return json_answer(page.document())

    @api.post(
        "/company/v1/payment-claims/{claim_id}/resolve",
        summary="End a claim that did not match; it marks nothing paid (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def resolve_claim(request: Request, claim_id: UUID, body: ResolutionBody) -> Response:
        desk = cases.reconciliation
        return json_answer(
            await asyncio.to_thread(
                desk.resolve, claim_id, body.resolution, actor=actor_of(request)
            )
        )


def add_payments(api: GatewayAPI, desk: ClaimDesk) -> None:
    """Adds the vendor's routes."""

    @api.post(
        CLAIMS,
        summary="Say that a debtor has paid; only the ledger marks a case paid",
        status_code=201,
        openapi_extra=SECURITY,
        response_class=Response,
        responses={
            201: {"description": "The claim", "content": {"application/json": {}}},
            404: problem_response("Not yours, recalled, or unknown: the same answer."),
        },
    )
    async def claim_payment(
        request: Request, body: ClaimBody, repeat_key: RepeatKey = None
    ) -> Response:
        claim = PaymentClaim(
            body.case_ref,
            body.agent,
            body.amount,
            body.claimed_on,
            body.call_id,
            body.promise_id,
            body.customer_statement_code,
            body.account,
        )
        content = await asyncio.to_thread(
            desk.submit, principal_of(request), claim, (repeat_key, digest_of(body))
        )
        answer = answered(content, 201)
        answer.headers["Location"] = f"{CLAIMS}/{content['claim_id']}"
        return answer

    @api.get(
        CLAIMS,
        summary="Your claims, with what the ledger says of them",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_claims(
        request: Request, case_ref: CaseRef = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        page = await asyncio.to_thread(
            desk.page, principal_of(request), case_ref=case_ref, cursor=cursor, limit=limit
        )
        return json_answer(page.document())

    @api.get(
        CLAIM,
        summary="One claim",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={404: problem_response("Not yours, recalled, or unknown: the same answer.")},
    )
    async def get_claim(request: Request, claim_id: UUID) -> Response:
        return json_answer(await asyncio.to_thread(desk.one, principal_of(request), claim_id))
