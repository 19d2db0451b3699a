import copy
import io
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.traceback import Traceback

from keys.envelope import open_sealed, seal
from keys.errors import KeyFileError, KeyManagementError
from keys.kek import LocalKeyEncryptionKey, read_secret_key
from keys.secret import Secret, read_private_file, write_private_file
from keys.token_key import TokenKey
from keys.tokens import load_signing_key

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


def test_a_closed_secret_is_zeros_and_gives_nothing_any_more() -> None:
    with Secret(VALUE) as secret:
        kept = secret._value
        assert secret.reveal() == VALUE
    secret.close()

    assert kept is not None
    assert not any(kept)
    assert len(secret) == 0
    with pytest.raises(KeyFileError, match="overwritten"):
        secret.reveal()


def test_a_secret_that_nobody_holds_any_more_is_overwritten() -> None:
    secret = Secret(VALUE)
    kept = secret._value
    del secret

    assert kept is not None
    assert not any(kept)


def test_no_format_shows_the_value() -> None:
    secret = Secret(VALUE)

    assert {f"{secret!s}", f"{secret:>5}", f"{secret!r}"} == {"Secret(…)"}


def _shown_with_locals(error: BaseException) -> str:
    """What a handler that prints every frame's locals would log; but for the test's own frame."""
    assert error.__traceback__ is not None
    page = io.StringIO()
    trace = Traceback.from_exception(
        type(error), error, error.__traceback__.tb_next, show_locals=True, locals_max_string=1000
    )
    Console(file=page, width=300).print(trace)
    return page.getvalue()


MATERIAL = bytes(range(0x40, 0x60))
WRONG: dict[str, Callable[[Path], object]] = {
    "not base64": lambda path: read_secret_key(f"file:{path}", path.parent, {}),
    "no Ed25519 key": lambda path: load_signing_key(read_private_file(path)),
    "no token key": lambda path: TokenKey.load(read_private_file(path)),
    "no wrapping key": lambda path: LocalKeyEncryptionKey(read_private_file(path)),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_key_that_is_refused_stands_in_no_traceback_even_with_locals(
    case: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.key"
    write_private_file(path, MATERIAL + b"!")

    with pytest.raises(KeyFileError) as caught:
        WRONG[case](path)
    page = _shown_with_locals(caught.value)
    assert "KeyFileError" in page
    assert "locals" in page
    assert "ABCDEFGH" not in page


def test_a_case_that_does_not_open_shows_no_key_even_with_locals() -> None:
    kek = LocalKeyEncryptionKey(Secret(MATERIAL))
    sealed = seal(b"value", kek, context=b"case-1")
    data_key = kek.unwrap(sealed.wrapped_key)

    with pytest.raises(KeyManagementError) as caught:
        open_sealed(sealed.ciphertext, sealed.wrapped_key, kek, context=b"case-2")
    page = _shown_with_locals(caught.value)
    assert "EnvelopeError" in page
    assert repr(data_key)[2:20] not in page
    assert "ABCDEFGH" not in page
