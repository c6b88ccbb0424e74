"""SNS with its bad days: a small HTTP server before moto's, which can be away, refuse, or lose its answers.

It also refuses what the real SNS refuses and moto lets pass: subjects with control characters, and messages
that have too many bytes.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import requests

from airflow_provider_pipehooks.standin.server import LOOPBACK

#: Of body and attributes together (API ``Publish``; the default of a topic's ``MaximumMessageSize``).
MOST_BYTES = 262_144
#: How often the answer about one alert is lost. Whoever asks twice still does not know what became of it.
LOST_ANSWERS = 2


class Fault(Enum):
    """What happens to a request to publish."""

    NONE = "it is taken"
    DOWN = "nobody listens: the connection is refused"
    THROTTLED = "too many of them"
    GARBLED = "something on the way answers with a page of its own"
    KMS_THROTTLED = "too many of them, says the service that encrypts"
    GONE = "no such topic"
    UNAVAILABLE = "not now"
    ANSWER_LOST = "it is taken, and the connection closed without a word"
    HELD = "it is kept, and never comes to SNS"
    ANSWER_HELD = "it is taken, and the answer is kept: once for each topic"


#: Status, code and message of those that are answered with an error.
REFUSALS: Mapping[Fault, tuple[int, str, str]] = {
    Fault.THROTTLED: (400, "Throttling", "Rate exceeded"),
    Fault.KMS_THROTTLED: (400, "KMSThrottling", "The rate of requests to KMS was exceeded"),
    Fault.GONE: (404, "NotFound", "Topic does not exist"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable", "The service cannot handle the request"),
}


@dataclass(frozen=True)
class Publish:
    """What a request to publish holds.

    :param key_id: with which it is signed.
    :param fields: of the form.
    """

    key_id: str
    fields: Mapping[str, str]

    @property
    def alert_id(self) -> str:
        return self.attributes.get("alert_id", "")

    @property
    def topic(self) -> str:
        return self.fields.get("TopicArn") or self.fields.get("TargetArn", "")

    @property
    def attributes(self) -> dict[str, str]:
        found = {}
        for name, value in self.fields.items():
            if entry := re.fullmatch(r"(MessageAttributes\.entry\.\d+)\.Name", name):
                found[value] = self.fields.get(f"{entry[1]}.Value.StringValue", "")
        return found

    @property
    def objection(self) -> str | None:
        """Why the real SNS would not take it."""
        subject = self.fields.get("Subject")
        if subject is not None and not 0 < len(subject) < 100:
            return f"Subject has {len(subject)} characters"
        if any(unicodedata.category(char).startswith("C") for char in subject or ""):
            return "Subject has control characters"
        used = sum(len((name + value).encode()) for name, value in self.attributes.items())
        if (size := used + len(self.fields["Message"].encode())) > MOST_BYTES:
            return f"Message has {size} bytes"
        return None


class FaultySns:
    """The server; in a ``with``, it listens.

    :param moto_url: where what passes goes.
    :param struck: how many requests its faults have met.
    :param expired: the ids of access keys whose time is over.
    """

    def __init__(self, moto_url: str, port: int) -> None:
        self.moto_url, self.port = moto_url, port
        self.url = f"http://{LOOPBACK}:{port}"
        self.expired: set[str] = set()
        self.struck = 0
        self._fault = Fault.NONE
        self._lock = threading.Lock()
        self._answers = Counter[str]()
        self._held: dict[str, threading.Event] = {}
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> FaultySns:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.fault = Fault.DOWN
        for held in list(self._held.values()):
            held.set()

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        if fault is Fault.DOWN and self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        elif fault is not Fault.DOWN and self._server is None:
            self._listen()

    def _listen(self) -> None:
        self._server = _Server((LOOPBACK, self.port), _Handler)
        self._server.sns = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def has_held(self, alert_id: str) -> bool:
        """Whether somebody waits for an answer about an alert."""
        return alert_id in self._held

    def drop(self, alert_id: str) -> None:
        """Whoever waited for it is gone: close its connection."""
        self._held[alert_id].set()

    def answer(self, publish: Publish, raw: bytes, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
        """What a request to publish comes to; None where the connection is closed without an answer."""
        fault = self._fault
        if publish.key_id in self.expired:
            return self._refusal(403, "ExpiredToken", "The security token in the request is expired")
        if objection := publish.objection:
            return self._refusal(400, "InvalidParameter", f"Invalid parameter: {objection}")
        if fault is Fault.HELD:
            self._hold(publish.alert_id)
            return None
        if fault in REFUSALS:
            return self._refusal(*REFUSALS[fault])
        if fault is Fault.GARBLED:
            self._strike()
            return 502, b"<!doctype html><title>Bad Gateway</title>"
        answer = self.passed_on(raw, headers)
        if fault is Fault.ANSWER_LOST and self._counted(publish.alert_id) <= LOST_ANSWERS:
            self._strike()
            return None
        if fault is Fault.ANSWER_HELD and self._counted(publish.topic) == 1:
            self._hold(publish.alert_id)
            return None
        return answer

    def passed_on(self, raw: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        answer = requests.post(self.moto_url, data=raw, headers=dict(headers), timeout=60)
        return answer.status_code, answer.content

    def _refusal(self, status: int, code: str, message: str) -> tuple[int, bytes]:
        self._strike()
        return status, (
            '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{escape(message)}</Message></Error><RequestId>r</RequestId>"
            "</ErrorResponse>"
        ).encode()

    def _counted(self, what: str) -> int:
        """How often an answer about an alert, or a topic, was due."""
        with self._lock:
            self._answers[what] += 1
            return self._answers[what]

    def _hold(self, alert_id: str) -> None:
        """Until :meth:`drop`."""
        self._strike()
        held = self._held[alert_id] = threading.Event()
        held.wait()

    def _strike(self) -> None:
        with self._lock:
            self.struck += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    sns: FaultySns


class _Handler(BaseHTTPRequestHandler):
    """One request; the connection is closed after it."""

    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fields = dict(parse_qsl(raw.decode(), keep_blank_values=True))
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
        }
        if fields.get("Action") == "Publish":
            signed = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
            answer = self.server.sns.answer(Publish(signed[1] if signed else "", fields), raw, headers)
        else:
            answer = self.server.sns.passed_on(raw, headers)
        if answer is None:
            self.close_connection = True
            return
        status, content = answer
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
