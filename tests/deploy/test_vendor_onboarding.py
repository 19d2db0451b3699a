"""The vendor's guide, followed line by line with curl and openssl against a real installation."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from gateway.portfolio.sample import write_sample_portfolio
from gateway.trial.sandbox import activate_policies
from tests.installation import Installation

GUIDE = Path(__file__).parents[2] / "deploy" / "runbooks" / "vendor-onboarding.md"
VENDOR, CONTRACT = "gamma", "gamma-2026"
_TOOLS = {"curl", "openssl", "chmod", "umask", ".", "mv", "rm", "sed"}


@dataclass
class Shell:
    """One bash that a person sits at: what it sets stays set."""

    directory: Path
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=self.directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, line: str) -> str:
        """What a line prints; fails when its exit code is not 0."""
        end = uuid4().hex
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\nended=$?; echo; echo {end} $ended\n")
        self.process.stdin.flush()
        printed: list[str] = []
        for answer in self.process.stdout:
            if answer.startswith(end):
                assert answer.split()[1] == "0", (line, printed)
                return "".join(printed).strip()
            printed.append(answer)
        raise AssertionError(line, printed)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def lines_of(guide: str) -> list[str]:
    """The lines of all `sh` blocks, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def stand(open_directory: Path) -> Iterator[Installation]:
    """A sandbox with a third vendor's policy, served; the vendor is added by commands."""
    made = Installation.make(open_directory / f"guide-{uuid4().hex[:8]}", cases=5, enrols=True)
    policies = made.directory / "policies"
    for name in ("alpha.yaml", "contracts/alpha-2026.yaml"):
        text = (policies / name).read_text().replace("alpha", VENDOR)
        (policies / name.replace("alpha", VENDOR)).write_text(text)
    with made.serving(workers=1):
        yield made


@pytest.fixture
def desk(tmp_path: Path, stand: Installation) -> Iterator[Shell]:
    """The vendor's administrator, with what he was given and nothing else."""
    shutil.copy(stand.directory / "ca" / "server-ca.pem", tmp_path / "ca.pem")
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def _lender(stand: Installation, *arguments: str) -> str:
    done = stand.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _invite(stand: Installation) -> str:
    _lender(stand, "vendor", "add", VENDOR, "--name", "伽马信息服务有限公司")
    _lender(stand, "contract", "add", CONTRACT, "--vendor", VENDOR)
    activate_policies(stand.office())
    portfolio = stand.directory / "gamma.csv"
    write_sample_portfolio(3, portfolio, seed=7)
    _lender(stand, "cases", "import", str(portfolio), "--vendor", VENDOR, "--contract", CONTRACT)
    invited = _lender(stand, "vendor", "invite", VENDOR, "--contract", CONTRACT, "--json")
    return str(orjson.loads(invited)["code"])


def _approve(stand: Installation) -> None:
    [proposal] = orjson.loads(_lender(stand, "proposals", "list", "--json"))
    folder = stand.directory / "staff" / "compliance"
    told = _lender(
        stand,
        *("proposals", "approve", proposal["proposal_id"]),
        *("--cert", str(folder / "client.pem"), "--key", str(folder / "client.key")),
        *("--ca", str(folder / "ca.pem")),
    )
    assert "is approved" in told


def test_the_guide_leads_from_nothing_to_a_renewed_certificate(
    stand: Installation, desk: Shell
) -> None:
    (desk.directory / "casegate.env").write_text(
        f"VENDOR={VENDOR}\nCODE={_invite(stand)}\nENROL={stand.enrolment_url}\n"
        f"GATEWAY={stand.vendor_url}\n"
    )
    told: dict[str, list[str]] = {}
    for line in lines_of(GUIDE.read_text()):
        answer = desk.type(line)
        if "/simpleenroll" in line:
            assert answer == "202"
            _approve(stand)
            answer = desk.type(line)  # as the guide says: the same line again
        told.setdefault(_step(line), []).append(answer)

    assert told["enrol"] == ["200"]
    assert told["renew"] == ["200"]
    assert told["verify"] == ["client.pem: OK", "next.pem: OK", "client.pem: OK"]
    assert [_items(page) for page in told["pull"]] == [2, 2], told["pull"]
    assert f"/vendor/{VENDOR}/contract/{CONTRACT}/credential/" in told["show"][0]
    assert (desk.directory / "client.key").stat().st_mode & 0o077 == 0


def _items(page: str) -> int:
    try:
        return len(orjson.loads(page)["items"])
    except orjson.JSONDecodeError:
        return -1


def _step(line: str) -> str:
    for word, step in {
        "/simpleenroll": "enrol",
        "/simplereenroll": "renew",
        "openssl verify": "verify",
        "/v1/cases": "pull",
        "subjectAltName": "show",
    }.items():
        if word in line:
            return step
    return "other"


def test_the_guide_needs_curl_and_openssl_alone() -> None:
    lines = lines_of(GUIDE.read_text())
    commands = {
        part.split()[0]
        for line in lines
        for part in re.split(r"&&|\|", re.sub(r"^[A-Z]+=\$\((.*)\)$", r"\1", line))
    }

    assert len(lines) >= 30
    assert commands <= _TOOLS


def test_every_step_has_a_summary_in_chinese() -> None:
    sections = re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)[1:]

    assert len(sections) == 11
    for section in sections:
        body = section.split("\n", 1)[1]
        assert re.search(r"[\u4e00-\u9fff]{4}", body), section.split("\n")[0]


def test_the_private_key_is_never_sent() -> None:
    sent = [line for line in lines_of(GUIDE.read_text()) if "--data-binary" in line]

    assert len(sent) == 2
    assert not [line for line in sent if re.search(r"@\S*\.key", line)]
