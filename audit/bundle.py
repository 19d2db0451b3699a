"""Entry bundles (C2SP tlog-tiles): entries framed one after another with their lengths."""

from collections.abc import Iterable

from audit.errors import EntryTooLargeError, FramingError

MAX_ENTRY_BYTES = 65_535
LENGTH_BYTES = 2


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Each entry as its length in 2 bytes, big-endian, followed by its bytes.

    Raises:
        EntryTooLargeError: an entry is longer than 65,535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryTooLargeError("an entry is longer than 65,535 bytes")
        parts.append(len(entry).to_bytes(LENGTH_BYTES, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle, in order, byte for byte.

    Raises:
        FramingError: the data ends inside a length or inside an entry.
    """
    entries = []
    at = 0
    total = len(data)
    while at < total:
        start = at + LENGTH_BYTES
        if start > total:
            raise FramingError("the bundle ends inside a length")
        at = start + (data[start - 2] << 8 | data[start - 1])
        if at > total:
            raise FramingError("the bundle ends inside an entry")
        entries.append(data[start:at])
    return entries
