"""An HTTP server on loopback that a test fills with answers, well-behaved or not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override


class Request(BaseHTTPRequestHandler):
    """What a responder gets: send_response and the like, and `content`, the body sent."""

    protocol_version = "HTTP/1.1"
    # Head and body in one packet, as servers do that are used in earnest.
    wbufsize = 65_536
    content = b""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_arguments: object) -> None:
        return


Responder = Callable[[Request], None]


@contextmanager
def answering(respond: Responder) -> Iterator[str]:
    """Serves on a free port until the block ends; gives the URL."""

    class Handler(Request):
        def do_GET(self) -> None:
            # A client that hangs up in the middle is what some tests are about.
            try:
                respond(self)
            except OSError:
                self.close_connection = True

        def do_POST(self) -> None:
            self.content = self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_POST()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
