"""What one answer may take of a process, in both senders: time, memory, and no step to another host."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.hooks.bounds import LONGEST_BODY, Body, Unreadable
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud
from tests.hooks.raw import Raw, Send, whole

Serve = Callable[[Callable[[Send], None]], "Raw"]
Read = Callable[..., Any]

RUN = json.dumps({"data": {"id": 5, "status": 10, "job_definition_id": 7}}).encode()
BOMB_MB = 200


@pytest.fixture
def serve(connections: Callable[..., None]) -> Iterator[Serve]:
    opened: list[Raw] = []

    def begin(answer: Callable[[Send], None]) -> Raw:
        raw = Raw(answer)
        opened.append(raw)
        connections("dbt_cloud_default", conn_type="dbt_cloud", host=raw.url, login="1", password="a-token")
        return raw

    yield begin
    for raw in opened:
        raw.close()


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Read:
    """Read run 5, in one try, with one of the two senders."""

    def sync(timeout_seconds: float = 30.0) -> Any:
        hook = DbtCloudHook(timeout_seconds=timeout_seconds, retry_limit=1)
        try:
            return hook.call(DbtCloud().get_run(5))
        finally:
            hook.close()

    async def send(timeout_seconds: float) -> Any:
        hook = DbtCloudHook(timeout_seconds=timeout_seconds, retry_limit=1)
        try:
            return await hook.acall(DbtCloud().get_run(5))
        finally:
            await hook.aclose()

    return (
        sync if request.param == "sync" else lambda timeout_seconds=30.0: asyncio.run(send(timeout_seconds))
    )


def drip(start: bytes, drop: bytes) -> Callable[[Send], None]:
    """Bytes that come soon enough for any limit that is set for each of them."""

    def answer(send: Send) -> None:
        send(start)
        while True:
            send(drop)
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "), id="body"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks"
        ),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), id="header"),
        pytest.param(drip(b"HTTP/1.1 200 O", b"K"), id="status"),
    ],
)
def test_a_drip_ends_when_the_call_may_take_no_longer(
    answer: Callable[[Send], None], serve: Serve, read: Read
) -> None:
    serve(answer)
    with pytest.raises(RemoteCallError, match="Timeout") as raised:
        read(timeout_seconds=0.4)
    assert raised.value.retryable


def test_the_time_begins_anew_with_each_call_on_a_connection(serve: Serve, read: Read) -> None:
    """On one that is kept open, the second answer has its own time."""

    def answer(send: Send) -> None:
        time.sleep(0.3)
        whole(RUN)(send)

    serve(answer)
    assert [read(timeout_seconds=0.5).state for _ in range(2)] == [RunState.SUCCESS] * 2


def packed(kind: str, data: bytes) -> bytes:
    return gzip.compress(data) if kind == "gzip" else zlib.compress(data)


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_a_packed_answer_is_read(kind: str, serve: Serve, read: Read) -> None:
    serve(whole(packed(kind, RUN), f"Content-Encoding: {kind}"))
    assert read().state is RunState.SUCCESS


def test_an_answer_of_several_packed_ones_is_read(serve: Serve, read: Read) -> None:
    serve(whole(gzip.compress(RUN[:20]) + gzip.compress(RUN[20:]), "Content-Encoding: gzip"))
    assert read().state is RunState.SUCCESS


@pytest.mark.parametrize("size", [1, 7, 2**16])
def test_it_does_not_matter_how_a_packed_answer_is_cut(size: int) -> None:
    body, data = Body("gzip"), gzip.compress(RUN * 100) + gzip.compress(RUN)
    for at in range(0, len(data), size):
        body.add(data[at : at + size])
    assert body.text().encode() == RUN * 101


def test_an_answer_that_is_too_long_is_not_read(serve: Serve, read: Read) -> None:
    """The server could send a thousand times as much: the reader has left before."""
    sent = 0

    def answer(send: Send) -> None:
        nonlocal sent
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            send(b" " * 2**20)
            sent += 1

    serve(answer)
    with pytest.raises(RemoteCallError, match="more than 32 MB") as raised:
        read()
    assert raised.value.retryable
    assert sent < BOMB_MB


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_a_bomb_is_not_unpacked(kind: str) -> None:
    body = Body(kind)
    with pytest.raises(Unreadable, match="more than 32 MB"):
        body.add(packed(kind, b" " * BOMB_MB * 2**20))


def test_a_bomb_in_an_answer_is_an_error_that_may_pass(serve: Serve, read: Read) -> None:
    serve(whole(gzip.compress(b" " * 2 * LONGEST_BODY), "Content-Encoding: gzip"))
    with pytest.raises(RemoteCallError, match="more than 32 MB") as raised:
        read()
    assert raised.value.retryable


@pytest.mark.parametrize("body", [RUN, gzip.compress(RUN)[:20]], ids=["not packed", "cut"])
def test_what_cannot_be_unpacked_is_garbage_like_any_other(body: bytes, serve: Serve, read: Read) -> None:
    serve(whole(body, "Content-Encoding: gzip"))
    with pytest.raises(RemoteCallError, match="answered 200 with") as raised:
        read()
    assert raised.value.retryable


LOCATIONS = {
    "itself": "/api/v2/accounts/1/runs/5/",
    "a file": "file:///etc/passwd",
    "a script": "javascript:alert(1)",
    "not an address": "http://[bad",
    "another host": "{other}/latest?token=abcdefgh",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", LOCATIONS)
def test_no_redirect_is_followed(location: str, status: int, serve: Serve, read: Read) -> None:
    other = serve(whole(RUN))
    to = LOCATIONS[location].format(other=other.url)
    first = serve(whole(b"{}", f"Location: {to}", status=f"{status} Found"))
    with pytest.raises(RemoteCallError, match=f"answered {status}: a redirect to .* not followed") as raised:
        read()
    assert raised.value.retryable, "a page for an outage, or to log in: the wait goes on"
    assert to.partition("?")[0] in str(raised.value)
    assert "abcdefgh" not in str(raised.value)
    assert (first.calls, other.calls) == (1, 0)


def test_the_page_of_a_redirect_is_bounded_too(serve: Serve, read: Read) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 100000\r\n\r\n"
    serve(drip(head, b" "))
    with pytest.raises(RemoteCallError, match="Timeout"):
        read(timeout_seconds=0.4)


def test_a_start_that_is_sent_elsewhere_was_not_carried_out(serve: Serve) -> None:
    raw = serve(whole(b"{}", "Location: /x", status="302 Found"))
    with pytest.raises(RemoteCallError, match="a redirect to '/x'") as raised:
        DbtCloudHook().call(DbtCloud().start_run(5, cause="x", overrides={}))
    assert not raised.value.outcome_unknown
    assert raw.calls == 1


def test_no_answer_names_the_host_and_the_cause(serve: Serve, read: Read) -> None:
    raw = serve(whole(RUN))
    raw.close()
    host = raw.url.removeprefix("http://")
    with pytest.raises(RemoteCallError, match=f"got no answer from {host}: .*Connection refused"):
        read()
