"""Model files from installed packages: found without importing the package, checked before use."""

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from gateway.errors import ConfigurationError

Floats = npt.NDArray[np.float32]


class ModelMissingError(ConfigurationError):
    """The package that brings the model is not installed."""


class ModelAlteredError(ConfigurationError):
    """A model file is not the one that this version was tested with."""


def package_directory(package: str, *, extra: str) -> Path:
    """Where an installed package keeps its files; nothing of the package runs.

    Raises ModelMissingError that names the `extra` to install.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"the model package {package} is not installed: install casegate[{extra}]"
        raise ModelMissingError(message)
    return Path(spec.submodule_search_locations[0])


def read_verified(path: Path, digest: str) -> bytes:
    """The file's bytes, after their SHA-256 was compared with `digest` (hexadecimal).

    Raises ModelMissingError and ModelAlteredError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelMissingError(f"the model file {path.name} cannot be read") from error
    if sha256(content).hexdigest() != digest:
        message = f"the model file {path.name} is not the pinned one: install it again"
        raise ModelAlteredError(message)
    return content


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """An ONNX session on one thread, so that results and CPU time do not depend on the machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def shares_of(scores: Floats) -> Floats:
    """Probabilities, a row for each label, from scores with a row for each character.

    Turned round, since numpy takes a third of the time for few long rows.
    """
    rows = np.ascontiguousarray(scores.T)
    rows -= rows.max(axis=0)
    np.exp(rows, out=rows)
    rows /= rows.sum(axis=0)
    return rows


_SENTENCE_ENDS = frozenset("。！？!?\n;；")
_CLAUSE_ENDS = frozenset("，,、 \t)）")


def windows(text: str, size: int) -> list[tuple[int, int]]:
    """Cut a text into stretches of at most `size` code points, at sentence ends where there are.

    Together they cover the text, in order, without gap or overlap.
    """
    cuts: list[tuple[int, int]] = []
    start = 0
    while len(text) - start > size:
        end = _cut(text, start, start + size)
        cuts.append((start, end))
        start = end
    if start < len(text):
        cuts.append((start, len(text)))
    return cuts


def _cut(text: str, start: int, end: int) -> int:
    for marks in (_SENTENCE_ENDS, _CLAUSE_ENDS):
        for place in range(end - 1, start + (end - start) // 2, -1):
            if text[place] in marks:
                return place + 1
    return end


@cache
def half_width() -> dict[int, int]:
    """Full-width letters, digits and marks to their plain forms, one for one."""
    return {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
