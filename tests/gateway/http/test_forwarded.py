import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProxyRefusedError
from gateway.http.forwarded import (
    MAX_CERTIFICATE_BYTES,
    ForwardedCertificates,
    HopHeader,
    names_certificate,
    verify_nothing_forwarded,
)
from gateway.http.protocol import MAX_HEADER_BYTES
from gateway.identity.chain import ClientChain
from tests.deploy.proxied import CLOCK, Proxied, byte_sequence, der_of, proxied, xfcc
from tests.gateway.http.forgeries import (
    FORGERIES,
    HEADER,
    NOT_ALLOWED,
    WAYS,
    WRONG,
    XFCC,
    as_a_stranger,
    good,
)
from tests.promises.ledger import log_size, logged_entries

# Everything served, more than once: left to `make test-long`.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def behind_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """RFC 9440 over the UNIX socket."""
    with proxied(tmp_path_factory.mktemp("forwarded") / "unix", mode="unix") as served:
        yield served


@pytest.fixture(scope="module")
def behind_hop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """XFCC over a TLS connection with a pinned certificate."""
    directory = tmp_path_factory.mktemp("forwarded") / "pinned"
    with proxied(directory, mode="pinned", header="xfcc") as served:
        yield served


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forged_header_is_believed_and_each_leaves_an_entry(
    name: str, behind_socket: Proxied, behind_hop: Proxied
) -> None:
    forgery = FORGERIES[name]
    served = behind_hop if "hop" in forgery.way else behind_socket
    headers = forgery.make(served)
    with WAYS[forgery.way](served) as client:
        before = log_size(served.installation)
        answer = client.get("/.well-known/jwks.json", headers=headers)
    entries = [entry.fields for entry in logged_entries(served.installation, since=before)]

    assert (answer.status_code, answer.json()["code"]) == (forgery.status, forgery.code)
    assert answer.headers["content-type"] == "application/problem+json"
    kind = "proxy.refused" if forgery.reason else "access.denied"
    [entry] = [entry for entry in entries if entry["type"] == kind]
    assert entry["code"] == forgery.code
    assert entry.get("reason") == forgery.reason
    assert entry.get("is_hop", True) is (forgery.way in {"socket", "hop"})


def test_a_token_of_one_contract_is_useless_with_a_certificate_of_another(
    behind_socket: Proxied,
) -> None:
    with behind_socket.by_socket() as client:
        mine = {HEADER: byte_sequence(good(behind_socket))}
        answer = client.post(
            "/oauth2/token", data={"grant_type": "client_credentials"}, headers=mine
        )
        token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        theirs = {HEADER: byte_sequence(behind_socket.vendor_der("beta"))}

        assert client.get("/v1/cases", headers={**mine, **token}).status_code == 200
        refused = client.get("/v1/cases", headers={**theirs, **token})
        again = client.get("/v1/cases", headers={**mine, **token})

    assert (refused.status_code, refused.json()["code"]) == (401, "TOKEN_FOREIGN")
    assert again.status_code == 200


def test_a_pinned_hop_forwards_with_the_chain_and_a_vendor_still_comes_himself(
    behind_hop: Proxied,
) -> None:
    der = good(behind_hop)
    pem = (behind_hop.installation.directory / "vendors/alpha/client.pem").read_text()
    issuer = der_of(pem[pem.index("-----END") + len("-----END CERTIFICATE-----\n") :])
    with ExitStack() as stack:
        hop = stack.enter_context(behind_hop.by_hop())
        vendor = stack.enter_context(behind_hop.installation.vendor("alpha"))
        answers = [
            hop.get("/.well-known/jwks.json", headers={XFCC: value})
            for value in (xfcc(der), xfcc(der, chain=(der, issuer)))
        ]
        alone = hop.get("/.well-known/jwks.json")
        token = vendor.headers["Authorization"]
        forwarded = hop.get("/v1/cases", headers={XFCC: xfcc(der), "Authorization": token})
        assert vendor.get("/v1/cases").status_code == 200

    assert [answer.status_code for answer in answers] == [200, 200]
    assert alone.json()["code"] == WRONG
    # One certificate, so one binding, whichever way it came.
    assert forwarded.status_code == 200


def test_a_trailer_that_names_a_certificate_ends_the_connection(behind_socket: Proxied) -> None:
    mine, theirs = (byte_sequence(behind_socket.vendor_der(one)) for one in ("alpha", "beta"))
    request = (
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        f"{HEADER}: {mine}\r\n\r\n1\r\na\r\n0\r\n{HEADER}: {theirs}\r\n\r\n"
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(behind_socket.socket))
        connection.sendall(request.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"SCHEMA_INVALID" in answer


def test_strangers_cannot_fill_the_log(behind_socket: Proxied) -> None:
    before = log_size(behind_socket.installation)
    with as_a_stranger(behind_socket) as client:
        codes = {
            client.get("/", headers={HEADER: ":AAAA:"}).json()["code"] for _attempt in range(40)
        }
    entries = logged_entries(behind_socket.installation, since=before)
    told = [entry for entry in entries if entry.fields["type"] == "proxy.refused"]

    assert codes == {NOT_ALLOWED}
    assert len(told) <= 21


@given(
    name=st.sampled_from(["client-cert", "x-forwarded-client-cert", "client-cert-chain"]),
    data=st.data(),
)
def test_no_spelling_of_a_name_passes(name: str, data: st.DataObject) -> None:
    spelled = "".join(
        data.draw(st.sampled_from([letter.upper(), letter] if letter != "-" else ["-", "_"]))
        for letter in name
    )

    assert names_certificate(spelled.encode())
    with pytest.raises(ProxyRefusedError):
        verify_nothing_forwarded([(spelled.lower().encode(), b"x")])


@given(value=st.binary(max_size=400))
def test_no_value_does_more_than_be_refused(value: bytes) -> None:
    chain = ClientChain([], max_issuers=3)
    for header, name in (
        (HopHeader.CLIENT_CERT, b"client-cert"),
        (HopHeader.XFCC, XFCC.lower().encode()),
    ):
        strict = ForwardedCertificates(header, chain, CLOCK, max_chain=2)
        with pytest.raises(ProxyRefusedError):
            strict.thumbprint([(name, value)])


def test_the_longest_certificate_fits_into_the_head() -> None:
    assert MAX_CERTIFICATE_BYTES * 4 // 3 + 4096 < MAX_HEADER_BYTES
