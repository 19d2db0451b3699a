"""The vendor API against its own document, over mutual TLS: no 5xx, no undocumented answer."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.affairs.files_format import MediaType
from gateway.app import describe_vendor_api
from tests.installation import Installation

# Minutes with everything served: left to `make test-long`.
pytestmark = pytest.mark.long

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer(
    "application/pkcs10",
    "application/offset+octet-stream",
    "application/x-ndjson",
    "text/csv",
    *(kind.value for kind in MediaType),
)
def as_bytes(_context: Any, value: Any) -> bytes:
    """What is no JSON goes over the wire as the text that it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


schema = schemathesis.openapi.from_dict(describe_vendor_api())


@pytest.fixture(scope="module")
def vendor(calling_gateway: Installation) -> Iterator[requests.Session]:
    folder = calling_gateway.directory / "vendors" / "beta"
    with requests.Session() as session:
        session.cert = (str(folder / "client.pem"), str(folder / "client.key"))
        session.verify = str(folder / "ca.pem")
        session.trust_env = False
        answer = session.post(
            f"{calling_gateway.vendor_url}/oauth2/token",
            data={"grant_type": "client_credentials"},
            timeout=10,
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield session


@schema.parametrize()
@settings(
    max_examples=int(os.environ.get("CASEGATE_CONTRACT_EXAMPLES", "6")),
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_describes(
    case: Any, calling_gateway: Installation, vendor: requests.Session
) -> None:
    # A stream would be followed for ever; it has tests of its own.
    case.headers.pop("Accept", None)
    case.headers["Authorization"] = vendor.headers["Authorization"]

    response = case.call(
        base_url=calling_gateway.vendor_url,
        session=vendor,
        verify=vendor.verify,
        cert=vendor.cert,
        timeout=20,
    )

    case.validate_response(response, checks=_CHECKS)
