"""Alters one entry in a copy of the log, as an insider with database rights would."""

from collections.abc import Sequence
from dataclasses import replace

from audit.batch import StoredBatch
from audit.bundle import decode_bundle, encode_bundle

_BEFORE, _AFTER = b'"vendor":"alpha"', b'"vendor":"gamma"'


def alter_one_entry(batches: Sequence[StoredBatch]) -> list[StoredBatch]:
    """Returns the batches with `alpha` turned into `gamma` in the newest entry that names it.

    Raises:
        ValueError: no entry names alpha.
    """
    altered = list(batches)
    for place in range(len(altered) - 1, -1, -1):
        entries = decode_bundle(altered[place].bundle)
        for number, entry in enumerate(entries):
            if _BEFORE in entry:
                entries[number] = entry.replace(_BEFORE, _AFTER)
                altered[place] = replace(altered[place], bundle=encode_bundle(entries))
                return altered
    raise ValueError("no entry names alpha")
