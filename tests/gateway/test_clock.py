"""Clocks: a trial's day can begin when it wants to, and never for work with real cases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SystemClock, TrialClock
from gateway.errors import ConfigurationError
from gateway.settings import load_settings

MORNING = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
_TOML = """\
issuer = "https://localhost:1"
vendor = {{ port = 1 }}
company = {{ port = 2 }}
tls = {{ server_certificate = "a", server_key = "b", vendor_ca = "c", staff_ca = "d" }}
{database}
[trial]
clock = 2026-11-24T10:00:00+08:00
since = {since}
rate = 60
"""


def test_a_trial_begins_at_its_own_time_and_passes_as_fast_as_it_says() -> None:
    real = SystemClock().now()
    clock = TrialClock(MORNING, real - timedelta(seconds=10), rate=60)

    first = clock.now()
    passed = first - MORNING
    assert timedelta(minutes=10) <= passed < timedelta(minutes=20)
    assert clock.now() >= first


def test_an_installation_can_have_a_trial_clock_on_the_embedded_database_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CASEGATE_DATABASE_URL", raising=False)
    config = tmp_path / "casegate.toml"
    since = SystemClock().now().isoformat(timespec="seconds")
    config.write_text(_TOML.format(database="", since=since))
    assert abs(load_settings(config).make_clock().now() - MORNING) < timedelta(hours=1)

    named = 'database = { url = "postgresql://localhost/cases" }\n'
    config.write_text(_TOML.format(database=named, since=since))
    with pytest.raises(ConfigurationError, match="embedded database only"):
        load_settings(config)
