import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import orjson
import psycopg
import pytest

from gateway import cli
from gateway.portfolio.rejects import rejects_path
from keys.thumbprint import certificate_thumbprint
from tests.gateway.store.lender import HEADER, case_row
from tests.installation import Installation

NOWHERE = "ab" * 32


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        content: dict[str, object] = orjson.loads(self.out)
        return content


Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("commands") / "sandbox", cases=5)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, from its arguments to its exit code."""
    # Named `main` like the function that hides it from a dotted path.
    monkeypatch.setattr(import_module("gateway.cli.main"), "configure_logs", lambda: None)

    def run_command(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["casegate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        captured = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 1, captured.out, captured.err)

    return run_command


def _is_one_sentence(outcome: Outcome) -> bool:
    lines = outcome.err.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith("casegate: ") and "Traceback" not in lines[0]


def _config(installation: Installation) -> tuple[str, Path]:
    return "--config", installation.config


def _changed(installation: Installation, directory: Path, change: Callable[[str], str]) -> Path:
    path = directory / "casegate.toml"
    path.write_text(change(installation.config.read_text()))
    return path


COMMANDS_WITH_CONFIG: list[tuple[str, ...]] = [
    ("cases", "import", "x.csv", "--vendor", "alpha", "--contract", "alpha-2026"),
    ("cases", "recall", "--vendor", "alpha", "--contract", "alpha-2026", "--all"),
    ("vendor", "revoke", "alpha"),
    ("cert", "revoke", NOWHERE),
    ("audit", "verify"),
    ("audit", "search"),
    ("policy", "check"),
    ("db", "migrate"),
    ("serve",),
]


@pytest.mark.parametrize("command", COMMANDS_WITH_CONFIG, ids=" ".join)
def test_a_missing_configuration_is_told_with_how_to_make_one(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    outcome = run(*command, "--config", tmp_path / "absent.toml")

    assert outcome.code == 1
    assert _is_one_sentence(outcome)
    assert "casegate sandbox DIR" in outcome.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text + "\n[[[", "is not TOML"),
        (lambda text: text.replace("issuer", "isuer"), "issuer: Field required"),
        (lambda text: text.replace("[tls]", "[tls]\nextra = 1"), "tls.extra"),
        (lambda text: text.replace("workers = 2", "workers = 0"), "vendor.workers"),
        (lambda _text: "", "issuer"),
        (lambda _text: "#" * 300_000, "is not a configuration"),
    ],
    ids=["not-toml", "misspelt", "unknown", "out-of-bounds", "empty", "huge"],
)
def test_a_wrong_configuration_names_the_key(
    run: Run,
    sandbox: Installation,
    tmp_path: Path,
    change: Callable[[str], str],
    told: str,
) -> None:
    outcome = run("policy", "check", "--config", _changed(sandbox, tmp_path, change))

    assert outcome.code == 1
    assert _is_one_sentence(outcome)
    assert told in outcome.err


@pytest.mark.parametrize("thumbprint", ["zz", "ab", NOWHERE + "00", "", "ab:cd"])
def test_a_malformed_thumbprint_is_wrong_use_with_the_command_that_gives_one(
    run: Run, sandbox: Installation, thumbprint: str
) -> None:
    outcome = run("cert", "revoke", thumbprint, *_config(sandbox))

    assert outcome.code == 2
    assert "openssl x509" in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        ("vendor", "revoke", "nobody"),
        ("cert", "revoke", NOWHERE),
        ("cases", "recall", "--vendor", "alpha", "--contract", "alpha-2026", "--case", "X"),
        ("cases", "import", "{file}", "--vendor", "nobody", "--contract", "alpha-2026"),
        ("cases", "import", "{file}", "--vendor", "alpha", "--contract", "nothing"),
    ],
    ids=["vendor", "certificate", "case", "import-vendor", "import-contract"],
)
def test_what_is_unknown_is_said_in_one_sentence(
    run: Run, sandbox: Installation, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{case_row(1)}\n")

    outcome = run(*(part.format(file=file) for part in command), *_config(sandbox))

    assert outcome.code == 1
    assert _is_one_sentence(outcome)


@pytest.mark.parametrize(
    "command",
    [
        ("cases", "recall", "--vendor", "alpha", "--contract", "alpha-2026"),
        ("cases", "recall", "--vendor", "a", "--contract", "b", "--all", "--case", "X"),
        ("cases", "import", "x.csv"),
        ("vendor", "revoke"),
        ("vendor", "revoke", "alpha", "--reason", "because"),
        ("audit", "search", "--limit", "0"),
        ("audit", "search", "--since", "yesterday"),
        ("openapi", "both"),
        ("sample-portfolio", "0", "x.csv"),
        ("sample-portfolio", "1", "x.csv", "--encoding", "latin-1"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_2_and_no_traceback(run: Run, command: tuple[str, ...]) -> None:
    outcome = run(*command)

    assert outcome.code == 2
    assert "Error" in outcome.err
    assert "Traceback" not in outcome.err


def _import(run: Run, sandbox: Installation, file: Path, *more: str) -> Outcome:
    where = ("--vendor", "alpha", "--contract", "alpha-2026")
    return run("cases", "import", file, *where, *more, *_config(sandbox))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfea\x00", b"[1]", None], ids=repr)
def test_an_unreadable_import_file_is_told_with_a_way_out(
    run: Run, sandbox: Installation, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "cases.csv"
    if content is not None:
        file.write_bytes(content)

    outcome = _import(run, sandbox, file)

    assert outcome.code == 1
    assert _is_one_sentence(outcome)


def test_a_directory_is_no_import_file(run: Run, sandbox: Installation, tmp_path: Path) -> None:
    assert _is_one_sentence(_import(run, sandbox, tmp_path))


def test_an_import_with_rejected_rows_ends_with_1_and_names_the_file_to_mend(
    run: Run, sandbox: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER},CVV\n{case_row(70)},1\n{case_row(71, total_due='x')},2\n")

    told = _import(run, sandbox, file)
    parsed = _import(run, sandbox, file, "--json")

    assert told.code == parsed.code == 1
    assert "2 rows: 1 assigned, 0 changed, 0 unchanged, 1 rejected" in told.out
    assert "ALARM: column 'CVV'" in told.err
    assert str(rejects_path(file)) in told.err.replace("\n", "")
    assert parsed.json()["unchanged"] == 1
    assert "13800000071" not in told.out + told.err + parsed.out


def test_a_clean_import_ends_with_0(run: Run, sandbox: Installation, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{case_row(80)}\n")

    outcome = _import(run, sandbox, file, "--json")

    assert (outcome.code, outcome.json()["assigned"]) == (0, 1)


def test_a_rejects_file_that_cannot_be_written_is_one_sentence(
    run: Run, sandbox: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}\n{case_row(90, total_due='x')}\n")
    rejects_path(file).mkdir()

    outcome = _import(run, sandbox, file)

    assert outcome.code == 1
    assert _is_one_sentence(outcome)


@pytest.mark.parametrize(
    "command",
    [
        ("audit", "search", "--json"),
        ("audit", "verify", "--json"),
        ("policy", "check", "--json"),
        ("db", "migrate", "--json"),
        ("cases", "recall", "--vendor", "beta", "--contract", "beta-2026", "--all", "--json"),
    ],
    ids=" ".join,
)
def test_json_is_one_document_on_stdout(
    run: Run, sandbox: Installation, command: tuple[str, ...]
) -> None:
    outcome = run(*command, *_config(sandbox))

    assert outcome.code == 0
    assert outcome.json()


@pytest.mark.parametrize("api", ["vendor", "company"])
def test_openapi_is_printed_without_an_installation(run: Run, api: str) -> None:
    outcome = run("openapi", api)

    assert outcome.code == 0
    assert str(outcome.json()["openapi"]).startswith("3.1")


def test_revoking_tells_its_effect_and_can_be_repeated(tmp_path: Path, run: Run) -> None:
    sandbox = Installation.make(tmp_path / "sandbox", cases=1)
    pem = (sandbox.directory / "vendors/beta/client.pem").read_bytes()
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    digits = certificate_thumbprint(der).hex(":")

    certificate = run("cert", "revoke", digits, "--reason", "keyCompromise", *_config(sandbox))
    first = run("vendor", "revoke", "alpha", "--json", *_config(sandbox))
    second = run("vendor", "revoke", "alpha", "--json", *_config(sandbox))

    assert certificate.code == first.code == second.code == 0
    assert "certificate " in certificate.out
    assert first.json()["credentials"] == 1
    assert second.json()["credentials"] == 0
    assert first.json()["complete"] is True
    with psycopg.connect(sandbox.database().owner_url) as connection:
        active = connection.execute(
            "SELECT count(*) FROM casegate.credential WHERE kind = 'vendor' AND status = 'active'"
        ).fetchone()
    assert active == (0,)


def test_a_log_search_is_readable_and_says_how_to_go_on(run: Run, sandbox: Installation) -> None:
    outcome = run("audit", "search", "--limit", "2", *_config(sandbox))

    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 2
    assert "more: --cursor" in outcome.err


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_missing_or_malformed_verifier_key_is_one_sentence(
    run: Run, sandbox: Installation, tmp_path: Path, content: str | None
) -> None:
    vkey = tmp_path / "log.vkey"
    if content is not None:
        vkey.write_text(content)

    outcome = run("audit", "verify", "--vkey", vkey, *_config(sandbox))

    assert outcome.code in {1, 2}
    assert "Traceback" not in outcome.err
    assert outcome.err


def test_a_changed_log_ends_with_1_and_says_where(tmp_path: Path, run: Run) -> None:
    sandbox = Installation.make(tmp_path / "sandbox", cases=1)
    with psycopg.connect(sandbox.database().owner_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE audit.batch SET root = sha256('x') WHERE first_index = 3")

    outcome = run("audit", "verify", *_config(sandbox))

    assert outcome.code == 1
    assert outcome.err.strip().splitlines()[-1].startswith("casegate: TAMPERED: entry 3: ")


def test_a_used_directory_is_not_made_a_sandbox(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    outcome = run("sandbox", tmp_path)

    assert outcome.code == 1
    assert _is_one_sentence(outcome)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_sample_is_the_same_for_the_same_seed(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"

    assert run("sample-portfolio", "20", first, "--seed", "7").code == 0
    assert run("sample-portfolio", "20", second, "--seed", "7").code == 0
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("target", ["absent/x.csv", ""])
def test_an_unwritable_target_is_wrong_use(run: Run, tmp_path: Path, target: str) -> None:
    outcome = run("sample-portfolio", "1", tmp_path / target)

    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_a_policy_folder_with_an_error_names_file_and_line(
    run: Run, sandbox: Installation, tmp_path: Path
) -> None:
    shutil.copy(sandbox.directory / "policies" / "alpha.yaml", tmp_path / "alpha.yaml")
    with (tmp_path / "alpha.yaml").open("a") as file:
        file.write("surprise: 1\n")

    outcome = run("policy", "check", tmp_path)

    assert outcome.code == 1
    assert _is_one_sentence(outcome)
    assert "alpha.yaml, line" in outcome.err


def test_a_closed_pipe_and_a_real_process_leave_no_traceback(sandbox: Installation) -> None:
    command = f"{sys.executable} -m gateway.cli openapi vendor | head -c 10"
    done = subprocess.run(  # noqa: S602  # a shell's pipe is what is tested
        command, shell=True, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout == '{\n  "opena'
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert sandbox.run("audit", "search", "--vendor", "nobody").returncode == 0
