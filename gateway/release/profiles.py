"""Policy decisions and compiled projections, made once for each contract and stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from gateway.cases.record import JsonValue
from gateway.errors import ReleaseDeniedError
from gateway.identity.principal import VendorPrincipal
from gateway.masking.places import place_of
from gateway.masking.projection import Projection, compile_projection
from gateway.masking.pseudonyms import PseudonymAlgorithm, PseudonymKey
from gateway.release.notes import Numberer, note_numberer
from keys.secret import Secret
from policies.decide import AccessRequest, Deny, Permit, decide
from policies.fields import FieldCatalog, Level, Stage
from policies.limits import (
    NO_LIMITS,
    SQL_KEYS,
    FreeText,
    HoldRule,
    Limits,
    Placeholders,
    RowConditions,
    RowKey,
)
from policies.model import PolicyBundle

DEFAULT_PURPOSE = "DEBT_COLLECTION_TEL"

Covers = Callable[[Mapping[str, JsonValue]], bool]


@dataclass(frozen=True, slots=True)
class ReleaseProfile:
    """What one release may carry and what the log says of it.

    `covers` tells of an open record whether the policy's conditions let it out at all; None where
    the database has looked at all of them. `pull_cases` is the day's quota, None without one.
    `free_text` is what may leave of notes. `limits` are the policy's own, `in_clear` the fields
    that leave as they are; `numberer` gives the placeholders of notes their numbers, where the
    policy wants some.
    """

    projection: Projection
    policy_digest: str
    profile_digest: str
    covers: Covers | None = None
    pull_cases: int | None = None
    free_text: FreeText = FreeText.NONE
    limits: Limits = NO_LIMITS
    in_clear: frozenset[str] = frozenset()
    numberer: Numberer | None = None


class ReleaseProfiles:
    """Decides each request and hands out the compiled projection of its contract and stage."""

    def __init__(
        self,
        bundle: PolicyBundle,
        catalog: FieldCatalog,
        pseudonym_master: Secret,
        algorithm: PseudonymAlgorithm = PseudonymAlgorithm.HMAC_SHA256,
    ) -> None:
        self._bundle = bundle
        self._catalog = catalog
        self._master = pseudonym_master
        self._algorithm = algorithm
        self._compiled: dict[tuple[str, str, str], ReleaseProfile] = {}

    @property
    def bundle(self) -> PolicyBundle:
        """The policies that decide here."""
        return self._bundle

    def use(self, bundle: PolicyBundle) -> None:
        """Decides by other policies from the next request on."""
        self._compiled = {}
        self._bundle = bundle

    def pseudonym_key(self, vendor_id: str, contract_id: str) -> PseudonymKey:
        """The pseudonym key of a vendor under a contract."""
        return PseudonymKey.derive(
            self._master.reveal(),
            vendor=vendor_id,
            contract=contract_id,
            algorithm=self._algorithm,
        )

    def decide(
        self,
        principal: VendorPrincipal,
        *,
        purpose: str | None,
        stage: Stage,
        at: datetime,
        source: str | None,
    ) -> ReleaseProfile:
        """The profile to release under.

        Raises:
            ReleaseDeniedError: the policy says no; carries the deny code (domain rules 6.3).
        """
        policy = self._bundle.policy(principal.vendor_id, principal.contract_id)
        request = AccessRequest(
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            purpose=purpose,
            stage=stage,
            at=at,
            address=ip_address(source) if source is not None else None,
        )
        match decide(request, policy):
            case Deny(reason=reason):
                raise ReleaseDeniedError(reason.value, None if policy is None else policy.digest)
            case Permit() as permit:
                assert policy is not None
                return self._profile(principal, permit, policy.limits)

    def _profile(
        self, principal: VendorPrincipal, permit: Permit, limits: Limits
    ) -> ReleaseProfile:
        key = (principal.vendor_id, principal.contract_id, permit.profile_digest)
        profile = self._compiled.get(key)
        if profile is None:
            pseudonyms = self.pseudonym_key(principal.vendor_id, principal.contract_id)
            profile = ReleaseProfile(
                compile_projection(permit.rules, self._catalog, pseudonyms),
                permit.policy_digest,
                permit.profile_digest,
                covering(limits.rows),
                limits.quotas.pull_cases,
                limits.free_text,
                limits,
                frozenset(rule.field for rule in permit.rules if rule.level is Level.CLEAR),
                note_numberer(pseudonyms)
                if limits.placeholders is Placeholders.NUMBERED
                else None,
            )
            self._compiled[key] = profile
        return profile


def covering(rows: RowConditions) -> Covers | None:
    """The check of the conditions that only an open record can answer; None if there is none.

    A region is met by a province or a city (广东省 or 广东省深圳市); a case is held when it bears
    any hold code. An address that names no place meets no condition on the region.
    """
    regions = rows.allowed.get(RowKey.REGION)
    is_hold_free = rows.hold is HoldRule.NONE
    if regions is None and not is_hold_free:
        return None
    wanted = tuple(regions or ())

    def covers(record: Mapping[str, JsonValue]) -> bool:
        if is_hold_free and record.get("hold_flags"):
            return False
        if regions is None:
            return True
        address = record.get("home_address")
        place = place_of(address) if isinstance(address, str) else None
        return place is not None and place.startswith(wanted)

    return covers


def row_words(rows: RowConditions) -> dict[str, list[str]]:
    """The conditions that the database answers: allowed words by the key's word."""
    return {key.word: sorted(rows.allowed[key]) for key in SQL_KEYS if key in rows.allowed}
