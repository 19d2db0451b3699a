"""The views over a running installation: commands, routes, and what refusals say of the caller."""

import orjson
import pytest

from tests.installation import Installation
from tests.promises.processes import wait_until

# Minutes with everything served: left to `make test-long`.
pytestmark = pytest.mark.long

VIEWS = ("denials", "changes", "readers", "timeline?vendor=alpha", "entries?code=NOT_FOUND")


def _items(gateway: Installation, *arguments: str) -> list[dict[str, object]]:
    done = gateway.run("audit", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    items: list[dict[str, object]] = orjson.loads(done.stdout)["items"]
    return items


def test_a_start_is_in_the_log_with_settings_policies_and_keys(gateway: Installation) -> None:
    kinds = ["--kind", "configuration", "--kind", "policy", "--kind", "key", "--limit", "500"]

    found = _items(gateway, "changes", *kinds)

    entries = [item["entry"] for item in found]
    assert all(isinstance(entry, dict) for entry in entries)
    types = [entry["type"] for entry in entries if isinstance(entry, dict)]
    assert types.count("configuration.loaded") == 1
    assert types.count("policy.loaded") >= 2
    assert types.count("key.loaded") == 4


def test_a_disclosure_names_the_fields_that_left(gateway: Installation) -> None:
    truth = next(line for line in gateway.truth() if line["vendor_id"] == "alpha")
    with gateway.vendor("alpha") as client:
        client.get(f"/v1/cases/{truth['case_ref']}").raise_for_status()

    done = gateway.run("audit", "disclosures", "--debtor", truth["id_number"])

    assert done.returncode == 0, done.stderr
    assert "alpha" in done.stdout
    assert "full_name (partial" in done.stdout
    assert truth["id_number"] not in done.stdout + done.stderr


def test_the_same_report_is_had_over_the_api_with_the_identifier_in_the_body(
    gateway: Installation,
) -> None:
    truth = next(line for line in gateway.truth() if line["vendor_id"] == "alpha")
    with gateway.vendor("alpha") as client:
        client.get(f"/v1/cases/{truth['case_ref']}").raise_for_status()
    with gateway.staff("auditor") as client:
        answer = client.post(
            "/company/v1/log/disclosures", json={"identifier": truth["mobile_phone"]}
        )
        refused = client.post("/company/v1/log/disclosures", json={})

    assert answer.status_code == 200
    assert answer.json()["items"][0]["release"]["vendor"] == "alpha"
    assert truth["mobile_phone"] not in answer.text
    assert refused.status_code == 422


@pytest.mark.parametrize("view", VIEWS)
def test_auditors_open_each_view_and_operators_none(gateway: Installation, view: str) -> None:
    with gateway.staff("auditor") as client:
        allowed = client.get(f"/company/v1/log/{view}")
    with gateway.staff("operator") as client:
        refused = client.get(f"/company/v1/log/{view}")

    assert allowed.status_code == 200, allowed.text
    assert refused.status_code == 403


def test_a_time_without_an_offset_is_refused(gateway: Installation) -> None:
    with gateway.staff("auditor") as client:
        for view in ("timeline?vendor=alpha&", "denials?"):
            answer = client.get(f"/company/v1/log/{view}since=2026-01-31T08:00:00")
            assert answer.status_code == 422


def test_every_command_prints_for_people_too(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        assert client.get("/v1/cases/NOSUCHCASE").status_code == 404

    def has_timeline() -> bool:
        return "releases" in gateway.run("audit", "timeline", "--vendor", "alpha").stdout

    assert wait_until(has_timeline, seconds=10)
    denials = gateway.run("audit", "denials", "--vendor", "alpha", "--code", "NOT_FOUND")
    assert "foreign, recalled, or unknown" in denials.stdout
    assert "policy.loaded" in gateway.run("audit", "changes", "--kind", "policy").stdout
    assert "view=denials" in gateway.run("audit", "readers").stdout
    reindexed = gateway.run("audit", "reindex")
    assert "entries/s" in reindexed.stdout


def test_a_refused_certificate_is_logged_with_the_vendor_that_it_belongs_to(
    own_installation: Installation,
) -> None:
    with own_installation.serving(workers=1):
        done = own_installation.run("vendor", "revoke", "alpha")
        assert done.returncode == 0, done.stderr
        with own_installation.vendor("alpha", token="x") as client:
            answer = client.get("/v1/cases")

        found = _items(own_installation, "denials", "--vendor", "alpha")

    assert answer.status_code == 401
    assert set(answer.json()) == {"type", "title", "status", "code", "request_id"}
    entry = found[0]["entry"]
    assert isinstance(entry, dict)
    assert (entry["code"], entry["contract"]) == ("CRED_REVOKED", "alpha-2026")
    assert "revoked" in str(found[0]["explanation"])
