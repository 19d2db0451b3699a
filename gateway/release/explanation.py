"""Why a vendor sees what it sees of one case: field by field, value, rule, line, result."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import args_row

from gateway.cases.record import JsonValue, StoredCase, open_record
from gateway.clock import rfc3339
from gateway.errors import NotFoundError
from gateway.identity.principal import StaffRole
from gateway.masking.projection import compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from gateway.release.note_explanation import NoteExplanation
from keys.kek import KeyEncryptionKey
from policies.fields import CatalogField, FieldCatalog, FieldClass, Level, Stage
from policies.load import LoadedPolicy

HIDDEN = "***"
_KEPT = 1
_OPEN = frozenset({FieldClass.K0, FieldClass.K1})
# Who decides on scopes may see how a sensitive value begins; others see that there is one.
_SEES_SENSITIVE = frozenset({StaffRole.COMPLIANCE})
_CASE = """
SELECT a.sequence, a.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment, r.kek_id,
       r.wrapped_key, r.sealed
  FROM casegate.assigned_case a JOIN casegate.case_record r USING (case_id)
 WHERE a.vendor_id = %s AND a.contract_id = %s AND a.case_ref = %s AND a.status = 'assigned'
"""


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    """One field of one case.

    `source` is the lender's value, masked for the reader; `rule` what the policy says in its
    author's words; `line` where it says so, None where it is silent; `reason` why a line is wider
    than its profile; `result` what the vendor receives, None for nothing.
    """

    field: str
    field_class: str
    source: str | None
    rule: str
    line: str | None
    reason: str | None
    result: str | None


@dataclass(frozen=True, slots=True)
class CaseExplanation:
    """A case under one policy: its fields, and its notes if it came with some."""

    fields: list[FieldExplanation]
    notes: NoteExplanation | None


def read_assigned(
    connection: psycopg.Connection, vendor: str, contract: str, case_ref: str
) -> StoredCase:
    """A case that a vendor holds now, still sealed, on a connection of the company's role.

    Raises:
        NotFoundError: the vendor holds no case of this reference under this contract.
    """
    with connection.cursor(row_factory=args_row(StoredCase)) as cursor:
        found = cursor.execute(_CASE, (vendor, contract, case_ref)).fetchone()
    if found is None:
        raise NotFoundError("the vendor holds no case of this reference")
    return found


def whole_record(case: StoredCase, kek: KeyEncryptionKey) -> dict[str, JsonValue]:
    """A case as a release sees it: the lender's record with what the gateway knows itself."""
    record = open_record(case, kek)
    # A column of the file cannot stand in for any of these.
    record["case_ref"] = case.case_id.hex
    record["assignment_id"] = case.assignment_id
    record["case_status"] = case.status
    record["assigned_at"] = rfc3339(case.assigned_at)
    return record


def explain_record(
    record: Mapping[str, JsonValue],
    loaded: LoadedPolicy,
    stage: Stage,
    *,
    catalog: FieldCatalog,
    pseudonyms: PseudonymKey,
    role: StaffRole,
) -> list[FieldExplanation]:
    """Every field that the record holds or the policy names, in catalogue order.

    What the vendor receives in clear is shown as masked as the source: an explanation is not a
    way around the masking of the staff's own view.
    """
    lines = loaded.stages.get(stage, {})
    projection = compile_projection((line.rule for line in lines.values()), catalog, pseudonyms)
    released = projection.apply(record)
    explained: list[FieldExplanation] = []
    for known in catalog:
        value, line = record.get(known.name), lines.get(known.name)
        if value is None and line is None:
            continue
        level = Level.DROP if line is None else line.rule.level
        result = released.get(known.name)
        explained.append(
            FieldExplanation(
                known.name,
                known.field_class.value,
                None if value is None else masked(value, known, role),
                Level.DROP.word if line is None else line.rule.words,
                None if line is None else str(line.place),
                None if line is None else line.reason,
                None
                if result is None
                else masked(result, known, role)
                if level is Level.CLEAR
                else _text(result),
            )
        )
    return explained


def masked(value: JsonValue, known: CatalogField, role: StaffRole) -> str:
    """A value as a staff member of this role may see it: K3 never, K2S for compliance in part."""
    if known.field_class in _OPEN and not known.is_reference:
        return _text(value)
    is_shown_in_part = known.field_class is FieldClass.K2 or (
        known.field_class is FieldClass.K2S and role in _SEES_SENSITIVE
    )
    text = _text(value)
    if known.is_reference or not is_shown_in_part or len(text) <= _KEPT:
        return HIDDEN
    return text[:_KEPT] + HIDDEN


def _text(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
