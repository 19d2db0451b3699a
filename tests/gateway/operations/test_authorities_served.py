"""The vendors' authority and the log's key change under running workers, over real TLS."""

import base64
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from audit.errors import AuditError
from audit.policy import TrustPolicy
from gateway.identity.principal import CredentialScope
from gateway.installation import log_vkeys
from keys.hierarchy import HierarchyFiles
from keys.issuing_key import load_certificates
from keys.thumbprint import spki_digest
from tests.audit.s3_server import CREDENTIALS, REGION, S3Server
from tests.audit.witness_process import WitnessProcess
from tests.gateway.operations.enrolling import new_key, request_for
from tests.installation import Installation
from tests.promises.processes import wait_until

pytestmark = pytest.mark.long

EST = "/.well-known/est/"
REASON = {"reason": "cACompromise"}
_ARCHIVE = """
[audit.archive]
bucket = "log"
endpoint = "{url}"
region = "{region}"
retention_days = 1
every_seconds = 0.5
access_key = "env:CASEGATE_TEST_ACCESS"
secret_key = "env:CASEGATE_TEST_SECRET"
"""


@pytest.fixture(scope="module")
def archive() -> Iterator[S3Server]:
    server = S3Server()
    server.new_bucket("log")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def made(open_directory: Path) -> Installation:
    return Installation.make(open_directory / "authorities", cases=20, enrols=True)


@pytest.fixture(scope="module")
def witness(
    made: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WitnessProcess]:
    (log,) = log_vkeys(made.settings)
    with WitnessProcess(tmp_path_factory.mktemp("witness"), log) as process:
        yield process


@pytest.fixture(scope="module")
def served(
    made: Installation, witness: WitnessProcess, archive: S3Server
) -> Iterator[Installation]:
    """With a witness and an archive that follow its log."""
    config = made.config.read_text()
    named = f'witnesses = [{{ url = "{witness.url}", vkey = "{_vkey(witness)}" }}]\n'
    config = config.replace("[audit]\n", f"[audit]\n{named}", 1)
    made.config.write_text(config + _ARCHIVE.format(url=archive.url, region=REGION))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CASEGATE_TEST_ACCESS", CREDENTIALS.access_key)
        environment.setenv("CASEGATE_TEST_SECRET", CREDENTIALS.secret_key)
        with made.serving(workers=2):
            yield made


def _vkey(witness: WitnessProcess) -> str:
    return witness.verifier.to_text()


def _enrolled(served: Installation, system: str, folder: Path) -> ssl.SSLContext:
    """A new system of alpha's, by code: its certificate with the issuer's behind it."""
    invitation = (
        served.office()
        .onboarding()
        .invite(
            "alpha",
            "alpha-2026",
            system=system,
            scope=CredentialScope.FULL,
            hours=1,
            actor="staff:wang",
        )
    )
    context = ssl.create_default_context(cafile=str(served.directory / "ca" / "server-ca.pem"))
    key = new_key()
    with httpx.Client(base_url=served.enrolment_url, verify=context, timeout=10) as client:
        answer = client.post(
            f"{EST}simpleenroll",
            content=base64.encodebytes(request_for(key)),
            headers={"Content-Type": "application/pkcs10"},
            auth=("alpha", invitation.code),
        )
        trusted = load_der_pkcs7_certificates(
            base64.b64decode(client.get(f"{EST}cacerts").content)
        )
    assert answer.status_code == 200, answer.text
    (certificate,) = load_der_pkcs7_certificates(base64.b64decode(answer.content))
    (issuer,) = [each for each in trusted if each.subject == certificate.issuer]
    chain = [certificate, issuer]
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{system}.pem").write_bytes(pem + private)
    context.load_cert_chain(folder / f"{system}.pem")
    return context


def _answer(served: Installation, context: ssl.SSLContext) -> int | str:
    """The status of a pull on a connection of its own, or the code of its refusal."""
    with httpx.Client(base_url=served.vendor_url, verify=context, timeout=10) as client:
        asked = client.post("/oauth2/token", data={"grant_type": "client_credentials"})
        if asked.status_code != 200:
            return str(asked.json()["code"])
        bearer = {"Authorization": f"Bearer {asked.json()['access_token']}"}
        return client.get("/v1/cases?limit=1", headers=bearer).status_code


def _issuer_of(context_file: Path) -> x509.Name:
    return load_certificates(context_file)[0].issuer


def test_the_issuer_rolls_over_and_the_one_that_was_lost_is_shut_out(
    served: Installation, tmp_path: Path
) -> None:
    files = HierarchyFiles(served.directory)
    first = load_certificates(files.certificate)[0]
    old = _enrolled(served, "old", tmp_path)
    root_phrase = files.root_key.with_name("root.passphrase")
    rolled = served.run(
        *("ca", "issuer", "--directory", str(served.directory)),
        *("--passphrase-file", str(root_phrase)),
        *("--issuing-passphrase", f"file:{files.key.with_name('issuing.passphrase')}"),
        "--json",
    )
    assert rolled.returncode == 0, rolled.stderr
    new = _enrolled(served, "new", tmp_path)

    assert _issuer_of(tmp_path / "old.pem") != _issuer_of(tmp_path / "new.pem")
    assert [_answer(served, context) for context in (old, new)] == [200, 200]

    lost = spki_digest(first).hex()
    with served.staff("security") as staff:
        revoked = staff.post(f"/company/v1/issuers/{lost}/revoke", json=REASON)
    assert revoked.status_code == 200, revoked.text
    effect = revoked.json()
    print(f"the last worker obeyed within {effect['seconds'] * 1000:.0f} ms")

    assert effect["complete"]
    assert effect["seconds"] < 1
    assert [_answer(served, context) for context in (old, new)] == ["CRED_REVOKED", 200]
    assert spki_digest(first) not in {
        spki_digest(each) for each in load_certificates(files.bundle)
    }


def test_the_witness_and_the_archive_follow_the_logs_key(
    served: Installation, witness: WitnessProcess, archive: S3Server, tmp_path: Path
) -> None:
    (first,) = log_vkeys(served.settings)
    checkpoint = served.directory / "var" / "log" / "checkpoint"
    quorum = f"witness w {_vkey(witness)}\nquorum w\n"

    first_alone = TrustPolicy.from_text(f"log {first}\n{quorum}")
    assert wait_until(lambda: _opens(first_alone, checkpoint, 0), seconds=30)
    size = int(checkpoint.read_text().splitlines()[1])
    rotated = served.run("keys", "rotate", "log-signing", "--json")
    assert rotated.returncode == 0, rotated.stderr
    second, _former = log_vkeys(served.settings)
    alone = TrustPolicy.from_text(f"log {second}\n{quorum}")
    for policy in (first_alone, alone):  # while they overlap, both sign
        assert wait_until(partial(_opens, policy, checkpoint, size), seconds=30)
    # The witness learns the new key before the old one goes: it is started again with both.
    port = int(witness.url.rsplit(":", 1)[1])
    witness.stop(signal.SIGTERM)
    witness._logs = (first, second)
    witness.start(port=port)
    retired = served.run(
        *("keys", "retire", "log-signing", "--key", str(orjson.loads(rotated.stdout)["previous"]))
    )
    assert retired.returncode == 0, retired.stderr
    with served.staff("auditor") as auditor:  # to look is an entry
        auditor.get("/company/v1/log/entries").raise_for_status()
    later = int(checkpoint.read_text().splitlines()[1])
    assert wait_until(lambda: _opens(alone, checkpoint, later), seconds=30)

    copy = tmp_path / "copy"
    shutil.copytree(checkpoint.parent, copy)
    both = tmp_path / "policy"
    both.write_text(f"log {first}\nlog {second}\n{quorum}")
    for said in (
        served.run("audit", "verify"),
        subprocess.run(
            [sys.executable, "-m", "audit", "verify", str(copy), "--policy", str(both)],
            capture_output=True,
            text=True,
            check=False,
        ),
    ):
        assert said.returncode == 0, said.stderr

    def archived() -> bool:
        found = archive.client().get_object(Bucket="log", Key="checkpoint")["Body"].read()
        (tmp_path / "archived").write_bytes(found)
        return _opens(alone, tmp_path / "archived", later)

    assert wait_until(archived, seconds=30)


def _opens(policy: TrustPolicy, checkpoint: Path, beyond: int) -> bool:
    """Whether a checkpoint is one by the policy, cosigned, and larger than a size."""
    try:
        text = checkpoint.read_text()
        return bool(policy.cosigners(text)) and policy.open(text).checkpoint.size > beyond
    except (AuditError, OSError):  # it is not there yet, or not so yet
        return False
