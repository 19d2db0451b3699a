"""Policies in force: two persons, versions, workers that follow, rows, quotas, replays."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
import psycopg
import pytest

from gateway.errors import ApprovalRefusedError, NotFoundError, RoleNotAllowedError
from gateway.identity.principal import StaffRole
from policies.errors import ParametersUnsetError
from policies.fields import Stage
from tests.installation import Installation

# Minutes with everything served: left to `make test-long`.
pytestmark = pytest.mark.long

CASES = 20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation.make(tmp_path_factory.mktemp("scopes") / "sandbox", cases=CASES)
    with made.serving(workers=1):
        yield made


@pytest.fixture
def original(served: Installation) -> Iterator[str]:
    """Alpha's policy as it was, put in force again after the test."""
    path = served.directory / "policies" / "alpha.yaml"
    text = path.read_text()
    yield text
    path.write_text(text)
    served.activate()


def write(served: Installation, text: str) -> None:
    (served.directory / "policies" / "alpha.yaml").write_text(text)


def items_of(client: httpx.Client) -> list[dict[str, object]]:
    answer = client.get("/v1/cases", params={"limit": 500})
    answer.raise_for_status()
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def wait_until_released_by(served: Installation, client: httpx.Client, digest: str) -> None:
    """Until the newest release entry names this policy: workers hear within milliseconds."""
    for _attempt in range(100):
        answer = client.get("/v1/cases", params={"limit": 1})
        if answer.status_code != 200 or released_policy(served) == digest:
            return
        time.sleep(0.05)
    raise AssertionError("the worker did not follow")


def released_policy(served: Installation) -> str:
    with served.office().connection() as connection:
        from gateway.oversight.query import LogQuery
        from gateway.oversight.search import find_entries

        page = find_entries(connection, LogQuery(vendor="alpha", event="access.release", limit=1))
    return str(page.hits[0].entry["policy"])


def activate(served: Installation, client: httpx.Client, text: str) -> str:
    write(served, text)
    served.activate()
    digest = served.office().scopes().file_of("alpha").policy.digest
    wait_until_released_by(served, client, digest)
    return digest


def test_a_file_changed_on_disk_changes_nothing_until_it_is_activated(
    served: Installation, original: str
) -> None:
    narrower = original.replace("    full_name: partial name\n", "", 1)
    with served.vendor("alpha") as client:
        before = items_of(client)
        write(served, narrower)
        still = items_of(client)
        digest = activate(served, client, narrower)
        after = items_of(client)

    assert all("full_name" in item for item in before)
    assert still == before
    assert len(after) == CASES
    assert not any("full_name" in item for item in after)
    assert released_policy(served) == digest


def test_nothing_is_activated_that_a_second_person_has_not_approved(
    served: Installation, original: str
) -> None:
    desk = served.office().scopes()
    write(served, original.replace("    full_name: partial name\n", "", 1))
    loaded = desk.file_of("alpha")
    in_force = desk.in_force().digest

    with pytest.raises(ApprovalRefusedError, match="second person"):
        desk.activate(loaded, actor="cli:mallory")
    proposal = desk.propose(loaded, actor="staff:mallory")
    with pytest.raises(ApprovalRefusedError, match="another person"):
        desk.approve(proposal, role=StaffRole.COMPLIANCE, actor="cli:mallory")
    with pytest.raises(RoleNotAllowedError):
        desk.approve(proposal, role=StaffRole.SECURITY, actor="staff:alice")
    with pytest.raises(ApprovalRefusedError, match="second person"):
        desk.activate(loaded, actor="cli:mallory")

    assert desk.in_force().digest == in_force
    desk.approve(proposal, role=StaffRole.COMPLIANCE, actor="staff:alice")
    write(served, original.replace("    home_phone: partial phone_cn\n", "", 1))
    with pytest.raises(ApprovalRefusedError):  # what was approved is another text
        desk.activate(desk.file_of("alpha"), actor="cli:mallory")


def test_an_undecided_parameter_blocks_proposal_and_activation(
    served: Installation, original: str
) -> None:
    parameters = served.directory / "policies" / "parameters.yaml"
    decided = parameters.read_text()
    write(served, original.replace("    salutation: clear\n", "", 1))
    desk = served.office().scopes()
    parameters.write_text(re.sub(r"routing\.complaint: .*", "routing.complaint: null", decided))
    try:
        with pytest.raises(ParametersUnsetError, match=r"routing\.complaint"):
            desk.propose(desk.file_of("alpha"), actor="staff:bob")
    finally:
        parameters.write_text(decided)


def test_every_version_can_be_shown_again_with_who_decided(
    served: Installation, original: str
) -> None:
    narrower = "# a note that stays\n" + original.replace("    as_of: clear\n", "", 1)
    with served.vendor("alpha") as client:
        digest = activate(served, client, narrower)

    shown = served.run("policy", "show", digest[:12])
    words = served.run("policy", "show", digest, "--words")
    history = orjson.loads(served.run("policy", "history", "--vendor", "alpha", "--json").stdout)

    assert shown.stdout == narrower
    assert "ALLOW alpha UNDER alpha-2026 READ full_name AS partial name AT bulk" in words.stdout
    assert history[0]["digest"] == digest
    assert history[0]["ended_at"] is None
    assert history[0]["proposed_by"] != history[0]["approved_by"]
    assert history[1]["ended_at"] is not None
    assert served.office().scopes().loaded(history[1]["digest"]).policy.vendor == "alpha"
    with pytest.raises(NotFoundError):
        served.office().scopes().text("0" * 64)


def test_a_condition_on_the_stage_holds_in_the_database(
    served: Installation, original: str
) -> None:
    truth = {case["case_ref"]: case for case in served.truth() if case["vendor_id"] == "alpha"}
    stage = next(iter(truth.values()))["collection_stage"]
    inside = {ref for ref, case in truth.items() if case["collection_stage"] == stage}
    outside = sorted(set(truth) - inside)
    with served.vendor("alpha") as client:
        activate(served, client, f"where: {{ stage: [{stage}] }}\n{original}")
        listed = {item["case_ref"] for item in items_of(client)}
        single = client.get(f"/v1/cases/{outside[0]}")
        foreign = client.get(f"/v1/cases/{'A' * 26}")
    vendor_url = served.database().conninfo("vendor")
    with psycopg.connect(vendor_url, autocommit=True) as connection:
        connection.execute("SELECT set_config('casegate.vendor_id', 'alpha', false)")
        rows = connection.execute("SELECT case_ref FROM casegate.assigned_case").fetchall()

    assert listed == inside == {str(row[0]) for row in rows}
    assert outside
    assert single.status_code == foreign.status_code == 404
    assert single.json() | {"request_id": ""} == foreign.json() | {"request_id": ""}


def test_conditions_on_region_and_hold_are_met_by_the_open_case(
    served: Installation, original: str
) -> None:
    truth = {case["case_ref"]: case for case in served.truth() if case["vendor_id"] == "alpha"}
    with served.vendor("alpha") as client:
        cities = {str(i["case_ref"]): str(i.get("home_address", "")) for i in items_of(client)}
        region = next(city for city in cities.values() if city)[:3]
        activate(served, client, f"where: {{ region: [{region}], hold: none }}\n{original}")
        listed = {item["case_ref"] for item in items_of(client)}
        outside = sorted(set(truth) - listed)
        single = client.get(f"/v1/cases/{outside[0]}")

    assert listed == {
        ref
        for ref, city in cities.items()
        if city.startswith(region) and not truth[ref].get("hold_flags")
    }
    assert single.status_code == 404


def test_a_days_quota_of_cases_is_exact_under_parallel_pulls(
    served: Installation, original: str
) -> None:
    with psycopg.connect(served.database().owner_url, autocommit=True) as connection:
        connection.execute("DELETE FROM casegate.pull_use")
    limited = original.replace("quotas: {", "quotas: { pull_cases_per_day: 12,")
    with served.vendor("alpha") as client:
        activate(served, client, limited)
        with psycopg.connect(served.database().owner_url, autocommit=True) as connection:
            connection.execute("DELETE FROM casegate.pull_use")
        ref = items_ref(served)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _n: client.get(f"/v1/cases/{ref}"), range(30)))
        page = client.get("/v1/cases", params={"limit": 5})

    assert sorted(answer.status_code for answer in answers) == [200] * 12 + [429] * 18
    assert page.status_code == 429
    assert page.json()["code"] == "RATE_LIMIT"


def items_ref(served: Installation) -> str:
    return str(next(case["case_ref"] for case in served.truth() if case["vendor_id"] == "alpha"))


def test_an_explanation_names_rule_and_line_and_shows_no_whole_value(
    served: Installation, original: str
) -> None:
    case = next(case for case in served.truth() if case["vendor_id"] == "alpha")
    number = original.splitlines().index("    full_name: partial name") + 1

    for stage in Stage:
        done = served.run(
            *("policy", "explain", "--vendor", "alpha", "--case", case["case_ref"], "--json"),
            *("--stage", stage.value, "--role", "compliance"),
        )
        assert done.returncode == 0, done.stderr
        fields = {each["field"]: each for each in orjson.loads(done.stdout)["fields"]}
        for secret in ("full_name", "id_number", "mobile_phone", "home_address"):
            assert str(case[secret]) not in done.stdout
        assert fields["id_number"]["result"] is None
        assert fields["id_number"]["line"] is None
        if stage is Stage.BULK:
            assert fields["full_name"]["line"] == f"alpha.yaml, line {number}"
            assert fields["full_name"]["rule"] == "partial name"


def test_a_replay_says_how_many_cases_would_show_more_or_less(
    served: Installation, original: str
) -> None:
    with served.vendor("alpha") as client:
        items_of(client)
    changed = original.replace("    full_name: partial name\n", "", 1)
    changed = changed.replace("    strategy_code: clear\n", "    project_id: drop\n", 1)
    write(served, changed)

    found = orjson.loads(served.run("policy", "simulate", "--vendor", "alpha", "--json").stdout)

    lost = {each["field"]: each for each in found["effects"] if each["stage"] == "bulk"}
    assert found["releases"] > 0
    assert found["unknown_profiles"] == 0
    assert lost["full_name"]["cases"] == CASES
    assert lost["full_name"]["after"] == lost["strategy_code"]["after"] == "drop"


def test_a_replay_asks_open_cases_for_their_region_and_holds(
    served: Installation, original: str
) -> None:
    truth = {case["case_ref"]: case for case in served.truth() if case["vendor_id"] == "alpha"}
    with served.vendor("alpha") as client:
        cities = {str(i["case_ref"]): str(i.get("home_address", "")) for i in items_of(client)}
    region = next(city for city in cities.values() if city)[:3]
    write(served, f"where: {{ region: [{region}], hold: none }}\n{original}")

    found = orjson.loads(served.run("policy", "simulate", "--vendor", "alpha", "--json").stdout)

    covered = {
        ref
        for ref, city in cities.items()
        if city.startswith(region) and not truth[ref].get("hold_flags")
    }
    assert found["uncovered"] == CASES - len(covered)
    assert found["unknown_cases"] == 0
    lost = {each["field"]: each["cases"] for each in found["effects"] if each["after"] == "drop"}
    assert lost["case_ref"] == found["uncovered"]


def test_the_company_api_explains_compares_and_replays(
    served: Installation, original: str
) -> None:
    case = next(case for case in served.truth() if case["vendor_id"] == "alpha")
    with served.vendor("alpha") as vendor:
        items_of(vendor)
    narrower = original.replace("    full_name: partial name\n", "", 1)
    write(served, narrower)
    desk = served.office().scopes()
    loaded = desk.file_of("alpha")
    desk.propose(loaded, actor="staff:carol")
    in_force = desk.in_force_of("alpha").policy.digest
    asked = {"vendor": "alpha", "case": case["case_ref"]}
    sides = {"old": in_force, "new": loaded.policy.digest}
    with served.staff("compliance") as client, served.staff("operator") as outsider:
        explained = client.get("/company/v1/policies/explanation", params=asked)
        compared = client.get("/company/v1/policies/difference", params=sides)
        replayed = client.get(
            "/company/v1/policies/simulation", params={"policy": loaded.policy.digest}
        )
        nothing = client.get(
            "/company/v1/policies/difference", params={"old": "none", "new": "none"}
        )
        unknown = client.get("/company/v1/policies/simulation", params={"policy": "0" * 64})
        refused = [
            outsider.get(f"/company/v1/policies/{name}", params=params).status_code
            for name, params in (
                ("explanation", asked),
                ("difference", sides),
                ("simulation", {"policy": loaded.policy.digest}),
            )
        ]

    fields = {each["field"]: each for each in explained.json()["fields"]}
    assert fields["full_name"]["rule"] == "partial name"
    assert "notes" in explained.json()
    assert str(case["full_name"]) not in explained.text
    assert {"what": "bulk full_name", "before": "partial name", "after": "drop"}.items() <= (
        compared.json()["items"][0].items()
    )
    assert any(effect["field"] == "full_name" for effect in replayed.json()["effects"])
    assert (nothing.status_code, unknown.status_code) == (422, 404)
    assert refused == [403, 403, 403]


def test_the_command_that_approves_takes_the_role_of_the_certificate(
    served: Installation, original: str
) -> None:
    write(served, original.replace("    as_of: clear\n", "", 1))
    printed = served.run("policy", "propose", "--vendor", "alpha", "--json").stdout
    proposal = orjson.loads(printed)["proposal"]

    def approve(role: str) -> tuple[int, str]:
        folder = served.directory / "staff" / role
        own = ("--cert", f"{folder}/client.pem", "--key", f"{folder}/client.key")
        done = served.run("policy", "approve", proposal, *own, "--ca", f"{folder}/ca.pem")
        return done.returncode, done.stdout + done.stderr

    assert approve("security")[0] == 1
    assert "ROLE_NOT_ALLOWED" in approve("auditor")[1]
    assert "is approved" in approve("compliance")[1]
