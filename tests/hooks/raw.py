"""A server on loopback that sends what it is told, byte for byte."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Send = Callable[[bytes], None]


class Raw:
    """Sends what it is told; ``received`` is the last request, ``calls`` how many there were."""

    def __init__(self, serve: Callable[[Send], None]) -> None:
        self.calls = 0
        self.received = b""
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            self.received = _whole_request(client)
            self.calls += 1
            self._serve(client.sendall)

    def close(self) -> None:
        # A blocked accept() keeps a closed socket alive.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _whole_request(client: socket.socket) -> bytes:
    """Head and body, which come one after the other."""
    received = client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *([0-9]+)", head)
    while length and len(body) < int(length[1]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def whole(body: bytes, *headers: str, status: str = "200 OK") -> Callable[[Send], None]:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""))
    return lambda send: send(head.encode() + body)
