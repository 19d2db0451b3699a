# ruff: noqa: INP001  # a program that is copied into the image alone, no package
"""Exit code 0 when a worker shakes hands on the vendor listener, 1 when none does in 3 seconds.

`python healthcheck.py [PORT]`. It shows no certificate and trusts none: it asks for life, not for
identity, and needs no key. What it stands for is a worker that runs; the supervisor's own sockets
would take a bare connection without one.
"""

import socket
import ssl
import sys

_PATIENCE_SECONDS = 3.0
_PORT = 8443


def is_alive(port: int) -> bool:
    """Whether a server shakes hands by TLS 1.3 on this port of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS) as below:
            context.wrap_socket(below).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if is_alive(int(sys.argv[1]) if len(sys.argv) > 1 else _PORT) else 1)
