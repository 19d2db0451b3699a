import pytest

from policies.documents import parse_document
from policies.errors import PolicyFileError, UnknownFieldError
from policies.fields import (
    CatalogField,
    FieldClass,
    FieldType,
    Level,
    Origin,
    Stage,
    catalog_from_document,
    load_field_catalog,
)

_HEAD = b"fields:\n"
_CVV = b"  - { name: cvv, headers: [CVV], type: code, class: K0, bulk: clear, permit: clear }\n"


def test_levels_are_ordered_from_nothing_to_everything() -> None:
    words = [level.word for level in sorted(Level)]

    assert words == ["drop", "redact", "generalise", "partial", "pseudonym", "clear"]


@pytest.mark.parametrize(
    "header",
    [
        "客户姓名",
        " 客户 姓名\t",
        "客户\u3000姓名",
        "\ufeff客户姓名",
        "full_name",
        "Full_Name",
        "ｆｕｌｌ_name",
    ],
)
def test_a_header_is_found_however_it_is_spaced(header: str) -> None:
    found = load_field_catalog().by_header(header)

    assert found is not None
    assert found.name == "full_name"


def test_an_unknown_header_is_found_nowhere() -> None:
    assert load_field_catalog().by_header("喜欢的颜色") is None


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownFieldError):
        load_field_catalog().field("favourite_colour")


def test_a_k3_field_is_closed_whatever_the_catalogue_says() -> None:
    catalog = catalog_from_document(parse_document(_HEAD + _CVV, "fields.yaml"))

    assert catalog.field("cvv").field_class is FieldClass.K3
    assert catalog.field("cvv").widest(Stage.PERMIT) is Level.DROP


def test_a_new_field_of_class_k3_is_closed_too() -> None:
    field = CatalogField(
        name="voiceprint",
        headers=(),
        type=FieldType.TEXT,
        field_class=FieldClass.K3,
        bulk=Level.CLEAR,
        permit=Level.CLEAR,
        forms=(),
        origin=Origin.IMPORT,
    )

    assert {field.widest(stage) for stage in Stage} == {Level.DROP}


def test_no_list_tells_more_than_a_permit_in_the_packaged_catalogue() -> None:
    assert all(field.bulk <= field.permit for field in load_field_catalog())


def test_a_list_wider_than_a_permit_is_refused() -> None:
    line = b"  - { name: x, headers: [], type: code, class: K1, bulk: clear, permit: drop }\n"

    with pytest.raises(PolicyFileError, match="line 2: A list would tell more"):
        catalog_from_document(parse_document(_HEAD + line, "fields.yaml"))


def test_one_header_leads_to_one_field() -> None:
    twin = _CVV.replace(b"name: cvv", b"name: twin")

    with pytest.raises(PolicyFileError, match="line 3: The field's name or one of its headers"):
        catalog_from_document(parse_document(_HEAD + _CVV + twin, "fields.yaml"))
