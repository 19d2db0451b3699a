"""Puts together what records are checked by: codes, parameters, and the way to a case's debt."""

from collections.abc import Callable, Mapping
from importlib.resources.abc import Traversable
from typing import Any

import orjson

from gateway.intake.batches import Rules
from gateway.intake.records_codes import read_vendor_codes
from gateway.intake.records_seal import RecordSeal
from keys.envelope import open_sealed
from keys.errors import EnvelopeError
from keys.kek import KeyEncryptionKey
from keys.secret import Secret
from policies.contact.results import load_results

_PROMISE = "record.metadata_minutes"


def intake_rules(
    directory: Traversable,
    parameters: Mapping[str, str | None],
    *,
    kek: Callable[[], KeyEncryptionKey],
    index_key: Secret,
) -> Rules:
    """The rules of an installation; `kek` is asked for each part, so that a rotation is followed.

    Raises:
        PolicyFileError: a vendor's map of codes is damaged.
    """
    return Rules(
        read_vendor_codes(directory, load_results()),
        RecordSeal(index_key),
        lambda: DebtOf(kek()),
        int(parameters[_PROMISE] or 0),
    )


class DebtOf:
    """Opens a case for one number, which is compared and forgotten."""

    def __init__(self, kek: KeyEncryptionKey) -> None:
        self._kek = kek

    def __call__(self, row: Mapping[str, Any]) -> int | None:
        """The debt in minor units as the lender's file had it, None when it had none."""
        try:
            record = orjson.loads(
                open_sealed(
                    bytes(row["sealed"]),
                    bytes(row["wrapped_key"]),
                    self._kek,
                    context=row["case_id"].bytes,
                    kek_id=row["kek_id"],
                )
            )
        except EnvelopeError:
            return None  # erased or under a key that is gone: nothing to compare with
        due = record.get("total_due")
        return due if isinstance(due, int) else None
