"""A served installation with a real witness process beside it."""

from pathlib import Path

import pytest

from audit.checkpoint import Checkpoint
from audit.policy import TrustPolicy
from gateway.installation import log_signer
from tests.audit.witness_process import WitnessProcess
from tests.installation import Installation
from tests.promises.ledger import logged_entries
from tests.promises.processes import wait_until

# Everything served, more than once: left to `make test-long`.
pytestmark = pytest.mark.long


def _name_witness(installation: Installation, witness: WitnessProcess) -> None:
    with installation.config.open("a") as file:
        vkey = witness.verifier.to_text()
        file.write(f'witnesses = [{{ url = "{witness.url}", vkey = "{vkey}" }}]\n')


def _log_key(installation: Installation) -> str:
    return (installation.directory / "log.vkey").read_text().strip()


def test_the_exported_checkpoint_bears_the_witnesss_cosignature(
    own_installation: Installation, tmp_path: Path
) -> None:
    log = _log_key(own_installation)
    with WitnessProcess(tmp_path, log) as witness:
        _name_witness(own_installation, witness)
        vkey = witness.verifier.to_text()
        policy = TrustPolicy.from_text(f"log {log}\nwitness w {vkey}\nquorum w\n")
        checkpoint = own_installation.directory / "var" / "log" / "checkpoint"

        def is_cosigned() -> bool:
            return checkpoint.exists() and bool(policy.cosigners(checkpoint.read_text()))

        with own_installation.serving(workers=1):
            assert wait_until(is_cosigned, seconds=30)

    assert policy.open(checkpoint.read_text()).checkpoint.size > 0


def test_a_silent_witness_does_not_stop_the_signing(
    own_installation: Installation, tmp_path: Path
) -> None:
    with WitnessProcess(tmp_path, _log_key(own_installation)) as witness:
        _name_witness(own_installation, witness)
    checkpoint = own_installation.directory / "var" / "log" / "checkpoint"

    with own_installation.serving(workers=1), own_installation.vendor("alpha") as client:
        client.get("/v1/cases?limit=1").raise_for_status()
        assert wait_until(checkpoint.exists, seconds=30)


def test_a_witness_that_knows_another_log_stops_the_publishing_with_an_alarm_entry(
    own_installation: Installation, tmp_path: Path
) -> None:
    signer = log_signer(own_installation.settings)
    with WitnessProcess(tmp_path, signer.verifier_key) as witness:
        fork = Checkpoint(own_installation.settings.audit.origin, 500, b"\x07" * 32)
        witness.client().cosign(fork.sign(signer), old_size=0, prove=lambda _size: [])
        _name_witness(own_installation, witness)

        def has_alarm() -> bool:
            entries = logged_entries(own_installation)
            return any(entry.fields["type"] == "witness.refused" for entry in entries)

        with own_installation.serving(workers=1):
            assert wait_until(has_alarm, seconds=30)
