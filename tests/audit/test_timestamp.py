"""Times by a real authority: asked for over HTTP, kept beside the log, and checked."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from audit.cli import application
from audit.directory import DirectoryReport, verify_directory
from audit.errors import (
    TamperedError,
    TimestampError,
    TimestampMismatchError,
    TimestampUnavailableError,
    UnverifiableError,
)
from audit.tile_source import DirectorySource
from audit.timestamp import TimestampVerifier, own_note
from audit.timestamp_authority import TimestampClient, TokenVerifier
from audit.timestamp_folder import TimestampFolder
from tests.audit.http_server import Request, answering
from tests.audit.log_directory import (
    entries_of,
    new_signer,
    new_witness,
    policy_of,
    policy_text,
    signed,
    write_log,
)
from tests.audit.tsa_server import TimeAuthority

LOG = new_signer()
ENTRIES = entries_of(600)

_: type[TimestampVerifier] = TokenVerifier


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def verifier(authority: TimeAuthority) -> TokenVerifier:
    return TokenVerifier(authority.root.read_bytes())


@pytest.fixture(scope="module")
def client(authority: TimeAuthority, verifier: TokenVerifier) -> Iterator[TimestampClient]:
    with authority.serving() as url:
        yield TimestampClient(url, verifier)


@pytest.fixture(scope="module")
def token(client: TimestampClient) -> bytes:
    return client.stamp(b"text")


@pytest.fixture
def log(tmp_path: Path, client: TimestampClient) -> Path:
    """A log of 600 entries with tokens at 200 and 600."""
    for size in (200, 600):
        write_log(tmp_path / "log", LOG, ENTRIES[:size])
        note = signed(LOG, ENTRIES[:size])
        TimestampFolder(tmp_path / "log").keep(size, note, client.stamp(note.encode()))
    return tmp_path / "log"


def verify(log: Path, verifier: TokenVerifier) -> DirectoryReport:
    return verify_directory(DirectorySource(log), policy_of(LOG), timestamps=verifier)


def test_a_token_tells_when_at_the_latest_a_text_was_there(
    client: TimestampClient, verifier: TokenVerifier
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    at = verifier.verify(client.stamp(b"text"), b"text")

    # The authority says that it may be wrong by two seconds, which are added.
    assert before + timedelta(seconds=2) <= at <= datetime.now(UTC) + timedelta(seconds=2)


def test_a_token_over_another_text_is_told_from_no_token(
    token: bytes, verifier: TokenVerifier
) -> None:
    with pytest.raises(TimestampMismatchError):
        verifier.verify(token, b"other")
    for junk in (b"", b"junk", token[:-1], token[:50]):
        with pytest.raises(TimestampError) as found:
            verifier.verify(junk, b"text")
        assert not isinstance(found.value, TimestampMismatchError)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_of_a_token_makes_it_speak_of_something_else(
    token: bytes, verifier: TokenVerifier, data: st.DataObject
) -> None:
    at = verifier.verify(token, b"text")
    altered = bytearray(token)
    altered[data.draw(st.integers(0, len(token) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    try:
        found = verifier.verify(bytes(altered), b"text")
    except TimestampError:
        return
    # What no signature covers (a name that nobody reads, say) may change, but not the time.
    assert found == at


def test_a_token_of_another_authority_is_none(token: bytes, tmp_path: Path) -> None:
    other = TimeAuthority(tmp_path / "other")

    with pytest.raises(TimestampError, match="not a token of the authority"):
        TokenVerifier(other.root.read_bytes()).verify(token, b"text")


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_certificates_that_are_none_are_refused(pem: bytes) -> None:
    with pytest.raises(TimestampError):
        TokenVerifier(pem)


def test_certificates_without_a_root_are_refused(authority: TimeAuthority) -> None:
    with pytest.raises(TimestampError, match="no root"):
        TokenVerifier((authority.root.parent / "leaf.pem").read_bytes())


def test_an_authority_that_refuses_fails_or_lies_is_no_answer(
    authority: TimeAuthority, verifier: TokenVerifier, token: bytes, tmp_path: Path
) -> None:
    picky = TimeAuthority(tmp_path / "picky", digests="sha512")
    other = TimeAuthority(tmp_path / "other")
    answers = {
        "refuses the digest": lambda request: request.answer(200, picky.reply(request.content)),
        "is another": lambda request: request.answer(200, other.reply(request.content)),
        "repeats an old token": lambda request: request.answer(200, token),
        "fails": lambda request: request.answer(500),
        "redirects": lambda request: request.answer(307, Location="/"),
        "says nothing": lambda request: request.answer(200),
        "says too much": lambda request: request.answer(200, b"x" * 70_000),
    }
    for respond in answers.values():
        with (
            answering(respond) as url,
            pytest.raises(TimestampUnavailableError),
        ):
            TimestampClient(url, verifier, timeout_seconds=5).stamp(b"text")

    def repeats(request: Request) -> None:
        request.answer(200, authority.reply(request.content))

    with answering(repeats) as url:
        assert TimestampClient(url, verifier).stamp(b"text")


def test_the_bytes_under_a_token_are_the_checkpoint_without_cosignatures() -> None:
    bare = signed(LOG, ENTRIES)

    assert own_note(signed(LOG, ENTRIES, new_witness(), new_witness("other.example/w2"))) == bare
    assert own_note(bare) == bare


def test_every_token_is_held_to_the_log_and_gives_a_bound(
    log: Path, verifier: TokenVerifier
) -> None:
    report = verify(log, verifier)

    assert [bound.size for bound in report.times] == [200, 600]
    assert verify_directory(DirectorySource(log), policy_of(LOG)).times == ()


class Growing:
    """A log that gets an entry, and a token over it, as soon as its checkpoint was read."""

    def __init__(self, before: Path, after: Path) -> None:
        self._source, self._after = DirectorySource(before), after

    def read(self, path: str, limit: int) -> bytes | None:
        data = self._source.read(path, limit)
        if path == "checkpoint":
            self._source = DirectorySource(self._after)
        return data


def test_a_token_that_comes_while_a_log_is_verified_is_no_proof_of_a_cut(
    log: Path, tmp_path: Path, client: TimestampClient, verifier: TokenVerifier
) -> None:
    before = shutil.copytree(log, tmp_path / "before")
    entries = entries_of(601)
    note = write_log(log, LOG, entries)
    TimestampFolder(log).keep(601, note, client.stamp(note.encode()))

    report = verify_directory(Growing(before, log), policy_of(LOG), timestamps=verifier)

    assert [bound.size for bound in report.times] == [200, 600]


def test_a_token_put_under_another_checkpoint_is_found(log: Path, verifier: TokenVerifier) -> None:
    (log / "timestamps/600.tsr").write_bytes((log / "timestamps/200.tsr").read_bytes())

    with pytest.raises(TamperedError, match=r"600\.tsr was given for another checkpoint"):
        verify(log, verifier)


def test_a_log_rewritten_and_signed_anew_contradicts_its_tokens(
    log: Path, tmp_path: Path, verifier: TokenVerifier
) -> None:
    forged = [*ENTRIES[:100], b"rewritten", *ENTRIES[101:]]
    write_log(tmp_path / "forged", LOG, forged)
    for folder in ("timestamps", "checkpoints"):
        (log / folder).rename(tmp_path / "forged" / folder)

    with pytest.raises(TamperedError, match=r"timestamps/200\.tsr"):
        verify(tmp_path / "forged", verifier)

    # With the key he can sign the old sizes anew as well; the authority has not seen those.
    for size in (200, 600):
        note = signed(LOG, forged[:size])
        (tmp_path / f"forged/checkpoints/{size}").write_bytes(note.encode())
    with pytest.raises(TamperedError, match="another checkpoint"):
        verify(tmp_path / "forged", verifier)


def test_a_log_cut_below_a_token_is_found(
    log: Path, tmp_path: Path, verifier: TokenVerifier
) -> None:
    write_log(tmp_path / "cut", LOG, ENTRIES[:400])
    for folder in ("timestamps", "checkpoints"):
        (log / folder).rename(tmp_path / "cut" / folder)

    with pytest.raises(TamperedError, match="the log ends here"):
        verify(tmp_path / "cut", verifier)


@pytest.mark.parametrize("path", ["timestamps/200.tsr", "checkpoints/200"])
def test_a_file_that_the_index_names_must_be_there(
    log: Path, verifier: TokenVerifier, path: str
) -> None:
    (log / path).unlink()

    with pytest.raises(UnverifiableError, match=f"missing: {path}"):
        verify(log, verifier)


@pytest.mark.parametrize("index", [b"x\n", b"200", b"0\n", b"\xff\n", b"200\n\n600\n"])
def test_an_index_that_is_none_proves_nothing(
    log: Path, verifier: TokenVerifier, index: bytes
) -> None:
    (log / "timestamps/index").write_bytes(index)

    with pytest.raises(UnverifiableError, match="timestamps/index"):
        verify(log, verifier)


def test_a_token_of_someone_else_proves_nothing(
    log: Path, verifier: TokenVerifier, tmp_path: Path
) -> None:
    (log / "timestamps/200.tsr").write_bytes(b"junk")

    with pytest.raises(UnverifiableError, match=r"200\.tsr"):
        verify(log, verifier)

    # A change is worse news than a doubt, whichever is met first.
    (log / "timestamps/600.tsr").write_bytes(b"junk")
    (log / "timestamps/200.tsr").write_bytes(b"junk")
    with pytest.raises(UnverifiableError):
        verify(log, TokenVerifier(TimeAuthority(tmp_path / "o").root.read_bytes()))


def test_a_token_over_a_note_that_the_log_did_not_sign_proves_nothing(
    log: Path, client: TimestampClient, verifier: TokenVerifier
) -> None:
    note = signed(new_signer(), ENTRIES[:200])
    TimestampFolder(log).keep(200, note, client.stamp(note.encode()))
    with pytest.raises(UnverifiableError, match=r"200\.tsr"):
        verify(log, verifier)

    note = signed(LOG, ENTRIES[:300])
    TimestampFolder(log).keep(200, note, client.stamp(note.encode()))
    with pytest.raises(UnverifiableError, match="given for 300 entries"):
        verify(log, verifier)


def test_the_command_tells_the_bound_and_a_changed_token(
    log: Path, authority: TimeAuthority, tmp_path: Path
) -> None:
    (tmp_path / "policy").write_text(policy_text(LOG))
    arguments = ["verify", str(log), "--policy", str(tmp_path / "policy")]

    unchecked = CliRunner().invoke(application, arguments)
    checked = CliRunner().invoke(application, [*arguments, "--tsa-cert", str(authority.root)])
    (log / "timestamps/600.tsr").write_bytes((log / "timestamps/200.tsr").read_bytes())
    changed = CliRunner().invoke(application, [*arguments, "--tsa-cert", str(authority.root)])
    nowhere = CliRunner().invoke(application, [*arguments, "--tsa-cert", str(tmp_path / "no")])

    assert (unchecked.exit_code, checked.exit_code) == (0, 0)
    assert "timestamped not checked" in unchecked.output
    assert "timestamped the first 600 entries existed by 20" in checked.output
    assert "(2 tokens)" in checked.output
    assert changed.exit_code == 1
    assert nowhere.exit_code == 2


def test_the_index_names_what_is_there_whatever_was_written_last(tmp_path: Path) -> None:
    folder = TimestampFolder(tmp_path)
    folder.keep(300, "note\n", b"token")
    (tmp_path / "timestamps/200.tsr").write_bytes(b"a crash came before the index")

    folder.keep(1_000, "note\n", b"token")

    assert (tmp_path / "timestamps/index").read_text() == "200\n300\n1000\n"
    assert folder.sizes() == {200, 300, 1_000}
