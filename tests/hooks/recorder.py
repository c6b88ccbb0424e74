"""A server that writes down whole requests, headers too: an origin, or a proxy that answers by itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Seen:
    """One request; ``path`` is a whole URL when it came to a proxy."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Recorder:
    """What came, and over how many TCP connections."""

    url: str = ""
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0


@contextlib.contextmanager
def recording(answer: str, content_type: str = "application/json") -> Iterator[Recorder]:
    """Serve ``answer`` to every request, on loopback."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            recorder.connections += 1
            super().setup()

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            recorder.requests.append(Seen(self.command, self.path, dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = do_CONNECT = answer

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
