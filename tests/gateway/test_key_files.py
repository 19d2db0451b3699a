"""No key is read from a file that others can read, whichever setting names it; none is shipped."""

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.errors import ConfigurationError, GatewayError
from gateway.installation import log_signer, read_key, report_signer, token_keys
from gateway.intake.recordings_place import _read
from gateway.serving.parties import _read_reference
from gateway.serving.tls import server_context
from gateway.settings import Settings
from gateway.store.roles import read_passwords
from keys.errors import KeyFileError, KeyManagementError
from keys.issuing_key import load_issuing_key, read_passphrase
from keys.kek import new_secret_key
from keys.secret import Secret, write_private_file

ROOT = Path(__file__).parents[2]
Reader = Callable[[Settings, Path], object]


def _reference(settings: Settings, path: Path) -> object:
    return read_passphrase(f"file:{path}", settings.directory)


def _archive(settings: Settings, path: Path) -> object:
    return _read_reference(settings, f"file:{path}", {})


def _bucket(settings: Settings, path: Path) -> object:
    return _read(settings, f"file:{path}", {})


# Each setting that names a secret, the file that it names by itself, and who reads it.
READERS: dict[str, tuple[str, Reader]] = {
    "keys.kek": ("secrets/kek.key", lambda s, _p: read_key(s, s.keys.kek)),
    "keys.pseudonym": ("secrets/pseudonym.key", lambda s, _p: read_key(s, s.keys.pseudonym)),
    "keys.index": ("secrets/index.key", lambda s, _p: read_key(s, s.keys.index)),
    "keys.token_signing": ("secrets/token-signing.pem", lambda s, _p: token_keys(s)),
    "keys.log_signing": ("secrets/log-signing.pem", lambda s, _p: log_signer(s)),
    "offboarding.report_signing": ("", lambda s, _p: report_signer(s)(b"report")),
    "tls.server_key": ("server.key", lambda s, _p: server_context(s, Path("ca.pem"))),
    "database.passwords": (
        "secrets/database.json",
        lambda s, _p: read_passwords(s.resolve(s.database.passwords)),
    ),
    "authority.issuing_key": ("x.key", lambda _s, p: load_issuing_key(p, Secret(b"x" * 20))),
    "authority.passphrase": ("x.key", _reference),
    "authority.pkcs11.pin": ("x.key", _reference),
    "audit.archive.access_key": ("x.key", _archive),
    "audit.archive.secret_key": ("x.key", _archive),
    "recordings.bucket.access_key": ("x.key", _bucket),
    "recordings.bucket.secret_key": ("x.key", _bucket),
}
_SECRET = re.compile(r"(kek|pseudonym|index|signing|passphrase|pin|passwords|_key)$")
# Public halves and labels.
_PUBLIC = {"audit.vkey", "offboarding.report_key"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "issuer": "https://gateway.example",
            "vendor": {"port": 8443},
            "company": {"port": 8444},
            "tls": {
                "server_certificate": "server.pem",
                "server_key": "server.key",
                "vendor_ca": "vendor-ca.pem",
                "staff_ca": "staff-ca.pem",
            },
            "directory": tmp_path,
        }
    )


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        sections = [
            kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        for section in sections:
            yield from _names(section, f"{prefix}{name}.")
        if not sections:
            yield prefix + name


def test_no_setting_that_names_a_secret_is_missing_below() -> None:
    secret = {name for name in _names(Settings) if _SECRET.search(name)} - _PUBLIC

    assert secret == set(READERS)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_others_can_touch_is_refused(settings: Settings, name: str, mode: int) -> None:
    place, read = READERS[name]
    file = settings.resolve(Path(place or settings.offboarding.report_signing))
    write_private_file(file, new_secret_key())
    file.chmod(mode)

    with pytest.raises((KeyManagementError, GatewayError)) as caught:
        read(settings, file)
    told = f"{caught.value} {caught.value.__cause__}"
    assert "can be read by others" in told
    assert isinstance(caught.value, KeyFileError | ConfigurationError)


PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]")
SHIPPED = ("gateway", "policies", "keys", "audit", "tests", "deploy")
LEFT_BEHIND = b"-----BEGIN %b-----\nTUFERSBVUA==\n" % b"PRIVATE KEY"


def test_no_private_key_is_in_the_tree() -> None:
    found = [
        str(path.relative_to(ROOT))
        for room in SHIPPED
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and PEM.search(path.read_bytes())
    ]

    assert PEM.search(LEFT_BEHIND)
    assert found == []


def test_a_source_distribution_leaves_keys_out_even_when_one_lies_in_the_tree(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    for name in (*SHIPPED, "pyproject.toml", "README.md"):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "data", "bench", "eval")
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree / name)
    for name in ("keys/ca.pem", "deploy/token.key", "tests/keys/a.p12", "gateway/kek.next.key"):
        (tree / name).write_bytes(LEFT_BEHIND)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", "made"],
        cwd=tree,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (made,) = (tree / "made").glob("*.tar.gz")
    with tarfile.open(made) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        keys = [
            member.name
            for member in files
            if (content := archive.extractfile(member)) and PEM.search(content.read())
        ]

    assert len(files) > 200
    assert keys == []
