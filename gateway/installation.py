"""What an installation is made of: its keys, policies and signers, as the settings name them."""

import os

from audit.checkpoint import Checkpoint
from audit.note import Ed25519Signer, SignedNote
from audit.tile_source import CHECKPOINT, DirectorySource, read_note
from gateway.errors import ConfigurationError
from gateway.oversight.configuration import key_id_of
from gateway.release.profiles import ReleaseProfiles
from gateway.settings import Settings
from keys.kek import KeyEncryptionKey, read_secret_key
from keys.secret import Secret, read_private_file
from keys.tokens import TokenAuthority, load_signing_key
from policies.fields import load_field_catalog
from policies.load import load_bundle, load_packaged_bundle
from policies.model import PolicyBundle


def load_policies(settings: Settings) -> PolicyBundle:
    """The policies of an installation: its own directory, or the packaged ones.

    Raises:
        PolicyError: a file is wrong; the message names file, line and the way out.
    """
    if settings.policies is None:
        return load_packaged_bundle()
    return load_bundle(settings.resolve(settings.policies))


def read_key(settings: Settings, reference: str) -> Secret:
    """A 32-byte key that settings name.

    Raises:
        KeyFileError: it is missing, malformed or readable by others.
    """
    return read_secret_key(reference, settings.directory, os.environ)


def release_profiles(settings: Settings) -> ReleaseProfiles:
    """Decisions and projections of an installation's policies."""
    return ReleaseProfiles(
        load_policies(settings),
        load_field_catalog(),
        read_key(settings, settings.keys.pseudonym),
    )


def token_authority(settings: Settings) -> TokenAuthority:
    """Mints and verifies this installation's access tokens."""
    key = load_signing_key(read_private_file(settings.resolve(settings.keys.token_signing)))
    return TokenAuthority(key, issuer=settings.issuer, audience=settings.issuer)


def log_signer(settings: Settings) -> Ed25519Signer:
    """The log's signing key; only the publisher and the verifier's set-up ask for it."""
    key = load_signing_key(read_private_file(settings.resolve(settings.keys.log_signing)))
    return Ed25519Signer(settings.audit.origin, key)


def log_vkey(settings: Settings) -> str:
    """The log's verifier key.

    Raises:
        ConfigurationError: the file is missing.
    """
    path = settings.resolve(settings.audit.vkey)
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"the log's verifier key {path} cannot be read") from error


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
        "token_signing": str(tokens.jwk["kid"]),
    }
