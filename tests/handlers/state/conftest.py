"""A web server on loopback that stands for Slack's webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest


class Slack(HTTPServer):
    """Keeps what was posted.

    :param status: what it answers.
    """

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.posts: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def texts(self) -> list[str]:
        return [post["text"] for post in self.posts]


class _Webhook(BaseHTTPRequestHandler):
    server: Slack

    def do_POST(self) -> None:
        self.server.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
