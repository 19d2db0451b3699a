"""The database roles: one for each process, so that a bug in one cannot do another's work."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.errors import ConfigurationError
from keys.errors import KeyFileError
from keys.secret import read_private_file, write_private_file

PURPOSES = ("vendor", "company", "auditor", "publisher", "enrolment")


@dataclass(frozen=True, slots=True)
class DatabaseRoles:
    """Role names of one database. Roles live in the whole cluster, hence the prefix."""

    vendor: str
    company: str
    auditor: str
    publisher: str
    enrolment: str

    @classmethod
    def of(cls, prefix: str) -> "DatabaseRoles":
        """The role names with a prefix: as a rule the database's name."""
        return cls(*(f"{prefix}_{purpose}" for purpose in PURPOSES))

    def name(self, purpose: str) -> str:
        """The role of a purpose: one of PURPOSES."""
        return str(getattr(self, purpose))


def read_passwords(path: Path) -> dict[str, str]:
    """Reads the roles' passwords.

    Raises:
        ConfigurationError: the file is missing, readable by others, or malformed.
    """
    passwords = _read(path)
    if set(passwords) != set(PURPOSES):
        raise ConfigurationError(
            f"{path} must name a password for each of: {', '.join(PURPOSES)};"
            " run: casegate db migrate"
        )
    return passwords


def ensure_passwords(path: Path) -> dict[str, str]:
    """Reads the roles' passwords, making what is missing: all at first, later those of new roles.

    Raises:
        ConfigurationError: the file is readable by others, or malformed.
    """
    known = _read(path) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(24) for name in PURPOSES if name not in known}
    if missing:
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        write_private_file(fresh, orjson.dumps({**known, **missing}))
        fresh.replace(path)
    return read_passwords(path)


def _read(path: Path) -> dict[str, str]:
    try:
        content = orjson.loads(read_private_file(path).reveal())
    except (KeyFileError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(
            f"the database passwords in {path} cannot be read; run: casegate db migrate"
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a file of passwords")
    return {str(name): str(password) for name, password in content.items()}
