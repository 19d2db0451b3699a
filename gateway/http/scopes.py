"""The company API's routes about policies: explained, compared, replayed."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Query, Request, Response

from gateway.errors import RequestInvalidError
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.log_views import verify_offset
from gateway.http.staffing import actor_of, for_roles, json_answer, staff_of
from gateway.identity.principal import StaffRole
from gateway.release.explanation import CaseExplanation
from gateway.scopes.desk import ScopeDesk
from policies.difference import policy_changes
from policies.errors import PolicyError
from policies.fields import Stage
from policies.load import LoadedPolicy

_READERS = for_roles(StaffRole.COMPLIANCE, StaffRole.AUDITOR, StaffRole.SECURITY)
_WHO = "(compliance, auditor, security)"
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_DIGEST = r"^[0-9a-f]{8,64}$"
_DIGEST_OR_NONE = r"^([0-9a-f]{8,64}|none)$"
_REFERENCE = r"^[A-Z2-7]{26}$"
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
Vendor = Annotated[str, Query(pattern=_ID)]
Contract = Annotated[
    str | None, Query(pattern=_ID, description="Needed where a vendor has several.")
]
Digest = Annotated[str, Query(pattern=_DIGEST, description="Of a policy that was proposed.")]
Side = Annotated[str, Query(pattern=_DIGEST_OR_NONE, description="A digest, or none.")]

Explain = Callable[[LoadedPolicy, str, Stage, StaffRole, str], CaseExplanation]
"""Policy, case reference, stage, role, actor to the explanation of fields and notes."""


class ScopeCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def scopes(self) -> ScopeDesk:
        """The desk."""
        ...

    @property
    def explain(self) -> Explain:
        """Why a vendor sees what it sees of a case."""
        ...


def add_scopes(api: GatewayAPI, cases: ScopeCases) -> None:
    """Adds the routes."""

    @api.get(
        "/company/v1/policies/explanation",
        summary=f"Why a vendor sees what it sees of a case, field by field {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
        responses=_NOT_FOUND,
    )
    async def explain(
        request: Request,
        vendor: Vendor,
        case: Annotated[str, Query(pattern=_REFERENCE, description="As the vendor knows it.")],
        contract: Contract = None,
        stage: Stage = Stage.BULK,
    ) -> Response:
        def work() -> dict[str, Any]:
            loaded = cases.scopes.in_force_of(vendor, contract)
            role = staff_of(request).role
            found = cases.explain(loaded, case, stage, role, actor_of(request))
            return {
                "policy": loaded.policy.digest,
                "stage": stage.value,
                "fields": found.fields,
                "notes": found.notes,
            }

        return json_answer(await asyncio.to_thread(work))

    @api.get(
        "/company/v1/policies/difference",
        summary=f"What a vendor would see more or less under another policy {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
        responses=_NOT_FOUND,
    )
    async def difference(old: Side, new: Side) -> Response:
        def work() -> list[dict[str, str]]:
            desk = cases.scopes
            before, after = (
                None if side == "none" else _loaded(desk, side).policy for side in (old, new)
            )
            if before is None and after is None:
                raise RequestInvalidError("one of old and new has to be a digest")
            return [
                {
                    "what": change.what,
                    "before": change.before,
                    "after": change.after,
                    "direction": change.direction.value,
                }
                for change in policy_changes(before, after, desk.catalog)
            ]

        return json_answer({"items": await asyncio.to_thread(work)})

    @api.get(
        "/company/v1/policies/simulation",
        summary=f"Replay a vendor's releases under a policy that was proposed {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
        responses=_NOT_FOUND,
    )
    async def simulate(
        request: Request,
        policy: Digest,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Response:
        verify_offset(since)
        verify_offset(until)

        def work() -> object:
            loaded = _loaded(cases.scopes, policy)
            return cases.scopes.simulate(
                loaded.policy, since=since, until=until, actor=actor_of(request)
            )

        return json_answer(await asyncio.to_thread(work))


def _loaded(desk: ScopeDesk, digest: str) -> LoadedPolicy:
    try:
        return desk.loaded(digest)
    except PolicyError as error:
        raise RequestInvalidError("this version does not accept that policy any more") from error
