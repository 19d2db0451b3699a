from gateway.people.courses import MANDATORY_COURSES, required_courses
from policies.contact.packs import load_contact_packs
from policies.load import packaged_directory


def test_the_companys_own_pack_names_the_mandatory_courses() -> None:
    packs = load_contact_packs(packaged_directory())

    assert required_courses(packs) == MANDATORY_COURSES


def test_without_a_pack_the_companys_own_set_is_asked() -> None:
    assert required_courses([]) == MANDATORY_COURSES
