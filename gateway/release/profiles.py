"""Policy decisions and compiled projections, made once for each contract and stage."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from gateway.errors import ReleaseDeniedError
from gateway.identity.principal import VendorPrincipal
from gateway.masking.projection import Projection, compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from keys.secret import Secret
from policies.decide import AccessRequest, Deny, Permit, decide
from policies.fields import FieldCatalog, Stage
from policies.model import PolicyBundle

DEFAULT_PURPOSE = "DEBT_COLLECTION_TEL"


@dataclass(frozen=True, slots=True)
class ReleaseProfile:
    """What one release may carry and what the log says of it."""

    projection: Projection
    policy_digest: str
    profile_digest: str


class ReleaseProfiles:
    """Decides each request and hands out the compiled projection of its contract and stage."""

    def __init__(
        self, bundle: PolicyBundle, catalog: FieldCatalog, pseudonym_master: Secret
    ) -> None:
        self._bundle = bundle
        self._catalog = catalog
        self._master = pseudonym_master
        self._compiled: dict[tuple[str, str, str], ReleaseProfile] = {}

    def pseudonym_key(self, vendor_id: str, contract_id: str) -> PseudonymKey:
        """The pseudonym key of a vendor under a contract."""
        return PseudonymKey.derive(self._master.reveal(), vendor=vendor_id, contract=contract_id)

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
                raise ReleaseDeniedError(reason.value)
            case Permit() as permit:
                return self._profile(principal, permit)

    def _profile(self, principal: VendorPrincipal, permit: Permit) -> ReleaseProfile:
        key = (principal.vendor_id, principal.contract_id, permit.profile_digest)
        profile = self._compiled.get(key)
        if profile is None:
            pseudonyms = self.pseudonym_key(principal.vendor_id, principal.contract_id)
            profile = ReleaseProfile(
                compile_projection(permit.rules, self._catalog, pseudonyms),
                permit.policy_digest,
                permit.profile_digest,
            )
            self._compiled[key] = profile
        return profile
