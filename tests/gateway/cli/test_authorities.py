import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cli
from keys.crl import crl_number
from keys.hierarchy import HierarchyFiles, inherited, read_crl
from keys.issuing_key import load_certificates
from keys.secret import write_private_file
from tests.gateway.store.lender import Lender
from tests.keys.softhsm import MODULE, PIN, soft_device

Run = Callable[..., "Outcome"]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Runs `casegate ca …` in this process, with the passphrases' files where they are named."""
    monkeypatch.setattr(import_module("gateway.cli.main"), "configure_logs", lambda: None)
    monkeypatch.delenv("CASEGATE_DATABASE_URL", raising=False)
    for name in ("root.phrase", "issuing.phrase"):
        write_private_file(tmp_path / name, f"the words of {name}\n".encode())

    def run_command(command: str, *arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["casegate", "ca", command, *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        captured = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 1, captured.out, captured.err)

    return run_command


def _options(tmp_path: Path, *, is_keyed: bool = True) -> list[str | Path]:
    options: list[str | Path] = ["--directory", tmp_path]
    options += ["--passphrase-file", tmp_path / "root.phrase"]
    if is_keyed:
        options += ["--issuing-passphrase", f"file:{tmp_path / 'issuing.phrase'}"]
    return options


def _init(run: Run, tmp_path: Path) -> HierarchyFiles:
    outcome = run(
        "init",
        *_options(tmp_path),
        *("--host", "trust.example", "--public-url", "https://keys.example:8445"),
    )
    assert outcome.code == 0, outcome.err
    assert "Into the safe" in outcome.out
    assert "offline/root.key" in outcome.out
    assert "section [authority] into" in outcome.out
    return HierarchyFiles(tmp_path)


def test_init_makes_a_hierarchy_and_overwrites_none(run: Run, tmp_path: Path) -> None:
    files = _init(run, tmp_path)
    before = files.root_key.read_bytes()

    again = run("init", *_options(tmp_path))

    assert (again.code, files.root_key.read_bytes()) == (1, before)
    assert "nothing is overwritten" in again.err
    assert inherited(load_certificates(files.certificate)[0]) == (
        "trust.example",
        "https://keys.example:8445",
    )


def test_the_next_issuer_inherits_and_both_stay_in_the_bundle(run: Run, tmp_path: Path) -> None:
    files = _init(run, tmp_path)
    first = load_certificates(files.certificate)

    outcome = run("issuer", *_options(tmp_path))

    assert outcome.code == 0, outcome.err
    bundle = load_certificates(files.bundle)
    assert [bundle[1]] == first
    assert inherited(bundle[0]) == inherited(bundle[1])
    assert "casegate ca adopt" in outcome.out


def test_the_next_issuer_needs_the_root_and_its_passphrase(run: Run, tmp_path: Path) -> None:
    files = _init(run, tmp_path)
    (tmp_path / "root.phrase").write_text("other words\n")
    wrong = run("issuer", *_options(tmp_path))
    files.root_certificate.unlink()
    absent = run("issuer", *_options(tmp_path))

    assert (wrong.code, absent.code) == (1, 1)
    assert "another passphrase" in wrong.err
    assert "root.pem cannot be read" in absent.err
    assert len(load_certificates(files.bundle)) == 2


def test_an_issuer_for_a_device_needs_its_public_key(run: Run, tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    for name, key in (("device.pem", public), ("other.pem", other)):
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / name).write_bytes(pem)
    options = _options(tmp_path, is_keyed=False)

    refused = run("init", *options, "--public-key", tmp_path / "other.pem")
    made = run("init", *options, "--public-key", tmp_path / "device.pem", "--json")

    assert refused.code == 2
    assert made.code == 0, made.err
    files = HierarchyFiles(tmp_path)
    assert load_certificates(files.certificate)[0].public_key() == public
    assert not files.key.exists()


@pytest.mark.skipif(MODULE is None, reason="SoftHSM is not installed: apt-get install softhsm2")
def test_the_public_half_of_a_device_s_key_is_what_init_takes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIN", PIN.reveal().decode())
    device = ["--module", soft_device().module, "--token", "casegate", "--key", "issuing"]

    told = run("public-key", *device, "--pin", "env:PIN")
    (tmp_path / "device.pem").write_text(told.out)
    made = run(
        "init", *_options(tmp_path, is_keyed=False), "--public-key", tmp_path / "device.pem"
    )

    assert (told.code, made.code) == (0, 0), told.err + made.err
    absent = run("public-key", *device[:-1], "absent", "--pin", "env:PIN")
    assert absent.code == 1
    assert "cannot be used" in absent.err


def test_without_a_terminal_the_file_must_be_named(run: Run, tmp_path: Path) -> None:
    outcome = run("init", "--directory", tmp_path)

    assert outcome.code == 2
    assert "--passphrase-file" in outcome.err
    assert not (tmp_path / "offline").exists()


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["of the root, long", "of the root, long", "of the issuer", "of the issuer"], 0),
        (["of the root, long", "of the root, lang"], 2),
        (["short", "short"], 2),
    ],
    ids=["twice the same", "another", "short"],
)
def test_on_a_terminal_each_new_passphrase_is_asked_twice(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], code: int
) -> None:
    answers = iter(typed)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))

    outcome = run("init", "--directory", tmp_path)

    assert (outcome.code, list(answers)) == (code, [])
    assert (tmp_path / "offline").exists() == (code == 0)


def test_a_short_passphrase_in_a_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "root.phrase").write_text("short\n")

    assert run("init", *_options(tmp_path)).code == 2


def test_the_list_of_the_root_is_renewed(run: Run, tmp_path: Path) -> None:
    files = _init(run, tmp_path)

    outcome = run("root-crl", *_options(tmp_path, is_keyed=False), "--json")

    assert (outcome.code, orjson.loads(outcome.out)["revoked"]) == (0, 0)
    assert crl_number(read_crl(files.root_crl)) == 2


def test_an_installation_adopts_its_issuer_and_the_next_one(
    run: Run, tmp_path: Path, database_url: str
) -> None:
    Lender.make(database_url, tmp_path)
    _init(run, tmp_path)
    config = tmp_path / "casegate.toml"
    config.write_text(_TOML.format(url=database_url))
    where = ["--config", config, "--json"]

    adopted = run("adopt", *where)
    followed = run("issuer", *_options(tmp_path), *where)
    listed = run("list", *where)

    assert [one.code for one in (adopted, followed, listed)] == [0, 0, 0], adopted.err
    first, second = orjson.loads(adopted.out), orjson.loads(followed.out)
    assert first["crl"] == 1
    assert [(one["issuer"], one["status"]) for one in orjson.loads(listed.out)] == [
        (second["issuer"], "active"),
        (first["issuer"], "retiring"),
    ]
    assert "retiring" in run("list", "--config", config).out


def test_without_the_section_the_way_out_is_told(
    run: Run, tmp_path: Path, database_url: str
) -> None:
    Lender.make(database_url, tmp_path)
    config = tmp_path / "casegate.toml"
    config.write_text(_TOML.format(url=database_url).split("[authority]")[0])

    outcome = run("adopt", "--config", config)

    assert outcome.code == 1
    assert "casegate ca init" in outcome.err


_TOML = """\
issuer = "https://gateway.example"

[vendor]
port = 8443

[company]
port = 8444

[tls]
server_certificate = "server.pem"
server_key = "server.key"
vendor_ca = "ca/vendor-ca.pem"
staff_ca = "staff-ca.pem"

[database]
url = "{url}"

[authority]
issuing_key = "secrets/issuing.key"
passphrase = "file:issuing.phrase"
trust_host = "trust.example"
public_url = "https://keys.example:8445"
"""
