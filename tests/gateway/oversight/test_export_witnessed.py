"""An export of an installation whose checkpoints a witness cosigns."""

import subprocess
import sys
from pathlib import Path

import pytest

from audit.policy import TrustPolicy
from gateway.oversight.handover import policy_text
from tests.audit.log_directory import new_signer, new_witness
from tests.audit.witness_process import WitnessProcess
from tests.installation import Installation

pytestmark = pytest.mark.long


def test_an_export_takes_the_checkpoint_that_the_witness_cosigned(
    own_installation: Installation, tmp_path: Path
) -> None:
    log = (own_installation.directory / "log.vkey").read_text().strip()
    with WitnessProcess(tmp_path, log) as witness:
        vkey = witness.verifier.to_text()
        with own_installation.config.open("a") as file:
            file.write(f'witnesses = [{{ url = "{witness.url}", vkey = "{vkey}" }}]\n')
        with own_installation.serving():
            done = own_installation.run("audit", "export", "--out", str(tmp_path / "export"))

    assert done.returncode == 0, done.stderr
    assert "too few witnesses" not in done.stderr
    policy = tmp_path / "own.policy"
    policy.write_text(f"log {log}\nwitness notary {vkey}\nquorum notary\n")
    for command in (
        [sys.executable, "-m", "audit", "verify", str(tmp_path / "export")],
        [sys.executable, "-I", str(tmp_path / "export/verify.py"), str(tmp_path / "export")],
    ):
        said = subprocess.run(
            [*command, "--policy", str(policy)], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
        assert "notary" in said.stdout


@pytest.mark.parametrize(("witnesses", "needed"), [(1, 1), (2, 2), (3, 2), (5, 3)])
def test_the_policy_of_an_export_asks_for_more_than_half_of_the_witnesses(
    witnesses: int, needed: int
) -> None:
    keys = [new_witness(f"w.example/{number}").verifier.to_text() for number in range(witnesses)]

    policy = TrustPolicy.from_text(policy_text([new_signer().verifier_key], keys))

    names = tuple(policy.witnesses)
    assert policy.is_quorum(names[:needed])
    assert not policy.is_quorum(names[: needed - 1])


def test_without_witnesses_the_policy_asks_for_none() -> None:
    policy = TrustPolicy.from_text(policy_text([new_signer().verifier_key], []))

    assert policy.is_quorum(())
