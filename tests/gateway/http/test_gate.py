"""What a closing credential may reach: what a route says of itself, and nothing by default."""

import pytest
from fastapi import Response

from gateway.app import describe_vendor_api
from gateway.http.application import FOR_CLOSING, GatewayAPI

UPLOADS = {
    ("post", "/v1/closing/destruction-certificate"),
    ("post", "/v1/call-records"),
    ("get", "/v1/call-records/batches/{batch_id}"),
    ("options", "/v1/recordings"),
    ("post", "/v1/recordings"),
    ("head", "/v1/recordings/{recording_id}"),
    ("patch", "/v1/recordings/{recording_id}"),
    ("delete", "/v1/recordings/{recording_id}"),
}


def test_exactly_these_routes_are_for_what_is_left_to_send() -> None:
    found = {
        (method, path)
        for path, methods in describe_vendor_api()["paths"].items()
        for method, operation in methods.items()
        if operation.get("x-closing")
    }

    assert found == UPLOADS


@pytest.mark.parametrize(
    ("method", "path", "is_open"),
    [
        ("PUT", "/v1/uploads/7", True),
        ("GET", "/v1/uploads/7", False),
        ("PUT", "/v1/uploads/7/", False),
        ("PUT", "/v1/uploads", False),
        ("PUT", "/v1/other/7", False),
        ("GET", "/v1/nothing", False),
    ],
)
def test_a_route_that_does_not_say_so_is_closed(method: str, path: str, is_open: bool) -> None:  # noqa: FBT001 - a parameter of the test
    api = GatewayAPI(title="test", description="test")

    @api.put("/v1/uploads/{upload}", openapi_extra=FOR_CLOSING)
    async def put_upload(upload: str) -> Response:
        return Response(upload)

    @api.get("/v1/uploads/{upload}")
    async def get_upload(upload: str) -> Response:
        return Response(upload)

    @api.put("/v1/other/{upload}", openapi_extra={"x-closing": "no"})
    async def put_other(upload: str) -> Response:
        return Response(upload)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    assert api.is_for_closing(scope) is is_open
