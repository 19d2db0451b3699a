from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.installation import log_signer, write_report_key
from gateway.key_office import KeyOffice
from gateway.offboarding.signature import new_report_key
from gateway.operations.rotation import KeyPurpose
from keys.errors import KeyFileError, KeyManagementError
from keys.profiles import Profile
from keys.secret import write_private_file
from tests.gateway.store.lender import ACTOR, START, Lender

DAY = timedelta(days=1)


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    lender = Lender.fresh(postgres_url, tmp_path)
    settings = lender.database.settings
    settings.resolve(settings.audit.vkey).write_text(log_signer(settings).verifier_key + "\n")
    server = lender.authority.issue(
        Profile.GATEWAY_SERVER,
        common_name="localhost",
        not_before=START,
        not_after=START + 90 * DAY,
        dns_names=["localhost"],
    )
    settings.resolve(settings.tls.server_certificate).write_bytes(server.certificate_pem)
    settings.resolve(settings.tls.staff_ca).write_bytes(lender.authority.certificate_pem)
    return lender


def _status(lender: Lender, *, after: timedelta = timedelta(0)) -> dict[str, dict[str, Any]]:
    lender.clock.at = START + after
    standings = KeyOffice(lender.database, lender.clock).status()
    return {
        f"{standing.purpose} {standing.use}": standing.document(lender.clock.now())
        for standing in standings
    }


def test_every_key_and_the_next_certificates_are_shown(lender: Lender) -> None:
    KeyOffice(lender.database, lender.clock).note_ages()
    status = _status(lender)

    assert set(status) == {
        "token-signing active",
        "log-signing active",
        "kek active",
        "pseudonym active",
        "index active",
        "server active",
        "staff-authority active",
        "vendor:alpha active",
        "vendor:beta active",
    }
    assert {content["state"] for content in status.values()} == {"ok"}
    assert len({content["key"] for content in status.values()}) == 9
    assert status["pseudonym active"]["due_at"] is None


@pytest.mark.parametrize(
    ("name", "due_after"),
    [
        ("token-signing active", 90),
        ("log-signing active", 365),
        ("kek active", 365),
        ("server active", 60),
        ("vendor:alpha active", 60),
    ],
)
def test_a_key_is_due_two_weeks_before_it_is_overdue(
    lender: Lender, name: str, due_after: int
) -> None:
    KeyOffice(lender.database, lender.clock).note_ages()
    moments = [(due_after - 14) * DAY - timedelta(seconds=1), (due_after - 14) * DAY]
    moments += [due_after * DAY - timedelta(seconds=1), due_after * DAY]
    # The contract would end before a year is over, and with it what vendors have to renew.
    states = [_status(lender, after=moment)[name]["state"] for moment in moments]

    assert states == ["ok", "due", "due", "overdue"]


def test_the_age_counts_from_the_first_start_and_begins_anew_with_a_rotation(
    lender: Lender,
) -> None:
    office = KeyOffice(lender.database, lender.clock)
    office.note_ages()
    lender.clock.at = START + 10 * DAY
    office.note_ages()
    rotation = office.rotate(KeyPurpose.KEK, actor=ACTOR)
    status = _status(lender, after=12 * DAY)

    assert status["token-signing active"]["age_days"] == 12
    assert (status["kek active"]["age_days"], status["kek active"]["key"]) == (2, rotation.key_id)
    assert status["kek retiring"]["key"] == rotation.previous_id
    assert status["kek retiring"]["due_at"] is None


def test_an_announced_key_is_shown_until_the_rotation_ends(lender: Lender) -> None:
    (lender.database.settings.directory / "secrets" / "kek.next.key").write_bytes(b"x")

    assert "kek announced" in _status(lender)


KEY_FILES = {
    "keys.kek": "secrets/kek.key",
    "keys.pseudonym": "secrets/pseudonym.key",
    "keys.index": "secrets/index.key",
    "keys.token_signing": "secrets/token-signing.pem",
}


@pytest.mark.parametrize("mode", [0o640, 0o604])
@pytest.mark.parametrize("setting", KEY_FILES)
def test_a_key_file_that_others_can_read_is_refused(
    lender: Lender, setting: str, mode: int
) -> None:
    path = lender.database.settings.directory / KEY_FILES[setting]
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        _status(lender)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_log_key_that_others_can_read_is_refused(lender: Lender, mode: int) -> None:
    settings = lender.database.settings
    settings.resolve(settings.keys.log_signing).chmod(mode)

    with pytest.raises(KeyManagementError, match="chmod 600"):
        log_signer(settings)


def test_the_key_of_reports_is_shown_by_its_public_half_where_there_is_one(
    lender: Lender,
) -> None:
    settings = lender.database.settings
    private = settings.resolve(settings.offboarding.report_signing)
    write_private_file(private, new_report_key())
    write_report_key(settings)
    private.unlink()  # it may lie elsewhere: status needs it not
    KeyOffice(lender.database, lender.clock).note_ages()

    shown = _status(lender, after=400 * DAY)["report-signing active"]

    assert (shown["age_days"], shown["state"]) == (400, "ok")
    assert len(shown["key"]) == 16
