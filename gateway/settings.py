"""One frozen settings object, read from casegate.toml; every path in it starts at that file."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from gateway.clock import Clock, SystemClock, TrialClock
from gateway.errors import ConfigurationError
from gateway.sections import (
    AnalysisSettings,
    AuditSettings,
    AuthoritySettings,
    DatabaseSettings,
    EnrolmentSettings,
    IntakeSettings,
    KeySettings,
    ListenerSettings,
    OffboardingSettings,
    ProxySettings,
    RecordingSettings,
    RotationSettings,
    Section,
    TLSSettings,
    TrialSettings,
)

_MAX_CONFIG_BYTES = 256 * 1024
_REFERENCE = r"^(env|file):.+$"
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(Section):
    """A whole installation."""

    issuer: str = Field(description="The authorization server's issuer URL (RFC 8414).")
    vendor: ListenerSettings
    company: ListenerSettings
    enrolment: EnrolmentSettings | None = Field(
        None, description="Without it nobody enrols here; needs `authority`."
    )
    tls: TLSSettings
    proxy: ProxySettings = ProxySettings()
    database: DatabaseSettings = DatabaseSettings()
    keys: KeySettings = KeySettings()
    rotation: RotationSettings = RotationSettings()
    audit: AuditSettings = AuditSettings()
    offboarding: OffboardingSettings = OffboardingSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    intake: IntakeSettings = IntakeSettings()
    recordings: RecordingSettings = RecordingSettings()
    authority: AuthoritySettings | None = Field(
        None, description="The issuing authority; without it no certificate is issued here."
    )
    policies: Path | None = Field(
        None, description="Directory of vendor policies; without it the packaged ones."
    )
    trial: TrialSettings | None = Field(None, description="Never for work with real cases.")
    trust_stale_seconds: float = Field(
        5.0, gt=0, le=5, description="Revocations unheard for longer: everybody is refused."
    )
    directory: Path = Field(exclude=True, description="The directory of casegate.toml.")

    @model_validator(mode="after")
    def _work_in_real_time(self) -> Self:
        if self.trial is not None and self.database.url is not None:
            raise ValueError("trial is for the embedded database only; remove the section")
        return self

    def listeners(self) -> list[tuple[str, ListenerSettings]]:
        """Kind and address of each listener."""
        found: list[tuple[str, ListenerSettings]] = [
            ("vendor", self.vendor),
            ("company", self.company),
        ]
        return found if self.enrolment is None else [*found, ("enrolment", self.enrolment)]

    def make_clock(self) -> Clock:
        """The machine's clocks, or a trial's."""
        trial = self.trial
        if trial is None:
            return SystemClock()
        return TrialClock(trial.clock, trial.since, trial.rate)

    def resolve(self, path: Path) -> Path:
        """A path of this file, absolute."""
        return path if path.is_absolute() else self.directory / path


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Reads casegate.toml.

    Raises:
        ConfigurationError: unreadable, not TOML, an unknown or missing key, a value out of
            bounds; the message names the key.
    """
    environment = os.environ if environment is None else environment
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); "
            "make an installation with: casegate sandbox DIR"
        ) from error
    if len(raw) > _MAX_CONFIG_BYTES:
        raise ConfigurationError(f"{path} is not a configuration: over {_MAX_CONFIG_BYTES} bytes")
    try:
        content = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    url = environment.get("CASEGATE_DATABASE_URL")
    if url:
        content.setdefault("database", {})["url"] = url
    try:
        return Settings.model_validate({**content, "directory": path.resolve().parent})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: {key}: {first['msg']}") from error
