from gateway.analysis.known import PASSED_BY, CaseValues, kinds_of
from gateway.portfolio.sample_cases import sample_records
from gateway.redaction.known import finder_for
from policies.fields import FieldClass, Origin, load_field_catalog

PERSONAL = {FieldClass.K2, FieldClass.K2S}
SEARCHED = (
    *("full_name", "related_name", "id_number", "mobile_phone", "home_phone", "work_phone"),
    *("related_phone", "home_address", "work_address", "employer_name", "bank_account_no"),
    *("core_account_no", "source_case_no"),
)


def test_every_personal_field_is_either_looked_for_or_passed_by_on_purpose() -> None:
    catalog = [field for field in load_field_catalog() if field.origin is Origin.IMPORT]
    personal = {field.name for field in catalog if field.field_class in PERSONAL}
    searched = {field.name for field in catalog if kinds_of(field)}

    assert personal - searched == PASSED_BY
    assert searched == set(SEARCHED)


def test_authentication_data_is_never_taken_from_a_record() -> None:
    values = CaseValues(load_field_catalog())

    assert not values.of({"pan": "6222020200112231234", "cvv": "123", "contacts_list": "张三"})


def test_every_value_of_a_sample_case_is_found_in_a_note_of_its_own() -> None:
    values = CaseValues(load_field_catalog())
    for record in sample_records(20, seed=5):
        finder = finder_for(values.of(record))
        for name in SEARCHED:
            value = record.get(name)
            if isinstance(value, str):
                text = f"备注：{value}，已核对"
                spans = finder.find(text)
                covered = {place for span in spans for place in range(span.start, span.end)}
                assert set(range(3, 3 + len(value))) <= covered, (name, value)
