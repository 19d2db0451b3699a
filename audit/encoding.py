"""The one canonical form in which an entry is written; reading never re-encodes."""

from collections.abc import Mapping

import orjson

from audit.errors import EntryError

# Integers stay within 53 bits, so that a reader in any language sees the same number, and no
# type is turned into text behind the caller's back.
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)


def canonical(mapping: Mapping[str, object]) -> bytes:
    """Encode a mapping as one UTF-8 JSON object: keys sorted by code point, no spaces.

    Raises:
        EntryError: a key is not text, a value has no JSON form, an integer exceeds 53 bits,
            or a text holds an unpaired surrogate.
    """
    try:
        return orjson.dumps(dict(mapping), option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise EntryError("a field has no canonical JSON form") from error
