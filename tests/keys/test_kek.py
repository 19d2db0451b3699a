import base64
from pathlib import Path

import pytest

from keys.errors import EnvelopeError, KeyFileError
from keys.kek import KeyRing, LocalKeyEncryptionKey, new_secret_key, read_secret_key
from keys.secret import Secret, write_private_file

MATERIAL = bytes(range(32))
TEXT = base64.b64encode(MATERIAL)


def test_a_key_is_read_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    write_private_file(tmp_path / "secrets" / "kek.key", TEXT + b"\n")

    assert read_secret_key("file:secrets/kek.key", tmp_path, {}).reveal() == MATERIAL


def test_an_absolute_path_does_not_start_at_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "kek.key"
    write_private_file(path, TEXT)

    assert read_secret_key(f"file:{path}", Path("/nowhere"), {}).reveal() == MATERIAL


def test_a_key_is_read_from_the_environment(tmp_path: Path) -> None:
    environment = {"LENDER_KEK": TEXT.decode()}

    assert read_secret_key("env:LENDER_KEK", tmp_path, environment).reveal() == MATERIAL


@pytest.mark.parametrize("reference", ["", "file:", "env:", "secrets/kek.key", "vault:kek", ":x"])
def test_a_malformed_reference_is_refused_with_the_way_to_write_one(
    reference: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyFileError, match="file:PATH or env:NAME"):
        read_secret_key(reference, tmp_path, {})


@pytest.mark.parametrize("environment", [{}, {"KEK": ""}])
def test_an_unset_or_empty_variable_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="variable KEK holds no key"):
        read_secret_key("env:KEK", tmp_path, environment)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not base64!", "not base64"),
        ("QUJ", "not base64"),
        (base64.b64encode(MATERIAL[:31]).decode(), "31 bytes, not 32"),
        (base64.b64encode(MATERIAL + b"\x00").decode(), "33 bytes, not 32"),
    ],
)
def test_what_is_not_32_bytes_of_base64_is_refused_without_being_shown(
    text: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyFileError, match=why) as caught:
        read_secret_key("env:KEK", tmp_path, {"KEK": text})

    assert text not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"absent\.key cannot be read"):
        read_secret_key("file:absent.key", tmp_path, {})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_that_group_or_world_may_touch_is_refused_with_the_command_to_run(
    mode: int, tmp_path: Path
) -> None:
    path = tmp_path / "kek.key"
    write_private_file(path, TEXT)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        read_secret_key("file:kek.key", tmp_path, {})


def test_fresh_keys_are_32_bytes_and_never_the_same(tmp_path: Path) -> None:
    first, second = new_secret_key(), new_secret_key()

    assert first != second
    assert len(read_secret_key("env:K", tmp_path, {"K": first.decode()}).reveal()) == 32


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_encryption_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyFileError, match=f"this one {length}"):
        LocalKeyEncryptionKey(Secret(bytes(length)))


def test_the_name_of_a_key_tells_two_keys_apart_and_is_stable() -> None:
    names = {LocalKeyEncryptionKey(Secret(MATERIAL)).kek_id for _ in range(2)}
    other = LocalKeyEncryptionKey(Secret(bytes(32))).kek_id

    assert len(names) == 1
    assert other not in names
    assert len(other) == 16
    assert MATERIAL.hex()[:8] not in names.pop()


def _kek(fill: int) -> LocalKeyEncryptionKey:
    return LocalKeyEncryptionKey(Secret(bytes([fill]) * 32))


def test_a_ring_wraps_by_its_first_key_and_unwraps_what_any_of_them_wrapped() -> None:
    first, second, stranger = _kek(1), _kek(2), _kek(3)
    ring = KeyRing([first, second, first])
    old, new = second.wrap(b"k" * 32), ring.wrap(b"n" * 32)

    assert ring.kek_ids == (first.kek_id, second.kek_id)
    assert ring.kek_id == first.kek_id
    assert first.unwrap(new) == b"n" * 32
    assert ring.unwrap(old) == ring.unwrap(old, second.kek_id) == b"k" * 32
    for wrapped, name in (
        (old, first.kek_id),
        (old, stranger.kek_id),
        (stranger.wrap(b"k" * 32), None),
    ):
        with pytest.raises(EnvelopeError):
            ring.unwrap(wrapped, name)


def test_a_ring_goes_on_with_other_keys_and_is_never_empty() -> None:
    first, second = _kek(1), _kek(2)
    ring = KeyRing([first])
    old = ring.wrap(b"k" * 32)
    ring.use([second, first])
    assert ring.kek_id == second.kek_id
    assert ring.unwrap(old) == b"k" * 32
    ring.use([second])

    with pytest.raises(EnvelopeError):
        ring.unwrap(old)
    with pytest.raises(KeyFileError):
        ring.use([])
    assert ring.kek_ids == (second.kek_id,)


def test_a_key_does_not_unwrap_under_another_name() -> None:
    kek = _kek(1)

    assert kek.unwrap(kek.wrap(b"k" * 32), kek.kek_id) == b"k" * 32
    with pytest.raises(EnvelopeError, match="not loaded"):
        kek.unwrap(kek.wrap(b"k" * 32), _kek(2).kek_id)
