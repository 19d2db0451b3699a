"""An S3 service on loopback (moto), and buckets with or without Object Lock."""

from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from audit.s3_store import LockMode, S3Credentials, S3Place

CREDENTIALS = S3Credentials("test", "not-a-secret")
REGION = "cn-north-1"


class S3Server:
    """One server at a time in a process; what it keeps outlives a stop."""

    def __init__(self) -> None:
        self._port = 0
        self._server: ThreadedMotoServer | None = None
        self.start()

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            assert server._server is not None
            server._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS.access_key,
            aws_secret_access_key=CREDENTIALS.secret_key,
        )

    def new_bucket(self, name: str, *, is_locked: bool = True) -> str:
        self.client().create_bucket(
            Bucket=name,
            ObjectLockEnabledForBucket=is_locked,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        return name

    def place(self, bucket: str, *, mode: LockMode = "COMPLIANCE", prefix: str = "") -> S3Place:
        return S3Place(bucket, prefix, self.url, REGION, mode, 30)
