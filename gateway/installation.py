"""What an installation is made of: its keys, policies and signers, as the settings name them."""

import os
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.checkpoint import Checkpoint
from audit.durable import replace_file
from audit.note import Ed25519Signer, SignedNote
from audit.tile_source import CHECKPOINT, DirectorySource, read_note
from gateway.clock import Clock
from gateway.errors import ConfigurationError, NotFoundError
from gateway.masking.pseudonyms import PseudonymAlgorithm
from gateway.offboarding.ending import Terms
from gateway.offboarding.procedure import ListPublisher, Means
from gateway.offboarding.signature import sign_detached
from gateway.operations.issuers import due_crl, newest_crl, publish_crl
from gateway.operations.issuing import load_authorities
from gateway.oversight.configuration import key_id_of
from gateway.release.profiles import ReleaseProfiles
from gateway.settings import Settings
from keys.errors import KeyManagementError
from keys.kek import KeyEncryptionKey, KeyRing, LocalKeyEncryptionKey, read_secret_key
from keys.key_slot import KeySlot, Stamp
from keys.secret import Secret, read_private_file
from keys.token_key import TokenKey
from keys.tokens import TokenAuthority, load_signing_key
from policies.fields import load_field_catalog
from policies.load import load_bundle, packaged_directory
from policies.model import PolicyBundle


def policies_directory(settings: Settings) -> Traversable:
    """Where the files of policies are: the installation's own directory, or the packaged ones."""
    if settings.policies is None:
        return packaged_directory()
    return settings.resolve(settings.policies)


def load_policies(settings: Settings) -> PolicyBundle:
    """The policies as the files say them now; what releases go by are those that are in force.

    Raises:
        PolicyError: a file is wrong; the message names file, line and the way out.
    """
    return load_bundle(policies_directory(settings))


def read_key(settings: Settings, reference: str) -> Secret:
    """A 32-byte key that settings name.

    Raises:
        KeyFileError: it is missing, malformed or readable by others.
    """
    return read_secret_key(reference, settings.directory, os.environ)


def release_profiles(settings: Settings) -> ReleaseProfiles:
    """Decisions and projections of an installation, without any policy until `use` is called."""
    return ReleaseProfiles(
        PolicyBundle(()),
        load_field_catalog(),
        read_key(settings, settings.keys.pseudonym),
        PseudonymAlgorithm(settings.keys.pseudonym_algorithm),
    )


def token_slot(settings: Settings) -> KeySlot:
    """The files of the keys of access tokens."""
    return KeySlot(settings.resolve(settings.keys.token_signing))


def token_keys(settings: Settings) -> list[TokenKey]:
    """The keys of access tokens, the one that signs first.

    Raises:
        KeyFileError: a key is missing, malformed or readable by others.
    """
    return [TokenKey.load(read_private_file(path)) for path in token_slot(settings).known()]


def token_authority(settings: Settings) -> TokenAuthority:
    """Mints and verifies this installation's access tokens."""
    signing, *others = token_keys(settings)
    issuer = settings.issuer
    return TokenAuthority(signing, issuer=issuer, audience=issuer, others=others)


def kek_slot(settings: Settings) -> KeySlot | None:
    """The files of the key-encryption keys; None when the key comes from the environment."""
    kind, _, name = settings.keys.kek.partition(":")
    return KeySlot(settings.resolve(Path(name))) if kind == "file" else None


def kek_keys(settings: Settings) -> list[LocalKeyEncryptionKey]:
    """The key-encryption keys, the one that wraps first.

    Raises:
        KeyFileError: a key is missing, malformed or readable by others.
    """
    slot = kek_slot(settings)
    references = [settings.keys.kek]
    if slot is not None:
        references += [f"file:{path}" for path in slot.known()[1:]]
    return [LocalKeyEncryptionKey(read_key(settings, name)) for name in references]


class LiveKeys:
    """The keys of a running worker that may rotate under it: `tokens` and `kek`."""

    def __init__(self, settings: Settings) -> None:
        """Reads them.

        Raises:
            KeyFileError: a key is missing, malformed or readable by others.
        """
        self._settings = settings
        self._slots = [slot for slot in (token_slot(settings), kek_slot(settings)) if slot]
        self._stamps = self._look()
        self.tokens = token_authority(settings)
        self.kek = KeyRing(kek_keys(settings))

    def refresh(self) -> None:
        """Reads them again if a file has changed; else it costs a look at two directories.

        Raises:
            KeyFileError: a key is malformed or readable by others; the keys in use stay.
        """
        stamps = self._look()
        while stamps != self._stamps:
            signing, *others = token_keys(self._settings)
            wrapping = kek_keys(self._settings)
            after = self._look()
            if after == stamps:  # else a key moved while the files were read
                self.tokens.use(signing, others)
                self.kek.use(wrapping)
                self._stamps = stamps
            stamps = after

    def _look(self) -> list[Stamp]:
        return [slot.stamp() for slot in self._slots]


def log_slot(settings: Settings) -> KeySlot:
    """The files of the log's signing keys; the publisher alone reads them."""
    return KeySlot(settings.resolve(settings.keys.log_signing))


def log_signers(settings: Settings) -> list[Ed25519Signer]:
    """All keys that sign the log now, the present one first; more than one while they overlap.

    Raises:
        KeyFileError: a key is missing, malformed or readable by others.
    """
    return [read_log_signer(settings, path) for path in log_slot(settings).known()]


def read_log_signer(settings: Settings, path: Path) -> Ed25519Signer:
    """One of the log's signing keys.

    Raises:
        KeyFileError: it is missing, malformed or readable by others.
    """
    return Ed25519Signer(settings.audit.origin, load_signing_key(read_private_file(path)))


def log_signer(settings: Settings) -> Ed25519Signer:
    """The log's signing key; only the publisher and the verifier's set-up ask for it."""
    return log_signers(settings)[0]


def log_vkeys(settings: Settings) -> tuple[str, ...]:
    """The log's verifier keys, one a line: the present one, then those that signed before it.

    Raises:
        ConfigurationError: the file is missing or empty.
    """
    path = settings.resolve(settings.audit.vkey)
    try:
        vkeys = tuple(path.read_text().split())
    except OSError as error:
        raise ConfigurationError(f"the log's verifier key {path} cannot be read") from error
    if not vkeys:
        raise ConfigurationError(f"{path} holds no verifier key")
    return vkeys


def log_vkey(settings: Settings) -> str:
    """The log's present verifier key.

    Raises:
        ConfigurationError: the file is missing or empty.
    """
    return log_vkeys(settings)[0]


def publish_vkeys(settings: Settings) -> None:
    """Brings the file of verifier keys up to date; a former key stays, for what it signed.

    Raises:
        KeyFileError: a signing key cannot be read.
        ConfigurationError: the file cannot be read.
    """
    present = [signer.verifier_key for signer in log_signers(settings)]
    former = [vkey for vkey in log_vkeys(settings) if vkey not in present]
    text = "".join(f"{vkey}\n" for vkey in (*present, *former))
    replace_file(settings.resolve(settings.audit.vkey), text.encode())


def published_size(settings: Settings) -> int:
    """Entries under the checkpoint of the exported log: a database with fewer has lost some.

    Raises:
        AuditError: the checkpoint is there, but cannot be read or is none.
    """
    if settings.audit.export is None:
        return 0
    directory = settings.resolve(settings.audit.export)
    if not (directory / CHECKPOINT).exists():
        return 0
    note = SignedNote.from_text(read_note(DirectorySource(directory)))
    return Checkpoint.from_body(note.body).size


def loaded_keys(
    settings: Settings, kek: KeyEncryptionKey, tokens: TokenAuthority
) -> dict[str, str]:
    """The public ids of the keys that a vendor worker runs with, by their names in the settings.

    Raises:
        KeyFileError: a key is missing, malformed or readable by others.
    """
    return {
        "kek": kek.kek_id,
        "pseudonym": key_id_of(read_key(settings, settings.keys.pseudonym)),
        "index": key_id_of(read_key(settings, settings.keys.index)),
        "token_signing": tokens.key_id,
    }


def report_signer(settings: Settings) -> Callable[[bytes], str]:
    """Signs reports of contracts' ends; the key is read each time that it signs.

    What it returns raises KeyFileError: the key is missing, malformed or readable by others.
    """

    def sign(content: bytes) -> str:
        path = settings.resolve(settings.offboarding.report_signing)
        return sign_detached(load_signing_key(read_private_file(path)), content)

    return sign


def write_report_key(settings: Settings) -> None:
    """Writes the public key of reports, from the private one, to where it is handed out."""
    path = settings.resolve(settings.offboarding.report_signing)
    public = load_signing_key(read_private_file(path)).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    replace_file(settings.resolve(settings.offboarding.report_key), pem)


def offboarding_means(settings: Settings, clock: Clock) -> Means:
    """What the steps of a contract's end need of this installation."""
    own = settings.offboarding
    return Means(
        directory=settings.resolve(own.directory),
        publish_lists=_list_publisher(settings, clock),
        sign=report_signer(settings),
        origin=settings.audit.origin,
        clock=clock,
        terms=Terms(own.certificate_days, own.closing_days),
    )


def _list_publisher(settings: Settings, clock: Clock) -> ListPublisher:
    """Brings revocation lists up to date where the issuer's key is at hand.

    Where it is not, the listener that has it does so within its own round; the gateway itself
    refuses the certificates without any list.
    """

    def publish(connection: psycopg.Connection) -> list[dict[str, Any]]:
        if settings.authority is None:
            return []
        told = []
        try:
            for authority in load_authorities(settings):
                issuer, now = authority.issuer_id, clock.now()
                if due_crl(connection, issuer, now):
                    publish_crl(connection, authority, now)
                crl = newest_crl(connection, issuer)
                told.append({"issuer": issuer.hex(), "number": crl and crl.number})
        except (ConfigurationError, NotFoundError, KeyManagementError, OSError):
            return [*told, {"issuer": None, "number": None}]
        return told

    return publish
