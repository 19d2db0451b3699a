"""One frozen settings object, read from casegate.toml; every path in it starts at that file."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import ConfigurationError

_MAX_CONFIG_BYTES = 256 * 1024
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListenerSettings(_Section):
    """Where a listener accepts."""

    host: str = Field("127.0.0.1", description="Address to bind.")
    port: Port = Field(description="TCP port.")
    workers: int = Field(2, ge=1, le=64, description="Worker processes.")


class TLSSettings(_Section):
    """Certificates, PEM files."""

    server_certificate: Path = Field(description="The gateway's certificate, with its chain.")
    server_key: Path = Field(description="Its private key, mode 600.")
    vendor_ca: Path = Field(description="Authorities whose vendor certificates are accepted.")
    staff_ca: Path = Field(description="Authorities whose staff certificates are accepted.")


class DatabaseSettings(_Section):
    """PostgreSQL 15 or later."""

    url: str | None = Field(
        None,
        description="Owner's connection URL; CASEGATE_DATABASE_URL wins; without either the "
        "embedded server is started, which is for trials.",
    )
    embedded_directory: Path = Field(
        Path("var/postgres"), description="Data of the embedded server."
    )
    passwords: Path = Field(
        Path("secrets/database.json"),
        description="Passwords of the listeners' database roles, made by `casegate db migrate`.",
    )


class KeySettings(_Section):
    """References to keys: `file:PATH` or `env:NAME`; signing keys are PEM files."""

    kek: str = Field("file:secrets/kek.key", description="Wraps the random key of each case.")
    pseudonym: str = Field(
        "file:secrets/pseudonym.key", description="Master of the vendors' pseudonym keys."
    )
    index: str = Field(
        "file:secrets/index.key", description="Recognises a case or person seen before."
    )
    token_signing: Path = Field(Path("secrets/token-signing.pem"), description="Ed25519, PKCS#8.")
    log_signing: Path = Field(
        Path("secrets/log-signing.pem"), description="Ed25519; read by the publisher alone."
    )


class WitnessSettings(_Section):
    """A witness of the log (C2SP tlog-witness), run elsewhere by somebody else."""

    url: str = Field(description="Its submission prefix, http or https.")
    vkey: str = Field(description="Its verifier key, got by another way than from it.")


class AuditSettings(_Section):
    """The tamper-evident log."""

    origin: str = Field("casegate.example/log", description="Name of the log in checkpoints.")
    vkey: Path = Field(
        Path("log.vkey"), description="The log's verifier key; keep copies elsewhere too."
    )
    export: Path | None = Field(
        None,
        description="Directory to which the publisher writes the log in its public format; "
        "without it vendors get no proofs of their receipts.",
    )
    witnesses: tuple[WitnessSettings, ...] = Field(
        (), description="Witnesses that cosign each checkpoint of the exported log."
    )
    deadline_seconds: float = Field(
        2.0, gt=0, le=30, description="An entry not durable by then refuses its request (503)."
    )


class Settings(_Section):
    """A whole installation."""

    issuer: str = Field(description="The authorization server's issuer URL (RFC 8414).")
    vendor: ListenerSettings
    company: ListenerSettings
    tls: TLSSettings
    database: DatabaseSettings = DatabaseSettings()
    keys: KeySettings = KeySettings()
    audit: AuditSettings = AuditSettings()
    policies: Path | None = Field(
        None, description="Directory of vendor policies; without it the packaged ones."
    )
    trust_stale_seconds: float = Field(
        5.0, gt=0, le=5, description="Revocations unheard for longer: everybody is refused."
    )
    directory: Path = Field(exclude=True, description="The directory of casegate.toml.")

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
