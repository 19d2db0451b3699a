"""A time-stamping authority on loopback: `openssl ts` with keys made on the spot."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.audit.http_server import Request, answering

_CONFIG = """\
[req]
distinguished_name = name
prompt = no
x509_extensions = root
[name]
CN = Root of times
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:2
ess_cert_id_alg = sha256
"""


class TimeAuthority:
    """Root, signing key and configuration in a directory; `root` is the PEM to trust."""

    def __init__(self, directory: Path, *, digests: str = "sha256") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl command: the time-stamping authority cannot be played")
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        (directory / "config").write_text(_CONFIG.format(digests=digests))
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        config = ("-config", "config")
        named = ("-subj", "/CN=times", *config)
        self._run("req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", *config)
        self._run("req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", *named)
        self._run(
            *("x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key"),
            *("-set_serial", "2", "-days", "30", "-extfile", "config", "-extensions", "leaf"),
            *("-out", "leaf.pem"),
        )
        self.root = directory / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """The DER TimeStampResp to a DER TimeStampReq."""
        (self._directory / "query").write_bytes(query)
        self._run(
            *("ts", "-reply", "-config", "config", "-section", "one", "-queryfile", "query"),
            *("-inkey", "leaf.key", "-signer", "leaf.pem", "-out", "reply"),
        )
        return (self._directory / "reply").read_bytes()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Answers over HTTP (RFC 3161, 3.4); gives the URL."""

        def respond(request: Request) -> None:
            reply = self.reply(request.content)
            request.answer(200, reply, Content_Type="application/timestamp-reply")

        with answering(respond) as url:
            yield f"{url}/tsa"

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self._directory, check=True, capture_output=True
        )
