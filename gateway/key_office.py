"""The keys' use cases, for the command line: rotate, re-wrap, retire, tell how old they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from audit.note import Ed25519Verifier
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.installation import (
    kek_keys,
    kek_slot,
    log_slot,
    log_vkeys,
    publish_vkeys,
    read_key,
    read_log_signer,
    token_slot,
)
from gateway.operations.key_status import (
    HeldKey,
    KeyStanding,
    KeyUse,
    certificate_standing,
    key_standings,
    record_ages,
    vendor_certificates,
)
from gateway.operations.rewrapping import Progress, Rewrapping, count_wrapped, rewrap_cases
from gateway.operations.rotation import (
    KeyPurpose,
    RotatingKey,
    Rotation,
    note_retirement,
    rotate_key,
    verify_head_signed_by,
    verify_overlap,
)
from gateway.oversight.configuration import key_id_of
from gateway.portfolio.storing import IMPORT_LOCK
from gateway.settings import Settings
from gateway.store.database import Database, connect
from keys.errors import KeyRotationError
from keys.kek import KeyRing, LocalKeyEncryptionKey, new_secret_key, read_secret_key
from keys.key_slot import KeySlot
from keys.secret import read_private_file
from keys.token_key import TokenAlgorithm, TokenKey, new_token_key
from keys.tokens import LIFETIME_SECONDS

# A worker that has not heard may mint with the old key until it is stale.
_TOKEN_OVERLAP = timedelta(seconds=LIFETIME_SECONDS + 10)


@dataclass(frozen=True, slots=True)
class KeyOffice:
    """The keys of one installation, whose files this process may read."""

    database: Database
    clock: Clock

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        return self.database.settings

    def rotate(self, purpose: KeyPurpose, *, actor: str) -> Rotation:
        """Puts a new key into use; see operations.rotation.

        Raises:
            ConfigurationError: the key is not a file.
            KeyFileError, KeyRotationError: see rotate_key.
        """
        key = self._rotating(purpose)
        with self._connection() as connection:
            rotation = rotate_key(connection, key, actor=actor, at=self.clock.now())
        if purpose is KeyPurpose.LOG_SIGNING:
            publish_vkeys(self.settings)
        return rotation

    def rewrap(self, *, actor: str, progress: Progress) -> Rewrapping:
        """Hangs every case on the present key-encryption key; see operations.rewrapping."""
        ring = KeyRing(kek_keys(self.settings))
        with self._connection() as connection:
            return rewrap_cases(
                connection, ring, actor=actor, at=self.clock.now(), progress=progress
            )

    def retire(self, purpose: KeyPurpose, key_id: str, *, actor: str) -> int:
        """Has everybody forget a key that rotated out; returns the log index.

        A key-encryption key's file is kept under another name, since a backup of the database
        may need it; the others are destroyed.

        Raises:
            KeyRotationError: the key is still needed.
            KeyFileError: no such key retires here.
        """
        slot = self._rotating(purpose).slot
        if key_id not in _retiring_ids(slot):
            raise KeyRotationError(f"no {purpose} key {key_id} is retiring; see: keys status")
        with self._connection() as connection:
            if purpose is KeyPurpose.TOKEN_SIGNING:
                now = self.clock.now()
                verify_overlap(connection, purpose, key_id, overlap=_TOKEN_OVERLAP, at=now)
                slot.destroy(key_id)
            elif purpose is KeyPurpose.LOG_SIGNING:
                origin = self.settings.audit.origin
                verify_head_signed_by(connection, log_vkeys(self.settings)[0], origin=origin)
                slot.destroy(key_id)
            else:
                _verify_unused(connection, key_id)
                slot.set_aside(key_id)
            return note_retirement(connection, purpose, key_id, actor=actor, at=self.clock.now())

    def note_ages(self) -> None:
        """Notes since when each key is in use; called when an installation starts."""
        with self._connection() as connection:
            record_ages(connection, self._held(), at=self.clock.now())

    def status(self) -> list[KeyStanding]:
        """Age and next rotation of every key and of the certificates that end next."""
        now = self.clock.now()
        with self._connection() as connection:
            standings = key_standings(connection, self._held(), at=now)
            vendors = vendor_certificates(connection, at=now)
        return [*standings, *self._certificates(), *vendors]

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        connection = connect(self.database.conninfo("company", bounded=False))
        try:
            yield connection
        finally:
            connection.close()

    def _rotating(self, purpose: KeyPurpose) -> RotatingKey:
        settings = self.settings
        if purpose is KeyPurpose.TOKEN_SIGNING:
            algorithm = TokenAlgorithm(settings.keys.token_algorithm)
            return RotatingKey(
                purpose, token_slot(settings), partial(new_token_key, algorithm), _token_id
            )
        if purpose is KeyPurpose.LOG_SIGNING:
            return RotatingKey(
                purpose,
                log_slot(settings),
                partial(new_token_key, TokenAlgorithm.EDDSA),
                lambda path: _vkey_id(read_log_signer(settings, path).verifier_key),
            )
        slot = kek_slot(settings)
        if slot is None:
            raise ConfigurationError(
                "keys.kek comes from the environment; name a file to rotate it by command"
            )
        return RotatingKey(purpose, slot, new_secret_key, lambda path: _kek_id(settings, path))

    def _held(self) -> list[HeldKey]:
        """Public ids of all keys. The log's are told by its verifier keys, not by its key."""
        settings, rotation = self.settings, self.settings.rotation
        token, log, kek = KeyPurpose.TOKEN_SIGNING, KeyPurpose.LOG_SIGNING, KeyPurpose.KEK
        tokens, logs, wrapping = token_slot(settings), log_slot(settings), kek_slot(settings)
        active_kek = LocalKeyEncryptionKey(read_key(settings, settings.keys.kek)).kek_id
        held = [
            HeldKey(token, _token_id(tokens.active), days=rotation.token_signing_days),
            *_others(token, tokens),
            HeldKey(log, _vkey_id(log_vkeys(settings)[0]), days=rotation.log_signing_days),
            *_others(log, logs),
            HeldKey(kek, active_kek, days=rotation.kek_days),
        ]
        if wrapping is not None:
            held += _others(kek, wrapping)
        for name in ("pseudonym", "index"):
            with read_key(settings, getattr(settings.keys, name)) as secret:
                held.append(HeldKey(name, key_id_of(secret)))
        report = settings.resolve(settings.offboarding.report_key)
        if report.exists():  # made by `casegate report init`, where contracts end
            held.append(HeldKey("report-signing", _public_id(report)))
        return held

    def _certificates(self) -> list[KeyStanding]:
        settings, tls = self.settings, self.settings.tls
        files = [("server", tls.server_certificate), ("staff-authority", tls.staff_ca)]
        if settings.authority is not None:
            files.insert(0, ("issuing-authority", settings.authority.certificate))
        notice = timedelta(days=settings.rotation.certificate_days)
        standings = []
        for purpose, file in files:
            certificate = _certificate(settings.resolve(file))
            standings.append(
                certificate_standing(
                    purpose,
                    certificate.fingerprint(SHA256()).hex()[:16],
                    begins=certificate.not_valid_before_utc,
                    due_at=certificate.not_valid_after_utc - notice,
                    at=self.clock.now(),
                )
            )
        return standings


def _verify_unused(connection: psycopg.Connection, kek_id: str) -> None:
    """Keeps imports out for as long as the connection lives, and looks for cases of the key."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (IMPORT_LOCK,)).fetchone()
    assert row is not None
    if not row[0]:
        raise KeyRotationError("an import is running and may use the key; wait for its end")
    cases = count_wrapped(connection, kek_id)
    if cases:
        raise KeyRotationError(f"{cases} cases hang on key {kek_id}; run: casegate keys rewrap")


def _others(purpose: KeyPurpose, slot: KeySlot) -> list[HeldKey]:
    announced = [HeldKey(purpose, "?", KeyUse.ANNOUNCED)] if slot.announced.exists() else []
    return [
        *announced,
        *(HeldKey(purpose, key_id, KeyUse.RETIRING) for key_id in _retiring_ids(slot)),
    ]


def _retiring_ids(slot: KeySlot) -> list[str]:
    return [path.stem.partition(".retiring-")[2] for path in slot.retiring()]


def _token_id(path: Path) -> str:
    with read_private_file(path) as pem:
        return TokenKey.load(pem).key_id


def _kek_id(settings: Settings, path: Path) -> str:
    with read_secret_key(f"file:{path}", settings.directory, {}) as secret:
        return LocalKeyEncryptionKey(secret).kek_id


def _public_id(path: Path) -> str:
    """The first 16 digits of the SHA-256 of a public key in PEM; its private half stays shut."""
    key = load_pem_public_key(path.read_bytes())
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()[:16]


def _vkey_id(vkey: str) -> str:
    return Ed25519Verifier.from_text(vkey).key_id.hex()


def _certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the certificate {path} cannot be read") from error
