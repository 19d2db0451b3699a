import base64
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from cryptography.x509 import ocsp

from gateway.identity.principal import CredentialScope
from gateway.operations.invitation import Invitation
from gateway.oversight.search import LogQuery
from tests.gateway.operations.enrolling import new_key, request_for
from tests.installation import Installation

EST = "/.well-known/est/"
PKCS10 = {"Content-Type": "application/pkcs10"}


@pytest.fixture(scope="module")
def stand(open_directory: Path) -> Iterator[Installation]:
    installation = Installation.make(
        open_directory / f"est-{uuid4().hex[:8]}", cases=5, enrols=True
    )
    config = installation.config
    config.write_text(config.read_text() + "per_minute = 600\nentries_per_minute = 100\n")
    with installation.serving(workers=1):
        yield installation


@pytest.fixture
def stranger(stand: Installation) -> Iterator[httpx.Client]:
    """A client with no certificate at all."""
    context = ssl.create_default_context(cafile=str(stand.directory / "ca" / "server-ca.pem"))
    with httpx.Client(base_url=stand.enrolment_url, verify=context, timeout=10) as client:
        yield client


def _invite(stand: Installation, vendor: str = "alpha") -> Invitation:
    return (
        stand.office()
        .onboarding()
        .invite(
            vendor,
            f"{vendor}-2026",
            system="dialer",
            scope=CredentialScope.FULL,
            hours=1,
            actor="staff:wang",
        )
    )


def _enrol(
    client: httpx.Client, vendor: str, code: str, csr: bytes, path: str = f"{EST}simpleenroll"
) -> httpx.Response:
    body = base64.encodebytes(csr)
    return client.post(path, content=body, headers=PKCS10, auth=(vendor, code))


def _certificates(answer: httpx.Response) -> list[x509.Certificate]:
    return load_der_pkcs7_certificates(base64.b64decode(answer.content))


def _refusals(stand: Installation, code: str) -> list[dict[str, Any]]:
    page = stand.office().search(LogQuery(event="enrolment.refused"), actor="cli:tester")
    entries: list[dict[str, Any]] = [dict(hit.entry) for hit in page.hits]
    return [entry for entry in entries if entry["code"] == code]


def test_the_authorities_come_as_base64_pkcs7_and_are_those_of_the_vendors(
    stand: Installation, stranger: httpx.Client
) -> None:
    answer = stranger.get(f"{EST}cacerts")

    bundle = (stand.directory / "ca" / "vendor-ca.pem").read_bytes()
    assert answer.headers["content-type"] == "application/pkcs7-mime"
    assert set(_certificates(answer)) == set(x509.load_pem_x509_certificates(bundle))


def test_openssl_reads_the_attributes(stranger: httpx.Client) -> None:
    answer = stranger.get(f"{EST}csrattrs")

    parsed = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER"],
        input=base64.b64decode(answer.content),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert answer.headers["content-type"] == "application/csrattrs"
    assert [name in parsed for name in ("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256")] == [
        True
    ] * 3


def test_a_code_becomes_a_certificate_that_is_let_in_at_once(
    stand: Installation, stranger: httpx.Client, tmp_path: Path
) -> None:
    key = new_key()
    answer = _enrol(stranger, "alpha", _invite(stand).code, request_for(key))
    [certificate] = _certificates(answer)
    client_file, key_file = tmp_path / "client.pem", tmp_path / "client.key"
    client_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(cafile=str(stand.directory / "ca" / "server-ca.pem"))
    context.load_cert_chain(client_file, key_file)

    with httpx.Client(base_url=stand.vendor_url, verify=context, timeout=10) as client:
        next_key = new_key()
        first_key, second_key = request_for(next_key), request_for(new_key())
        token = stand.token(client)
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.get("/v1/cases", headers=bearer).status_code == 200
        renewed = _renew(client, first_key)
        again = _renew(client, first_key)
        other = _renew(client, second_key)

    [successor] = _certificates(renewed)
    client_file.write_bytes(successor.public_bytes(Encoding.PEM))
    key_file.write_bytes(next_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(cafile=str(stand.directory / "ca" / "server-ca.pem"))
    context.load_cert_chain(client_file, key_file)
    with httpx.Client(base_url=stand.vendor_url, verify=context, timeout=10) as client:
        with_old_token = client.get("/v1/cases", headers=bearer)
        bearer = {"Authorization": f"Bearer {stand.token(client)}"}
        assert client.get("/v1/cases", headers=bearer).status_code == 200

    assert with_old_token.json()["code"] == "TOKEN_FOREIGN"
    assert "certificate-changed" in with_old_token.headers["www-authenticate"]
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert renewed.status_code == 200
    assert _certificates(renewed) == _certificates(again)
    assert (other.status_code, other.json()["code"]) == (409, "RENEWED_ALREADY")


def _renew(client: httpx.Client, csr: bytes) -> httpx.Response:
    body = base64.encodebytes(csr)
    return client.post(f"{EST}simplereenroll", content=body, headers=PKCS10)


@pytest.mark.parametrize("wrong", ["code", "vendor", "none", "scheme", "garbage"])
def test_every_wrong_code_gets_the_same_answer_and_no_sooner(
    stand: Installation, stranger: httpx.Client, wrong: str
) -> None:
    code = _invite(stand).code
    body = base64.b64encode(request_for(new_key()))
    headers = {
        "code": _basic("alpha", "AAAAA-AAAAA"),
        "vendor": _basic("beta", code),
        "none": {},
        "scheme": {"Authorization": f"Bearer {code}"},
        "garbage": {"Authorization": "Basic %%%"},
    }[wrong]

    answer = stranger.post(f"{EST}simpleenroll", content=body, headers={**PKCS10, **headers})

    problem = answer.json()
    problem.pop("request_id")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert problem == {
        "type": "urn:casegate:problem:INVITATION_NOT_ACCEPTED",
        "title": "The vendor id or the code is not accepted.",
        "status": 401,
        "code": "INVITATION_NOT_ACCEPTED",
    }
    assert answer.elapsed.total_seconds() >= 0.25
    assert code not in str(_refusals(stand, "INVITATION_NOT_ACCEPTED"))


def _basic(vendor: str, code: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{vendor}:{code}".encode()).decode()}


def test_a_refusal_is_an_entry_with_source_and_route(
    stand: Installation, stranger: httpx.Client
) -> None:
    answer = _enrol(stranger, "alpha", "WRONG", request_for(new_key()))

    [entry] = [
        entry
        for entry in _refusals(stand, "INVITATION_NOT_ACCEPTED")
        if entry["request"] == answer.headers["casegate-request-id"]
    ]
    assert (entry["source"], entry["route"]) == ("127.0.0.1", f"{EST}simpleenroll")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/cases",
        "/oauth2/token",
        "/company/v1/log",
        "/openapi.json",
        "/docs",
        f"{EST}simplereenroll",
        f"{EST}serverkeygen",
        f"{EST}fullcmc",
        f"/crl/{'00' * 32}.crl",
        "/crl/../secrets/issuing.key",
    ],
)
def test_nothing_else_is_here(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_large_body_is_not_read(stand: Installation, stranger: httpx.Client) -> None:
    answer = stranger.post(
        f"{EST}simpleenroll",
        content=b"A" * 20_000,
        headers={**PKCS10, **_basic("alpha", _invite(stand).code)},
    )

    assert answer.status_code == 413 or answer.json()["code"] == "CSR_MALFORMED"


def test_a_question_of_more_than_16_kib_is_not_read(stranger: httpx.Client) -> None:
    kind = {"Content-Type": "application/ocsp-request"}

    whole = stranger.post("/ocsp", content=b"0" * 16 * 1024, headers=kind)
    longer = stranger.post("/ocsp", content=b"0" * (16 * 1024 + 1), headers=kind)

    assert (whole.status_code, longer.status_code) == (200, 413)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json", b"e30="), ("application/pkcs10", b"%%%"), ("application/pkcs10", b"")],
)
def test_what_is_no_request_is_refused(
    stand: Installation, stranger: httpx.Client, content_type: str, body: bytes
) -> None:
    answer = stranger.post(
        f"{EST}simpleenroll",
        content=body,
        headers={"Content-Type": content_type, **_basic("alpha", _invite(stand).code)},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "CSR_MALFORMED")


def test_who_has_proved_to_be_the_vendor_is_named_in_the_entry(
    stand: Installation, stranger: httpx.Client
) -> None:
    code = _invite(stand, "beta").code
    csr = request_for(new_key())
    _enrol(stranger, "beta", code, csr)

    _enrol(stranger, "beta", code, request_for(new_key()))
    _enrol(stranger, "beta", "WRONG", csr)

    [entry] = [e for e in _refusals(stand, "INVITATION_USED") if e["vendor"] == "beta"]
    assert entry["status"] == 409
    assert not [e for e in _refusals(stand, "INVITATION_NOT_ACCEPTED") if e["vendor"]]


def test_nothing_was_stuck_and_everything_noted(stand: Installation) -> None:
    told = (stand.directory / "serve.log").read_text()

    assert "enrolment.stuck" not in told
    assert "worker.unnoted" not in told


def test_the_listener_speaks_no_tls_before_1_3(stand: Installation) -> None:
    context = ssl.create_default_context(cafile=str(stand.directory / "ca" / "server-ca.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with (
        httpx.Client(base_url=stand.enrolment_url, verify=context) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(f"{EST}cacerts")


def test_openssl_follows_the_list_and_the_status_that_a_certificate_names(
    stand: Installation, stranger: httpx.Client, tmp_path: Path
) -> None:
    [certificate] = _certificates(
        _enrol(stranger, "alpha", _invite(stand).code, request_for(new_key()))
    )
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    crl_url = points[0].full_name[0].value
    leaf, issuer = tmp_path / "leaf.pem", stand.directory / "ca" / "issuing.pem"
    leaf.write_bytes(certificate.public_bytes(Encoding.PEM))
    question = tmp_path / "question.der"
    ask = ["openssl", "ocsp", "-issuer", str(issuer), "-cert", str(leaf), "-no_nonce"]
    subprocess.run([*ask, "-reqout", str(question)], check=True, capture_output=True)

    crl = x509.load_der_x509_crl(stranger.get(crl_url).content)
    answer = stranger.post(
        "/ocsp",
        content=question.read_bytes(),
        headers={"Content-Type": "application/ocsp-request"},
    )
    answered = tmp_path / "answer.der"
    answered.write_bytes(answer.content)
    told = subprocess.run(
        [
            *ask,
            "-respin",
            str(answered),
            "-CAfile",
            str(stand.directory / "ca" / "vendor-ca.pem"),
        ],
        check=True,
        capture_output=True,
    )
    path = base64.b64encode(question.read_bytes()).decode().replace("/", "%2F")

    assert crl.issuer == certificate.issuer
    assert f"{leaf}: good" in told.stdout.decode()
    in_path = ocsp.load_der_ocsp_response(stranger.get(f"/ocsp/{path}").content)
    assert in_path.certificate_status is ocsp.OCSPCertStatus.GOOD


def test_staff_invite_and_decide_by_role(stand: Installation) -> None:
    vendor = f"gamma-{uuid4().hex[:6]}"
    desk = stand.office().onboarding()
    now = stand.office().clock.now()
    desk.add_vendor(vendor, "丙公司", actor="staff:wang")
    desk.add_contract(
        f"{vendor}-2026",
        vendor,
        starts_at=now,
        ends_at=now + timedelta(days=9),
        actor="staff:wang",
    )
    body = {"contract": f"{vendor}-2026", "hours": 2}
    with stand.staff("operator") as operator:
        refused = operator.post(f"/company/v1/vendors/{vendor}/invitations", json=body)
    with stand.staff("security") as security:
        invited = security.post(f"/company/v1/vendors/{vendor}/invitations", json=body)
    context = ssl.create_default_context(cafile=str(stand.directory / "ca" / "server-ca.pem"))
    csr = request_for(new_key())
    with httpx.Client(base_url=stand.enrolment_url, verify=context) as stranger:
        waiting = _enrol(stranger, vendor, invited.json()["code"], csr)
        with stand.staff("security") as security:
            listed = security.get("/company/v1/proposals", params={"only_open": True}).json()
            [mine] = [p for p in listed["items"] if p["subject"]["vendor"] == vendor]
            own = security.post(f"/company/v1/proposals/{mine['proposal_id']}/approve")
        with stand.staff("auditor") as auditor:
            by_auditor = auditor.post(f"/company/v1/proposals/{mine['proposal_id']}/approve")
        with stand.staff("compliance") as compliance:
            approved = compliance.post(f"/company/v1/proposals/{mine['proposal_id']}/approve")
            enrolments = compliance.get("/company/v1/enrolments").json()["items"]
        issued = _enrol(stranger, vendor, invited.json()["code"], csr)

    assert refused.json()["code"] == "ROLE_NOT_ALLOWED"
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "60")
    assert own.json()["code"] == "SECOND_PERSON_NEEDED"
    assert by_auditor.json()["code"] == "ROLE_NOT_ALLOWED"
    assert approved.json()["status"] == "approved"
    assert [e["status"] for e in enrolments if e["vendor_id"] == vendor] == ["requested"]
    assert issued.status_code == 200
