import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags, ocsp
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from keys.crl import RevokedCertificate
from keys.errors import DeviceError, StatusRequestError
from keys.ocsp import Status, StatusResponder, read_path, read_question
from tests.keys.outside import answer_findings, certificate_findings, openssl, verdict
from tests.keys.trials import Trial, next_issuer

# What most clients still name certificates by; nothing is signed with it (RFC 6960, 4.3).
WEAK = SHA1()  # noqa: S303
# An answer says by the clock of the machine when it was made.
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
REVOKED_AT = NOW - timedelta(minutes=10)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial.make(tmp_path_factory.mktemp("hierarchy"), NOW)


@pytest.fixture(scope="module")
def leaf(trial: Trial) -> x509.Certificate:
    return trial.vendor(NOW)


@pytest.fixture
def responder(trial: Trial) -> StatusResponder:
    return StatusResponder([trial.issuer])


def _ask(
    leaf: x509.Certificate,
    issuer: x509.Certificate,
    *,
    algorithm: HashAlgorithm | None = None,
    nonce: bytes | None = None,
) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, algorithm or SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def _answer(
    responder: StatusResponder, request: bytes, *, status: Status = True, at: datetime = NOW
) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(responder.answer(request, lambda *_of: status, at))


@pytest.mark.parametrize("algorithm", [WEAK, SHA256()], ids=["SHA-1", "SHA-256"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (True, ocsp.OCSPCertStatus.GOOD),
        (None, ocsp.OCSPCertStatus.UNKNOWN),
        (False, ocsp.OCSPCertStatus.UNKNOWN),
        (
            RevokedCertificate(1, REVOKED_AT, ReasonFlags.key_compromise),
            ocsp.OCSPCertStatus.REVOKED,
        ),
    ],
)
def test_the_answer_is_the_status(
    trial: Trial,
    responder: StatusResponder,
    leaf: x509.Certificate,
    algorithm: HashAlgorithm,
    status: Status,
    expected: ocsp.OCSPCertStatus,
) -> None:
    request = _ask(leaf, trial.issuer.certificate, algorithm=algorithm)

    answer = _answer(responder, request, status=status)

    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert answer.certificate_status is expected
    assert answer.serial_number == leaf.serial_number
    assert answer.hash_algorithm.name == algorithm.name
    assert answer.this_update_utc == NOW
    assert answer.next_update_utc == NOW + timedelta(minutes=5)


def test_a_revocation_is_told_with_its_time_and_reason(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate
) -> None:
    request = _ask(leaf, trial.issuer.certificate)

    told = _answer(
        responder, request, status=RevokedCertificate(1, REVOKED_AT, ReasonFlags.superseded)
    )
    bare = _answer(responder, request, status=RevokedCertificate(1, REVOKED_AT))

    assert (told.revocation_time_utc, told.revocation_reason) == (
        REVOKED_AT,
        ReasonFlags.superseded,
    )
    assert bare.revocation_reason is None


def test_the_status_is_asked_for_the_issuer_and_serial_of_the_request(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate
) -> None:
    asked: list[tuple[bytes, int]] = []

    def status_of(issuer_id: bytes, serial: int) -> Status:
        asked.append((issuer_id, serial))
        return True

    responder.answer(_ask(leaf, trial.issuer.certificate), status_of, NOW)

    assert asked == [(trial.issuer.issuer_id, leaf.serial_number)]


@pytest.mark.parametrize("nonce", [b"n", b"n" * 16, b"n" * 128])
def test_a_nonce_comes_back(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate, nonce: bytes
) -> None:
    answer = _answer(responder, _ask(leaf, trial.issuer.certificate, nonce=nonce))

    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce


def test_without_a_nonce_none_comes(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate
) -> None:
    assert not list(_answer(responder, _ask(leaf, trial.issuer.certificate)).extensions)


@pytest.mark.parametrize(
    "request_",
    [b"", b"nothing", b"0" * 4096, b"\x30\x80"],
    ids=["empty", "text", "too large", "indefinite"],
)
def test_a_malformed_request_is_answered_as_such(
    responder: StatusResponder, request_: bytes
) -> None:
    answer = _answer(responder, request_)

    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@pytest.mark.parametrize("nonce", [b"", b"n" * 129])
def test_a_nonce_out_of_bounds_is_malformed(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate, nonce: bytes
) -> None:
    answer = _answer(responder, _ask(leaf, trial.issuer.certificate, nonce=nonce))

    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_other_issuers_and_other_hashes_are_not_answered(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate
) -> None:
    foreign = _ask(trial.issuer.certificate, trial.root.certificate)
    other_hash = _ask(leaf, trial.issuer.certificate, algorithm=SHA384())

    for request in (foreign, other_hash):
        answer = _answer(responder, request)
        assert answer.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(trial: Trial, content: bytes) -> None:
    answer = _answer(StatusResponder([trial.issuer]), content)

    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_the_delegate_is_certified_for_this_alone_and_changes_each_day(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate, tmp_path: Path
) -> None:
    request = _ask(leaf, trial.issuer.certificate)

    def delegate(at: datetime) -> x509.Certificate:
        return _answer(responder, request, at=at).certificates[0]

    first, hours_later, next_day = (
        delegate(NOW + after) for after in (timedelta(0), timedelta(hours=23), DAY)
    )

    assert first == hours_later != next_day
    assert first.not_valid_after_utc - NOW <= 2 * DAY
    assert x509.OCSPNoCheck() in [extension.value for extension in first.extensions]
    assert certificate_findings(tmp_path, first) == ""
    found = verdict(tmp_path, first, trusted=trial.trusted, at=NOW, purpose="ocsphelper")
    assert found == "OK"
    key = first.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key != trial.issuer.certificate.public_key()


def test_pkilint_has_nothing_to_say(
    trial: Trial, responder: StatusResponder, leaf: x509.Certificate, tmp_path: Path
) -> None:
    request = _ask(leaf, trial.issuer.certificate, algorithm=WEAK, nonce=b"n" * 16)
    revoked = RevokedCertificate(leaf.serial_number, REVOKED_AT, ReasonFlags.key_compromise)

    for status in (True, None, revoked):
        der = responder.answer(request, lambda *_of, known=status: known, NOW)
        assert answer_findings(tmp_path, der) == ""


def test_a_request_in_a_path_is_read(trial: Trial, leaf: x509.Certificate) -> None:
    request = _ask(leaf, trial.issuer.certificate)

    path = quote(base64.b64encode(request).decode(), safe="")

    assert read_path(path) == request
    assert read_question(request).serial == leaf.serial_number
    for wrong in ("%%%", "päth", "a", "!!!!"):
        with pytest.raises(StatusRequestError):
            read_path(wrong)


def test_openssl_believes_the_answers_of_a_responder_for_two_issuers(
    tmp_path: Path,
) -> None:
    trial = Trial.make(tmp_path / "hierarchy", NOW)
    good, revoked = trial.vendor(NOW), trial.vendor(NOW)
    issuer = next_issuer(trial.files, trial.root, NOW)
    newer = Trial(trial.files, trial.root, issuer)
    unknown = newer.vendor(NOW)
    known: dict[tuple[bytes, int], Status] = {
        (trial.issuer.issuer_id, good.serial_number): True,
        (trial.issuer.issuer_id, revoked.serial_number): RevokedCertificate(
            revoked.serial_number, REVOKED_AT, ReasonFlags.key_compromise
        ),
    }
    responder = StatusResponder([trial.issuer, issuer])

    with _served(responder, known) as port:

        def told(of: Trial, leaf: x509.Certificate, *options: str) -> str:
            (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
            (tmp_path / "issuer.pem").write_bytes(of.issuer.certificate_pem)
            bundle = str(trial.files.bundle)
            done = openssl(
                tmp_path,
                *["ocsp", "-url", f"http://127.0.0.1:{port}/ocsp", "-CAfile", bundle, *options],
                *["-issuer", "issuer.pem", "-cert", "leaf.pem"],
            )
            assert "Response verify OK" in done.stderr, done.stderr
            assert "WARNING" not in done.stderr
            return done.stdout

        assert "leaf.pem: good" in told(trial, good)
        assert "leaf.pem: good" in told(trial, good, "-sha256")
        said = told(trial, revoked)
        assert "leaf.pem: revoked" in said
        assert "Reason: keyCompromise" in said
        assert "leaf.pem: unknown" in told(newer, unknown)


@contextmanager
def _served(responder: StatusResponder, known: dict[tuple[bytes, int], Status]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            der = responder.answer(
                body, lambda issuer, serial: known.get((issuer, serial)), datetime.now(UTC)
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/ocsp-response")
            self.send_header("Content-Length", str(len(der)))
            self.end_headers()
            self.wfile.write(der)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_while_the_issuing_key_cannot_be_used_the_answer_is_to_try_later(
    trial: Trial, leaf: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> x509.Certificate:
        raise DeviceError("unplugged")

    responder = StatusResponder([trial.issuer])
    question = _ask(leaf, trial.issuer.certificate)
    with monkeypatch.context() as unplugged:
        unplugged.setattr(type(trial.issuer), "certify", fail)
        answer = ocsp.load_der_ocsp_response(
            responder.answer(question, lambda _issuer, _serial: True, NOW)
        )
    later = ocsp.load_der_ocsp_response(
        responder.answer(question, lambda _issuer, _serial: True, NOW)
    )

    assert answer.response_status is ocsp.OCSPResponseStatus.TRY_LATER
    assert later.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
