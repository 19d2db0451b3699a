"""Whose notes are worth opening: those that a policy in force releases, unless told otherwise."""

from collections.abc import Mapping

import psycopg

from policies.errors import PolicyError
from policies.fields import FieldCatalog
from policies.limits import FreeText
from policies.load import reread_policy

_DIGESTS = "SELECT digest FROM casegate.policies_in_force()"
_IN_FORCE = "SELECT digest, file, document, sources FROM casegate.policies_in_force()"
_ALL = "SELECT vendor_id FROM casegate.vendor"

RELEASED = "released"
ALL = "all"


class AnalysisScope:
    """The vendors whose notes are analysed; policies are parsed only when others are in force."""

    def __init__(self, catalog: FieldCatalog, notes: str = RELEASED) -> None:
        """Takes the setting `analysis.notes`: released, all or none."""
        self._catalog = catalog
        self._notes = notes
        self._known: Mapping[str, str | None] = {}

    def vendors(self, connection: psycopg.Connection) -> frozenset[str]:
        """Ids of the vendors, as of now."""
        if self._notes == ALL:
            return frozenset(str(row[0]) for row in connection.execute(_ALL))
        if self._notes != RELEASED:
            return frozenset()
        digests = {str(row[0]) for row in connection.execute(_DIGESTS)}
        if digests != set(self._known):
            self._known = {
                digest: self._releases_to(file, document, sources)
                for digest, file, document, sources in connection.execute(_IN_FORCE)
            }
        return frozenset(vendor for vendor in self._known.values() if vendor is not None)

    def _releases_to(self, file: str, document: str, sources: Mapping[str, str]) -> str | None:
        """The vendor that a policy gives redacted notes to; None if it gives none."""
        try:
            policy = reread_policy(document, file, dict(sources), self._catalog).policy
        except PolicyError:
            return None  # the release does not go by it either
        return policy.vendor if policy.limits.free_text is FreeText.REDACTED else None
