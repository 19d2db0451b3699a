import copy
import pickle
import traceback
from pathlib import Path

import pytest

from keys.errors import KeyFileError
from keys.secret import Secret, read_private_file, write_private_file

VALUE = b"do not print me"


def test_no_way_of_printing_shows_the_value() -> None:
    secret = Secret(VALUE)
    trace = "".join(traceback.format_exception(ValueError(secret)))
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]!r}", trace]

    assert not any("do not print" in text for text in shown)
    assert secret.reveal() == VALUE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(VALUE), protocol)


def test_a_secret_is_not_copied() -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(VALUE))


def test_a_secret_has_no_dictionary_to_dump() -> None:
    assert not hasattr(Secret(VALUE), "__dict__")


def test_a_written_key_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.key"
    write_private_file(path, VALUE)

    assert path.stat().st_mode & 0o777 == 0o600
    assert read_private_file(path).reveal() == VALUE


def test_an_existing_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.key"
    write_private_file(path, VALUE)

    with pytest.raises(KeyFileError, match="File exists"):
        write_private_file(path, b"other")
    assert read_private_file(path).reveal() == VALUE


def test_a_planted_link_is_not_followed_when_writing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "x.key").symlink_to(target)

    with pytest.raises(KeyFileError):
        write_private_file(tmp_path / "x.key", VALUE)
    assert not target.exists()


@pytest.mark.parametrize("size", [0, 64 * 1024 + 1])
def test_an_empty_or_huge_file_is_no_key_file(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.key"
    write_private_file(path, bytes(size))

    with pytest.raises(KeyFileError, match="not a key file"):
        read_private_file(path)


def test_a_directory_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_private_file(tmp_path)
