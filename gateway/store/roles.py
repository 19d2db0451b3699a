"""The database roles: one for each process, so that a bug in one cannot do another's work."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.errors import ConfigurationError
from keys.errors import KeyFileError
from keys.secret import read_private_file, write_private_file

PURPOSES = ("vendor", "company", "auditor", "publisher")


@dataclass(frozen=True, slots=True)
class DatabaseRoles:
    """Role names of one database. Roles live in the whole cluster, hence the prefix."""

    vendor: str
    company: str
    auditor: str
    publisher: str

    @classmethod
    def of(cls, database: str) -> "DatabaseRoles":
        """The role names that belong to a database of this name."""
        return cls(*(f"{database}_{purpose}" for purpose in PURPOSES))

    def name(self, purpose: str) -> str:
        """The role of a purpose: vendor, company, auditor or publisher."""
        return str(getattr(self, purpose))


def read_passwords(path: Path) -> dict[str, str]:
    """Reads the roles' passwords.

    Raises:
        ConfigurationError: the file is missing, readable by others, or malformed.
    """
    try:
        content = orjson.loads(read_private_file(path).reveal())
    except (KeyFileError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(
            f"the database passwords in {path} cannot be read; run: casegate db migrate"
        ) from error
    if not isinstance(content, dict) or set(content) != set(PURPOSES):
        raise ConfigurationError(f"{path} must name a password for each of: {', '.join(PURPOSES)}")
    return {purpose: str(password) for purpose, password in content.items()}


def ensure_passwords(path: Path) -> dict[str, str]:
    """Reads the roles' passwords, making them at the first call."""
    if not path.exists():
        fresh = {purpose: secrets.token_urlsafe(24) for purpose in PURPOSES}
        write_private_file(path, orjson.dumps(fresh))
    return read_passwords(path)
