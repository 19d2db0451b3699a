"""What was signed: the widest scope that a contract allows, which no policy of it may pass."""

import re
from dataclasses import dataclass

from policies.documents import Document, Node, Place
from policies.elements import identifier_of, moment_of, networks_of, purposes_of, term_of
from policies.errors import PolicyFileError
from policies.fields import FieldCatalog, Level
from policies.limits import LIMIT_KEYS, HoldRule, Limits, RowKey, limits_of
from policies.model import Network, Term, VendorPolicy
from policies.profiles import ScopeProfile, inherited_stages
from policies.rules import StageLines

_REQUIRED = ("contract", "vendor", "signed", "document_sha256", "term", "purposes")
_KEYS = frozenset({*_REQUIRED, "inherits", "wider", "stages", "networks"}) | LIMIT_KEYS
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ContractBound:
    """A signed contract's data scope; `document_sha256` (hex) is of the paper that was signed.

    `places` says at which line each part stands; empty `networks` do not limit addresses.
    """

    contract: str
    vendor: str
    document_sha256: str
    term: Term
    purposes: frozenset[str]
    networks: tuple[Network, ...]
    stages: StageLines
    limits: Limits
    file: str
    places: dict[str, Place]


def contract_of(
    document: Document, catalog: FieldCatalog, profiles: dict[str, ScopeProfile]
) -> ContractBound:
    """Read one contract; PolicyFileError when it cannot be accepted."""
    entries = document.entries(document.root, known=_KEYS, what="a contract")
    parts = {key: document.required(entries, key, line=document.root.line) for key in _REQUIRED}
    moment_of(document, parts["signed"], "`signed`")
    return ContractBound(
        contract=identifier_of(document, parts["contract"], "`contract`"),
        vendor=identifier_of(document, parts["vendor"], "`vendor`"),
        document_sha256=_sha256(document, parts["document_sha256"]),
        term=term_of(document, parts["term"]),
        purposes=purposes_of(document, parts["purposes"]),
        networks=networks_of(document, entries["networks"]) if "networks" in entries else (),
        stages=inherited_stages(document, entries, catalog, profiles),
        limits=limits_of(document, entries),
        file=document.file,
        places={key: Place(document.file, node.line) for key, node in entries.items()},
    )


def verify_within(
    policy: VendorPolicy,
    stages: StageLines,
    places: dict[str, Place],
    contract: ContractBound,
) -> None:
    """Raise PolicyFileError at the first part of a policy that its contract does not allow.

    `stages` are the policy's lines with what its profile lends; `places` are the lines of its
    other parts by key, those that the file leaves out at the file's first line.
    """
    bound = _Bound(contract, places)
    if policy.vendor != contract.vendor:
        bound.refuse("vendor", "The contract was signed with another vendor.", "vendor")
    if policy.term.begins < contract.term.begins or policy.term.ends > contract.term.ends:
        bound.refuse("term", "The term reaches beyond the signed contract's.", "term")
    if not policy.purposes <= contract.purposes:
        bound.refuse("purposes", "A purpose is not in the signed contract.", "purposes")
    if contract.networks and not (
        policy.networks and all(_is_inside(network, contract) for network in policy.networks)
    ):
        bound.refuse("networks", "A network is not in the signed contract.", "networks")
    for stage, lines in stages.items():
        agreed = contract.stages.get(stage, {})
        for field, line in lines.items():
            signed = agreed.get(field)
            widest = signed.rule.level if signed is not None else Level.DROP
            if line.rule.level > widest:
                where = signed.place if signed is not None else contract.file
                raise PolicyFileError(
                    line.place.file,
                    line.place.line,
                    f"`{field}: {line.rule.words}` is wider than the signed contract allows at"
                    f" stage {stage.value} ({where}: {widest.word}).",
                    "Remove the line." if widest is Level.DROP else f"Use {widest.word} or less.",
                )
    _verify_limits(policy.limits, bound)


@dataclass(frozen=True, slots=True)
class _Bound:
    contract: ContractBound
    places: dict[str, Place]

    def refuse(self, key: str, reason: str, signed: str) -> None:
        place = self.places.get(key, self.places[""])
        other = self.contract.places.get(signed)
        raise PolicyFileError(
            place.file,
            place.line,
            f"{reason[:-1]} ({other if other is not None else self.contract.file}).",
            "Stay inside the contract, or have it amended and signed first.",
        )


def _verify_limits(limits: Limits, bound: _Bound) -> None:
    signed = bound.contract.limits
    for key, words in signed.rows.allowed.items():
        own_words = limits.rows.allowed.get(key)
        if own_words is None or not own_words <= words:
            name = "projects" if key is RowKey.PROJECT else "where"
            bound.refuse(name, f"`{key.word}` covers cases outside the contract.", name)
    if signed.rows.hold is HoldRule.NONE and limits.rows.hold is HoldRule.ANY:
        bound.refuse("where", "Cases under a hold are outside the contract.", "where")
    own, agreed = limits.quotas, signed.quotas
    pull_is_wider = agreed.pull_cases is not None and (
        own.pull_cases is None or own.pull_cases > agreed.pull_cases
    )
    if (
        pull_is_wider
        or own.reveals > agreed.reveals
        or own.reveals_per_agent > agreed.reveals_per_agent
    ):
        bound.refuse("quotas", "A quota is larger than the signed contract's.", "quotas")
    if limits.free_text > signed.free_text:
        bound.refuse("free_text", "More free text leaves than was signed.", "free_text")
    if limits.placeholders > signed.placeholders:
        bound.refuse("placeholders", "Notes tell more than was signed.", "placeholders")
    if limits.numbers > signed.numbers:
        bound.refuse("numbers", "Numbers are handed out more openly than was signed.", "numbers")


def _is_inside(network: Network, contract: ContractBound) -> bool:
    return any(
        int(known.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(known.broadcast_address)
        for known in contract.networks
        if network.version == known.version
    )


def _sha256(document: Document, node: Node) -> str:
    text = document.text(node, "`document_sha256`")
    if not _SHA256.fullmatch(text):
        document.fail(
            node.line,
            "The digest of the signed paper is not 64 hex digits.",
            "Write what `sha256sum contract.pdf` prints.",
        )
    return text
