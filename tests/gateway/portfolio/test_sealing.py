from uuid import UUID

import orjson
import pytest

from gateway.cases.record import CaseRecord
from gateway.masking.projection import compile_projection
from gateway.masking.pseudonyms import PseudonymKey
from gateway.portfolio.rows import CaseRow
from gateway.portfolio.sealing import CaseIdentity, RowSealer, SealedRow, case_commitment
from keys.envelope import open_attachment, open_sealed
from keys.kek import LocalKeyEncryptionKey
from keys.secret import Secret
from policies.fields import Level, load_field_catalog
from policies.model import FieldRule

KEK = LocalKeyEncryptionKey(Secret(bytes(range(32))))
INDEX = Secret(bytes(reversed(range(32))))
PSEUDONYMS = PseudonymKey.derive(bytes(range(32)), vendor="alpha", contract="alpha-2026")
SEALER = RowSealer(INDEX, KEK, PSEUDONYMS, "alpha-2026")
RECORD: CaseRecord = {
    "source_case_no": "ZX1",
    "id_number": "11010519491231002X",
    "mobile_phone": "13812345678",
    "core_account_no": "6222020200001234",
    "total_due": 512345,
}


def _row(**changes: str | int) -> CaseRow:
    return CaseRow(2, {**RECORD, **changes})


def _opened(row: SealedRow) -> CaseRecord:
    plain = open_sealed(
        row.sealed.ciphertext, row.sealed.wrapped_key, KEK, context=row.case_id.bytes
    )
    content: CaseRecord = orjson.loads(plain)
    return content


def test_macs_do_not_depend_on_the_order_of_columns() -> None:
    shuffled = CaseRow(9, dict(reversed(RECORD.items())))

    assert SEALER.macs(shuffled) == SEALER.macs(_row())


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"total_due": 1}, ("source", "person")),
        ({"source_case_no": "ZX2"}, ("person",)),
        ({"id_number": "x"}, ("source",)),
    ],
)
def test_each_mac_changes_with_what_it_stands_for_alone(
    change: dict[str, str | int], same: tuple[str, ...]
) -> None:
    before, after = SEALER.macs(_row()), SEALER.macs(_row(**change))

    equal = {
        name
        for name in ("source", "content", "person")
        if getattr(before, name) == getattr(after, name)
    }
    assert equal == set(same)


def test_macs_of_equal_values_of_two_kinds_differ() -> None:
    macs = SEALER.macs(_row(source_case_no="same", id_number="same"))

    assert macs.source != macs.person


def test_without_the_index_key_macs_cannot_be_made_again() -> None:
    other = RowSealer(Secret(bytes(32)), KEK, PSEUDONYMS, "alpha-2026")

    assert other.macs(_row()) != SEALER.macs(_row())


def test_a_sealed_row_opens_to_its_record_and_its_internal_keys() -> None:
    macs = SEALER.macs(_row())
    content = _opened(SEALER.seal(_row(), macs, None))

    assert {name: content[name] for name in RECORD} == RECORD
    assert content["debtor_ref"] == macs.person.hex()
    references = {"case_ref", "debtor_ref", "contact_point_ref", "debt_ref"}
    assert set(content) - set(RECORD) == {*references, "pseudonyms"}


def test_references_made_at_sealing_are_those_that_a_release_would_make() -> None:
    row = SEALER.seal(_row(), SEALER.macs(_row()), None)
    record = _opened(row)
    rules = [FieldRule(name, Level.PSEUDONYM) for name in ("case_ref", "debtor_ref", "debt_ref")]
    projection = compile_projection(rules, load_field_catalog(), PSEUDONYMS)
    unmade = {name: value for name, value in record.items() if name != "pseudonyms"}

    assert projection.apply(record) == projection.apply(unmade)
    assert projection.apply(record)["case_ref"] == row.case_ref


def test_references_made_for_one_contract_never_go_out_under_another() -> None:
    record = _opened(SEALER.seal(_row(), SEALER.macs(_row()), None))
    other = PseudonymKey.derive(bytes(range(32)), vendor="beta", contract="beta-2026")
    rules = [FieldRule("debtor_ref", Level.PSEUDONYM)]

    own = compile_projection(rules, load_field_catalog(), PSEUDONYMS).apply(record)
    foreign = compile_projection(rules, load_field_catalog(), other).apply(record)

    assert own["debtor_ref"] != foreign["debtor_ref"]
    assert foreign["debtor_ref"] == other.token("debtor_ref", str(record["debtor_ref"]))


def test_free_text_is_sealed_apart_and_opens_under_the_same_key() -> None:
    row = SEALER.seal(_row(past_notes="客户称下月还款"), SEALER.macs(_row()), None)

    assert "past_notes" not in _opened(row)
    assert row.sealed.attachment is not None
    opened = open_attachment(
        row.sealed.attachment, row.sealed.wrapped_key, KEK, context=row.case_id.bytes
    )
    assert opened.decode() == "客户称下月还款"


def test_a_known_case_keeps_its_id_and_commitment_and_gets_a_new_key() -> None:
    known = CaseIdentity(UUID(int=7), bytes(16))
    first, second = (SEALER.seal(_row(), SEALER.macs(_row()), known) for _ in range(2))

    assert first.case_id == second.case_id == known.case_id
    assert first.sealed.wrapped_key != second.sealed.wrapped_key
    assert first.commitment == second.commitment


def test_a_new_case_gets_a_salt_of_its_own() -> None:
    first, second = (SEALER.seal(_row(), SEALER.macs(_row()), None) for _ in range(2))

    assert first.log_salt != second.log_salt
    assert first.commitment != second.commitment


def test_the_commitment_can_be_shown_with_the_salt_and_differs_by_contract() -> None:
    sealed = SEALER.seal(_row(), SEALER.macs(_row()), None)

    assert case_commitment(sealed.log_salt, b"alpha-2026", sealed.case_id) == sealed.commitment
    assert case_commitment(sealed.log_salt, b"beta-2026", sealed.case_id) != sealed.commitment
    assert len(sealed.commitment) == 16


def test_without_an_account_the_debt_is_known_by_its_case_number() -> None:
    bare = {name: value for name, value in RECORD.items() if name != "core_account_no"}
    rows = [CaseRow(1, bare), CaseRow(1, {**bare, "core_account_no": ""})]

    references = {_opened(SEALER.seal(row, SEALER.macs(row), None))["debt_ref"] for row in rows}

    assert len(references) == 1
