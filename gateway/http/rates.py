"""How much strangers may ask, and how much of what they are refused goes into the log."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

_MAX_SOURCES = 10_000
_MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_minute` refills it, and is also what it holds at most."""

    per_minute: float
    level: float
    at: float

    def take(self, now: float) -> bool:
        """Whether one more is allowed at a monotonic time in seconds."""
        self.level = min(self.per_minute, self.level + (now - self.at) * self.per_minute / _MINUTE)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class SourceRates:
    """Buckets by source address and one for all together; of this process alone.

    Of more than 10,000 sources the one that was longest silent is forgotten: a flood from many
    addresses meets the common bucket.
    """

    def __init__(self, *, per_source: float, overall: float) -> None:
        self._per_source = per_source
        self._overall = Bucket(overall, overall, 0.0)
        self._sources: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, source: str, now: float) -> bool:
        """Whether a source may do one more at a monotonic time in seconds."""
        bucket = self._sources.pop(source, None)
        if bucket is None:
            bucket = Bucket(self._per_source, self._per_source, now)
        self._sources[source] = bucket
        if len(self._sources) > _MAX_SOURCES:
            self._sources.popitem(last=False)
        # A source that is over its own measure takes nothing from the others'.
        return bucket.take(now) and self._overall.take(now)


@dataclass(slots=True)
class RefusalTally:
    """Which refusals are entries of their own; the rest is counted by source and told in sum."""

    rates: SourceRates
    _untold: dict[tuple[str, str], int] = field(default_factory=dict)
    _told_at: float = 0.0

    def is_told(self, source: str, code: str, now: float) -> bool:
        """Whether this refusal gets an entry; otherwise it is counted."""
        if self.rates.take(source, now):
            return True
        key = (source, code)
        if key not in self._untold and len(self._untold) >= _MAX_SOURCES:
            key = ("many", code)
        self._untold[key] = self._untold.get(key, 0) + 1
        return False

    def drain(self, now: float) -> list[tuple[str, str, int]]:
        """Source, code and count of what was not told, once a minute; then they start anew."""
        if not self._untold or now - self._told_at < _MINUTE:
            return []
        self._told_at = now
        untold, self._untold = self._untold, {}
        return [(source, code, count) for (source, code), count in untold.items()]


def source_key(address: str) -> str:
    """What is counted as one source: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
