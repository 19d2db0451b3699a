"""Vendors' own result codes, mapped to the catalogue's by a file a vendor."""

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from types import MappingProxyType

from policies.contact.results import ResultCode, ResultCodes
from policies.documents import read_document

_TOP = frozenset({"codes"})


class VendorCodes:
    """What a vendor's word means: its own map first, then the catalogue; nothing is guessed."""

    def __init__(self, results: ResultCodes, maps: Mapping[str, Mapping[str, str]]) -> None:
        self._results = results
        self._maps = maps

    def of(self, vendor_id: str) -> Mapping[str, ResultCode]:
        """Every word that the vendor may use, with the code that it means."""
        known = {code.code: code for code in self._results}
        own = {word: known[name] for word, name in self._maps.get(vendor_id, {}).items()}
        return MappingProxyType(known | own)


def read_vendor_codes(directory: Traversable, results: ResultCodes) -> VendorCodes:
    """Reads `vendor_codes/VENDOR.yaml` of a directory of policies; none is needed.

    Raises:
        PolicyFileError: a file is damaged, or maps to a code that the catalogue does not have.
    """
    folder = directory.joinpath("vendor_codes")
    if not folder.is_dir():
        return VendorCodes(results, {})
    maps = {
        source.name.removesuffix(".yaml"): _map_of(source, results)
        for source in folder.iterdir()
        if source.name.endswith(".yaml")
    }
    return VendorCodes(results, maps)


def _map_of(source: Traversable, results: ResultCodes) -> Mapping[str, str]:
    document = read_document(source, f"vendor_codes/{source.name}")
    top = document.entries(document.root, known=_TOP, what="a vendor's codes")
    listed = document.mapping(document.required(top, "codes", line=document.root.line), "`codes`")
    names = {code.code: code.code for code in results}
    words = frozenset(key.text for key, _node in listed.entries)
    return {
        word: document.choice(node, names, f"`{word}`")
        for word, node in document.entries(listed, known=words, what="`codes`").items()
    }
