"""What policies stand on: profiles, signed contracts and law packs, each with the text it had."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from policies.contracts import ContractBound, contract_of
from policies.documents import MAX_BYTES, parse_document
from policies.errors import PolicyFileError
from policies.fields import FieldCatalog
from policies.packs import LawPack, pack_of
from policies.profiles import ScopeProfile, profile_of

FOLDERS = ("profiles", "contracts", "packs")


@dataclass(frozen=True, slots=True)
class Library:
    """Profiles by name, contracts by vendor and contract, packs in the order of their files.

    `texts` are the files as they were read, by their path below the folder of policies.
    """

    catalog: FieldCatalog
    profiles: Mapping[str, ScopeProfile]
    contracts: Mapping[tuple[str, str], ContractBound]
    packs: tuple[LawPack, ...]
    texts: Mapping[str, str]

    def contract(self, vendor: str, contract: str) -> ContractBound | None:
        """Return what was signed, or None."""
        return self.contracts.get((vendor, contract))


def library_of(texts: Mapping[str, str], catalog: FieldCatalog) -> Library:
    """Build a library from texts by path; PolicyFileError when one cannot be accepted."""
    profiles: dict[str, ScopeProfile] = {}
    contracts: dict[tuple[str, str], ContractBound] = {}
    packs: dict[str, LawPack] = {}
    for file in sorted(texts, key=lambda path: (FOLDERS.index(path.partition("/")[0]), path)):
        document = parse_document(texts[file].encode(), file)
        match file.partition("/")[0]:
            case "profiles":
                profile = profile_of(document, catalog)
                _verify_new(profile.name in profiles, file)
                profiles[profile.name] = profile
            case "contracts":
                bound = contract_of(document, catalog, profiles)
                _verify_new((bound.vendor, bound.contract) in contracts, file)
                contracts[bound.vendor, bound.contract] = bound
            case _:
                pack = pack_of(document, catalog)
                _verify_new(pack.pack_id in packs, file)
                packs[pack.pack_id] = pack
    return Library(catalog, profiles, contracts, tuple(packs.values()), dict(texts))


def read_library(directory: Traversable, catalog: FieldCatalog) -> Library:
    """Read `profiles/`, `contracts/` and `packs/` of a directory; those missing are empty."""
    texts: dict[str, str] = {}
    for folder in FOLDERS:
        place = directory.joinpath(folder)
        if place.is_dir():
            for entry in policy_files(place):
                texts[f"{folder}/{entry.name}"] = read_text(entry, f"{folder}/{entry.name}")
    return library_of(texts, catalog)


def policy_files(directory: Traversable) -> Iterator[Traversable]:
    """The YAML files of a directory by name; PolicyFileError when it cannot be read."""
    try:
        found = sorted(
            (entry for entry in directory.iterdir() if _is_policy_name(entry.name)),
            key=lambda entry: entry.name,
        )
    except OSError as error:
        raise PolicyFileError(
            directory.name, 0, "The folder cannot be read.", "Check its name and permissions."
        ) from error
    yield from found


def read_text(source: Traversable, file: str) -> str:
    """A file's text, at most MAX_BYTES of UTF-8; PolicyFileError when it cannot be had."""
    try:
        with source.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyFileError(
            file, 0, "The file cannot be read.", "Check that it exists and may be read."
        ) from error
    parse_document(data, file)  # refuses what is too long or not UTF-8
    return data.decode("utf-8-sig")


def _is_policy_name(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def _verify_new(is_known: bool, file: str) -> None:  # noqa: FBT001 - private
    if is_known:
        raise PolicyFileError(
            file, 0, "Another file already holds this name.", "Keep one of the two."
        )
