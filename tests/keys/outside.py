"""Checkers that are not ours: openssl and pkilint."""

import contextlib
import io
import subprocess
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint.bin import (
    lint_crl,
    lint_ocsp_response,
    lint_pkix_cert,
)


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs openssl in a folder."""
    return subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def verdict(
    folder: Path,
    leaf: x509.Certificate,
    *,
    trusted: list[x509.Certificate],
    at: datetime,
    purpose: str | None = None,
    crls: list[x509.CertificateRevocationList] | None = None,
) -> str:
    """`openssl verify -x509_strict`: `OK`, or the first error that it names."""
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in trusted)
    (folder / "trusted.pem").write_bytes(pem)
    arguments = ["verify", "-x509_strict", "-attime", str(int(at.timestamp()))]
    arguments += ["-CAfile", "trusted.pem"]
    if purpose is not None:
        arguments += ["-purpose", purpose]
    if crls is not None:
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in crls)
        (folder / "crls.pem").write_bytes(pem)
        arguments += ["-crl_check", "-crl_check_all", "-CRLfile", "crls.pem"]
    done = openssl(folder, *arguments, "leaf.pem")
    if done.returncode == 0:
        return "OK"
    return next(line for line in done.stderr.splitlines() if line.startswith("error "))


def certificate_findings(folder: Path, certificate: x509.Certificate) -> str:
    """What pkilint has to say of a certificate, down to notices; empty when nothing."""
    file = folder / "linted.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    return _linted(lint_pkix_cert.main, [], file)


def crl_findings(folder: Path, crl: x509.CertificateRevocationList, kind: str) -> str:
    """The same of a revocation list; `kind` is CRL, or ARL for a root's."""
    file = folder / "linted.crl"
    file.write_bytes(crl.public_bytes(Encoding.PEM))
    return _linted(lint_crl.main, ["-t", kind, "-p", "PKIX"], file)


def answer_findings(folder: Path, der: bytes) -> str:
    """The same of a status answer."""
    file = folder / "answer.der"
    file.write_bytes(der)
    return _linted(lint_ocsp_response.main, [], file)


def _linted(main: Callable[[list[str]], int], options: list[str], file: Path) -> str:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as output:
        # It leaves its file to be closed by the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        count = main(["lint", *options, "-s", "NOTICE", str(file)])
    return output.getvalue().strip() or ("" if count == 0 else f"{count} findings")
