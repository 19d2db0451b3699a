"""The values of a case that its own notes must not show: what the known-value tier looks for."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gateway.cases.record import JsonValue
from gateway.redaction.known import KnownValues
from policies.fields import CatalogField, FieldClass, FieldType, Origin

_BY_TYPE: Mapping[FieldType, str] = MappingProxyType(
    {
        FieldType.PHONE: "phones",
        FieldType.ID_NUMBER: "ids",
        FieldType.ADDRESS: "addresses",
        # A card as a number, an account in letters and digits: whichever it is, it is found.
        FieldType.ACCOUNT: "cards accounts",
    }
)
_BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        "full_name": "names",
        "related_name": "names",
        "employer_name": "organisations",
        "source_case_no": "accounts",
    }
)
PASSED_BY = frozenset(
    {
        # Words and sums that many people share; looking for them would hide what a note is about.
        *("marital_status", "education", "job_title", "relation", "treatment_codes", "hold_flags"),
        *("litigation_status", "credit_score", "birth_date", "monthly_income", "contract_amount"),
        *("total_due", "principal_due", "interest_due", "penalty_due", "fee_due", "min_payment"),
        *("last_payment_date", "last_payment_amount", "instalments_total", "instalment_due_day"),
        *("instalment_amount", "instalments_overdue", "paid_amount", "instalments_paid"),
        # Text of its own, and the notes themselves.
        *("bureau_data", "vulnerability_detail", "past_notes"),
    }
)
"""Personal fields whose values are not looked for; a test holds the catalogue against this."""


def kinds_of(field: CatalogField) -> tuple[str, ...]:
    """As which fields of KnownValues a field's value is looked for; none if it is not."""
    if field.origin is not Origin.IMPORT or field.field_class is FieldClass.K3:
        return ()
    return tuple((_BY_NAME.get(field.name) or _BY_TYPE.get(field.type, "")).split())


class CaseValues:
    """Picks a case's own values out of its record; made once for a catalogue."""

    def __init__(self, catalog: Iterable[CatalogField]) -> None:
        self._kinds = [(field.name, kinds) for field in catalog if (kinds := kinds_of(field))]

    def of(self, record: Mapping[str, JsonValue]) -> KnownValues:
        """The values that the record holds."""
        found: dict[str, list[str]] = {}
        for name, kinds in self._kinds:
            value = record.get(name)
            if isinstance(value, str) and value:
                for kind in kinds:
                    found.setdefault(kind, []).append(value)
        return KnownValues(**{kind: tuple(values) for kind, values in found.items()})
