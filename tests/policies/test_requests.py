import pytest

from policies.documents import parse_document
from policies.errors import PolicyFileError
from policies.requests import catalog_from_document, load_request_catalog

HELD = {
    *("dispute_amount", "dispute_identity", "fraud_claim", "deceased", "incapacity"),
    *("serious_illness", "bankruptcy", "represented", "self_harm_risk"),
}
LINE = "  - { type: hardship, hold: no, routing: routing.special, days: special.answer_days }"
SOUND = f"""
requests:
{LINE}
holds: [complaint]
decisions: [granted]
instructions: [resume]
"""


def test_exactly_the_listed_types_set_a_hold() -> None:
    types = load_request_catalog().types

    assert {name for name, kind in types.items() if kind.sets_hold} == HELD
    assert len(types) == 26


def test_the_company_may_name_these_grounds_and_its_own() -> None:
    catalog = load_request_catalog()

    assert catalog.hold_codes >= HELD | {"complaint"}
    assert "hardship" not in catalog.hold_codes


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("hold: no", "hold: maybe", "hold"),
        ("routing.special", "routing.nobody", "routing"),
        ("holds: [complaint]\n", "", "holds"),
        ("holds:", "  - { type: hardship, hold: no, routing: a, days: b }\nholds:", "routing"),
        ("holds:", f"{LINE}\nholds:", "twice"),
    ],
)
def test_a_damaged_catalogue_is_refused(old: str, new: str, reason: str) -> None:
    catalog_from_document(parse_document(SOUND.encode(), "requests.yaml"))

    with pytest.raises(PolicyFileError, match=reason):
        catalog_from_document(parse_document(SOUND.replace(old, new, 1).encode(), "requests.yaml"))
