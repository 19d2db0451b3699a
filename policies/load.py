"""Policy files, one for each vendor and contract, read into a bundle or refused with a way out."""

import functools
import importlib.resources
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from policies.contracts import verify_within
from policies.documents import Document, Place, parse_document
from policies.elements import SHANGHAI, identifier_of, moment_of, networks_of, purposes_of, term_of
from policies.errors import PolicyFileError
from policies.fields import FieldCatalog, FieldType, Level, Stage, load_field_catalog
from policies.library import Library, library_of, policy_files, read_library, read_text
from policies.limits import LIMIT_KEYS, NumberHandling, limits_of
from policies.model import DataScope, PolicyBundle, VendorPolicy
from policies.packs import verify_lawful
from policies.profiles import inherited_stages
from policies.rules import StageLines

__all__ = [
    "SHANGHAI",
    "LoadedPolicy",
    "bundle_of",
    "load_bundle",
    "load_folder",
    "load_packaged_bundle",
    "load_policy",
    "moment_of",
    "packaged_directory",
    "read_policy",
    "reread_policy",
]

PARAMETERS_FILE = "parameters.yaml"

_REQUIRED = ("policy", "vendor", "contract", "term", "purposes")
POLICY_KEYS = frozenset({*_REQUIRED, "inherits", "wider", "stages", "networks"}) | LIMIT_KEYS


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy with where it comes from.

    `stages` are its lines, those of its profile among them, each with its file and line; `text` is
    the file as written; `sources` are the texts of profiles, contract and packs that it stands on,
    by path: together they give the same policy again.
    """

    policy: VendorPolicy
    stages: StageLines
    file: str
    text: str
    sources: dict[str, str]


def packaged_directory() -> Traversable:
    """Where the policies that come with the package are."""
    return importlib.resources.files("policies")


@functools.cache
def load_packaged_bundle() -> PolicyBundle:
    """Return the bundle of the policies that come with the package, read once."""
    return load_bundle(packaged_directory())


def load_bundle(directory: Traversable, catalog: FieldCatalog | None = None) -> PolicyBundle:
    """Read every policy of a directory; see load_folder."""
    return bundle_of((loaded.file, loaded.policy) for loaded in load_folder(directory, catalog))


def load_folder(
    directory: Traversable, catalog: FieldCatalog | None = None
) -> tuple[LoadedPolicy, ...]:
    """Read every *.yaml and *.yml of a directory (a pathlib.Path will do), or of its `vendors/`.

    Profiles, contracts and packs are in the folders of these names below it. One wrong file
    refuses them all: PolicyFileError. Nothing is loaded half.
    """
    catalog = catalog or load_field_catalog()
    library = read_library(directory, catalog)
    vendors = directory.joinpath("vendors")
    place = vendors if vendors.is_dir() else directory
    found = tuple(
        read_policy(read_text(entry, entry.name), entry.name, library)
        for entry in policy_files(place)
        if entry.name != PARAMETERS_FILE
    )
    bundle_of((loaded.file, loaded.policy) for loaded in found)
    return found


def read_policy(text: str, file: str, library: Library) -> LoadedPolicy:
    """Read one policy and hold it against its contract and the law packs.

    PolicyFileError when it cannot be accepted, when nothing was signed, or when it is wider than
    what was signed or than a pack in force allows.
    """
    document = parse_document(text.encode(), file)
    policy, stages = _policy_of(document, library)
    contract = library.contract(policy.vendor, policy.contract)
    places = {key.text: Place(file, key.line) for key, _node in document.root.entries}
    places[""] = Place(file, document.root.line)
    if contract is None:
        document.fail(
            places["contract"].line,
            "There is no signed contract of this name with this vendor.",
            f"Write contracts/{policy.contract}.yaml from the signed paper.",
        )
    verify_within(policy, stages, places, contract)
    verify_lawful(stages, policy.term, library.packs)
    sources = {
        path: content
        for path, content in library.texts.items()
        if path == contract.file or not path.startswith("contracts/")
    }
    return LoadedPolicy(policy, stages, file, text, sources)


def reread_policy(
    text: str, file: str, sources: dict[str, str], catalog: FieldCatalog
) -> LoadedPolicy:
    """Read a policy again from what LoadedPolicy kept; PolicyFileError as read_policy."""
    return read_policy(text, file, library_of(sources, catalog))


def bundle_of(policies: Iterable[tuple[str, VendorPolicy]]) -> PolicyBundle:
    """Join (file name, policy) pairs; a second file for one contract is a PolicyFileError."""
    first: dict[tuple[str, str], str] = {}
    kept: list[VendorPolicy] = []
    for file, policy in policies:
        key = (policy.vendor, policy.contract)
        if key in first:
            raise PolicyFileError(
                file,
                0,
                f"{first[key]} already holds the policy of this vendor and contract.",
                "Keep one file for each contract.",
            )
        first[key] = file
        kept.append(policy)
    return PolicyBundle(tuple(kept))


def load_policy(data: bytes, file: str, catalog: FieldCatalog | None = None) -> VendorPolicy:
    """Read one policy against the catalogue alone, without profiles, contract and packs.

    For tools that look at a single file; what releases cases goes through read_policy.
    PolicyFileError when it cannot be accepted.
    """
    library = Library(catalog or load_field_catalog(), {}, {}, (), {})
    return _policy_of(parse_document(data, file), library)[0]


def _policy_of(document: Document, library: Library) -> tuple[VendorPolicy, StageLines]:
    entries = document.entries(document.root, known=POLICY_KEYS, what="a policy")
    parts = {key: document.required(entries, key, line=document.root.line) for key in _REQUIRED}
    catalog = library.catalog
    stages = inherited_stages(document, entries, catalog, library.profiles)
    limits = limits_of(document, entries)
    if limits.numbers is NumberHandling.DIAL_TOKEN:
        _verify_no_number(stages, catalog)
    policy = VendorPolicy.of(
        policy_id=identifier_of(document, parts["policy"], "`policy`"),
        vendor=identifier_of(document, parts["vendor"], "`vendor`"),
        contract=identifier_of(document, parts["contract"], "`contract`"),
        term=term_of(document, parts["term"]),
        purposes=purposes_of(document, parts["purposes"]),
        networks=networks_of(document, entries["networks"]) if "networks" in entries else (),
        scopes=tuple(
            DataScope.of(stage, tuple(line.rule for line in lines.values()), catalog)
            for stage, lines in stages.items()
        ),
        limits=limits,
    )
    return policy, stages


def _verify_no_number(stages: StageLines, catalog: FieldCatalog) -> None:
    """Where numbers are dialled by a token, no line hands one out."""
    for field, line in stages.get(Stage.PERMIT, {}).items():
        if line.rule.level is Level.CLEAR and catalog.field(field).type is FieldType.PHONE:
            raise PolicyFileError(
                line.place.file,
                line.place.line,
                f"`{field}: clear` hands the number out, but numbers are dialled by a token.",
                "Use `partial phone_cn`, or write `numbers: reveal_once` with a quota.",
            )
