"""The sections of casegate.toml, each frozen and closed to what it does not know."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

_MAX_CONFIG_BYTES = 256 * 1024
_REFERENCE = r"^(env|file):.+$"
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ListenerSettings(Section):
    """Where a listener accepts."""

    host: str = Field("127.0.0.1", description="Address to bind.")
    port: Port = Field(description="TCP port.")
    workers: int = Field(2, ge=1, le=64, description="Worker processes.")


class EnrolmentSettings(ListenerSettings):
    """The listener for vendors without a certificate yet: EST by code, CRL and OCSP."""

    workers: int = Field(1, ge=1, le=8, description="Worker processes; each opens the key.")
    per_minute: int = Field(
        30, ge=1, le=6000, description="Enrolment requests from one address; ten times for CRL."
    )
    overall_per_minute: int = Field(
        600, ge=1, le=60_000, description="The same from all addresses together."
    )
    entries_per_minute: int = Field(
        20, ge=1, le=600, description="Refusals of one address that get an entry of their own."
    )


class ProxySettings(Section):
    """A proxy that ends the vendors' TLS and forwards their certificates in a header."""

    mode: Literal["off", "unix", "pinned"] = Field(
        "off",
        description="From where such a header is taken: nowhere, a UNIX socket, or a TLS "
        "connection with one of the pinned certificates.",
    )
    header: Literal["client-cert", "xfcc"] = Field(
        "client-cert", description="RFC 9440, or Envoy's X-Forwarded-Client-Cert."
    )
    socket: Path = Field(
        Path("run/proxy.sock"), description="Of mode unix; made with mode 660 at each start."
    )
    group: str | None = Field(
        None, description="The socket's group: the proxy's. Without it, that of the service."
    )
    hop_ca: Path | None = Field(
        None, description="Of mode pinned: PEM of the authority of the proxy's own certificate."
    )
    thumbprints: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = Field(
        (), description="Of mode pinned: SHA-256 of the proxies' own certificates, in hex."
    )
    max_chain: int = Field(
        2, ge=0, le=4, description="Issuing certificates that may come with a client's."
    )

    @model_validator(mode="after")
    def _have_pins(self) -> Self:
        if self.mode == "pinned" and (self.hop_ca is None or not self.thumbprints):
            raise ValueError("mode pinned needs hop_ca and thumbprints")
        return self


class TLSSettings(Section):
    """Certificates, PEM files."""

    server_certificate: Path = Field(description="The gateway's certificate, with its chain.")
    server_key: Path = Field(description="Its private key, mode 600.")
    vendor_ca: Path = Field(description="Authorities whose vendor certificates are accepted.")
    staff_ca: Path = Field(description="Authorities whose staff certificates are accepted.")


class DatabaseSettings(Section):
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
    roles: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,47}$",
        description="What the database roles' names begin with, where it is not the database's "
        "name: a restored copy under another name keeps the roles that it was made with.",
    )


class KeySettings(Section):
    """References to keys: `file:PATH` or `env:NAME`; signing keys are PEM files."""

    kek: str = Field("file:secrets/kek.key", description="Wraps the random key of each case.")
    pseudonym: str = Field(
        "file:secrets/pseudonym.key", description="Master of the vendors' pseudonym keys."
    )
    pseudonym_algorithm: Literal["hmac-sha256", "hmac-sm3"] = Field(
        "hmac-sha256",
        description="Hash of pseudonyms; SM3 where commercial cryptography is reviewed.",
    )
    index: str = Field(
        "file:secrets/index.key", description="Recognises a case or person seen before."
    )
    token_signing: Path = Field(
        Path("secrets/token-signing.pem"), description="Ed25519 or P-256, PKCS#8."
    )
    token_algorithm: Literal["EdDSA", "ES256"] = Field(
        "EdDSA", description="For which algorithm the next token key is made."
    )
    log_signing: Path = Field(
        Path("secrets/log-signing.pem"), description="Ed25519; read by the publisher alone."
    )


class RotationSettings(Section):
    """When keys are due, for `casegate keys status`; nothing rotates by itself."""

    token_signing_days: int = Field(90, ge=1, description="How long a token key signs.")
    log_signing_days: int = Field(365, ge=1, description="How long a log key signs.")
    kek_days: int = Field(365, ge=1, description="How long a key-encryption key wraps.")
    certificate_days: int = Field(
        30, ge=1, description="So long before its end an authority or the server is due."
    )


class WitnessSettings(Section):
    """A witness of the log (C2SP tlog-witness), run elsewhere by somebody else."""

    url: str = Field(description="Its submission prefix, http or https.")
    vkey: str = Field(description="Its verifier key, got by another way than from it.")


class ArchiveSettings(Section):
    """A bucket of an S3-compatible store that keeps a second copy of the exported log."""

    bucket: str = Field(min_length=1, description="The bucket's name.")
    endpoint: str | None = Field(
        None, description="URL of the service; without it the provider's own of the region."
    )
    region: str = Field("us-east-1", description="As the service names it.")
    prefix: str = Field(
        "", pattern=r"^([^/\s]+(/[^/\s]+)*)?$", description="What all objects' names begin with."
    )
    mode: Literal["COMPLIANCE", "GOVERNANCE", "NONE"] = Field(
        "COMPLIANCE", description="Object Lock of each object; NONE for a store without."
    )
    retention_days: int = Field(
        ge=1, le=36_500, description="How long each object is locked; cannot be shortened."
    )
    every_seconds: float = Field(
        60.0, gt=0, le=86_400, description="How often the archive is brought up to date."
    )
    access_key: str | None = Field(
        None, pattern=_REFERENCE, description="`env:NAME` or `file:PATH` of the access key's id."
    )
    secret_key: str | None = Field(
        None,
        pattern=_REFERENCE,
        description="The same of its secret; without both, what the environment offers.",
    )


class TimestampSettings(Section):
    """A time-stamping authority (RFC 3161) that says when a checkpoint existed."""

    url: str = Field(description="Where it takes requests, http or https.")
    certificate: Path = Field(description="PEM of its root, and of intermediates if any.")
    every_seconds: float = Field(
        600.0, gt=0, le=86_400, description="How often the newest checkpoint gets a token."
    )


class AuditSettings(Section):
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
    archive: ArchiveSettings | None = Field(
        None, description="An object store that follows the exported log."
    )
    timestamps: TimestampSettings | None = Field(
        None, description="An authority that time-stamps the exported log's checkpoints."
    )
    heartbeat_seconds: float = Field(
        60.0, ge=1, le=3600, description="Without an entry for so long, the log gets one."
    )
    alarm_after_seconds: float = Field(
        900.0,
        gt=0,
        description="A witness, the archive or the authority unheard for longer gets an entry.",
    )
    deadline_seconds: float = Field(
        2.0, gt=0, le=30, description="An entry not durable by then refuses its request (503)."
    )

    @model_validator(mode="after")
    def _follow_an_export(self) -> Self:
        if self.export is None and (self.archive is not None or self.timestamps is not None):
            raise ValueError("archive and timestamps follow the exported log: set audit.export")
        return self


class DeviceKeySettings(Section):
    """An issuing key in a PKCS#11 token."""

    module: Path = Field(description="The device's library.")
    token: str = Field(min_length=1, description="Label of the token.")
    key: str = Field(min_length=1, description="Label of the issuing key pair.")
    pin: str = Field(pattern=_REFERENCE, description="`env:NAME` or `file:PATH` of the PIN.")
    retiring: tuple[str, ...] = Field((), description="Labels of the keys of earlier issuers.")


class AuthoritySettings(Section):
    """The issuing authority of vendors' certificates, made by `casegate ca init`."""

    certificate: Path = Field(Path("ca/issuing.pem"), description="Its certificate.")
    issuing_key: Path | None = Field(None, description="Its key, encrypted PKCS#8.")
    passphrase: str | None = Field(
        None, pattern=_REFERENCE, description="`env:NAME` or `file:PATH` of that key's passphrase."
    )
    pkcs11: DeviceKeySettings | None = Field(None, description="Or a device that holds the key.")
    trust_host: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        description="The host in the names of certificates; the authority may name no other.",
    )
    public_url: str = Field(
        pattern=r"^https?://[^\s?#]*[^\s?#/]$",
        description="Where vendors reach CRL and OCSP; stands in every certificate.",
    )

    @model_validator(mode="after")
    def _have_one_key(self) -> Self:
        if (self.issuing_key is None) == (self.pkcs11 is None):
            raise ValueError("the issuing key is in a file or in a device: set one of the two")
        if self.issuing_key is not None and self.passphrase is None:
            raise ValueError("the issuing key rests under a passphrase: set passphrase")
        return self


class AnalysisSettings(Section):
    """The worker that looks through notes when they arrive."""

    notes: Literal["released", "all", "none"] = Field(
        "released",
        description="Whose notes are opened: those of vendors that a policy in force gives "
        "redacted notes to, everybody's, or nobody's.",
    )
    models: Literal["all", "own", "rules"] = Field(
        "all", description="What looks for names: LAC and our own tagger, the tagger, or rules."
    )


class OffboardingSettings(Section):
    """What follows the end of a contract."""

    directory: Path = Field(
        Path("var/offboarding"), description="Takes the inventories of what vendors still hold."
    )
    report_signing: Path = Field(
        Path("secrets/report-signing.pem"), description="Ed25519, PKCS#8; signs reports."
    )
    report_key: Path = Field(Path("report.pem"), description="Its public key, PEM.")
    certificate_days: int = Field(
        10, ge=1, le=60, description="Working days for the destruction certificate."
    )
    closing_days: int = Field(
        60, ge=1, le=365, description="Days after those for which a closing credential works."
    )


class RecordingBucketSettings(Section):
    """A bucket of an S3-compatible service for sealed recordings."""

    bucket: str = Field(min_length=1, description="The bucket's name.")
    endpoint: str | None = Field(
        None, description="URL of the service; without it the provider's own of the region."
    )
    region: str = Field("us-east-1", description="As the service names it.")
    prefix: str = Field(
        "", pattern=r"^([^/\s]+(/[^/\s]+)*)?$", description="What all objects' names begin with."
    )
    access_key: str | None = Field(
        None, pattern=_REFERENCE, description="`env:NAME` or `file:PATH` of the access key's id."
    )
    secret_key: str | None = Field(
        None,
        pattern=_REFERENCE,
        description="The same of its secret; without both, what the environment offers.",
    )


class RecordingSettings(Section):
    """Recordings of calls that vendors upload."""

    directory: Path = Field(
        Path("var/recordings"),
        description="Takes uploads while they grow and, without a bucket, what is kept; "
        "one directory for all hosts.",
    )
    bucket: RecordingBucketSettings | None = Field(
        None, description="A bucket that keeps them instead of the directory."
    )
    max_bytes: int = Field(1024**3, ge=1024, description="Size of one recording (1 GiB).")
    open_uploads: int = Field(20, ge=1, le=1000, description="Unfinished uploads of a vendor.")
    bytes_per_day: int = Field(
        100 * 1024**3, ge=1024, description="What a vendor may announce a day (100 GiB)."
    )
    upload_hours: int = Field(24, ge=1, le=240, description="Time to finish an upload.")


class IntakeSettings(Section):
    """Batches of call records."""

    workers: int = Field(
        2, ge=1, le=16, description="Processes of a host that do large batches beside each other."
    )
    answer_days: int = Field(
        90, ge=1, le=3650, description="Days for which it is known what became of each row."
    )


class TrialSettings(Section):
    """A wall clock that is not the machine's: for trials, on the embedded database only."""

    clock: AwareDatetime = Field(description="The trial's time at the moment `since`.")
    since: AwareDatetime = Field(description="The machine's time at which it stood there.")
    rate: float = Field(1.0, gt=0, le=3600, description="Trial seconds a real second.")
