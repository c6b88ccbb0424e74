"""The control plane in Airflow's real API application: what people do is told once, a refusal is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse

from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.handlers.signal.event_types import BY_USER, EVENT_TYPES
from airflow_provider_pipehooks.handlers.signals import PipelineEvent
from airflow_provider_pipehooks.plugins import background as background_module
from airflow_provider_pipehooks.plugins import control_plane
from airflow_provider_pipehooks.plugins.background import Background
from airflow_provider_pipehooks.plugins.control_plane import ControlPlane
from tests.plugins.operations import ANSWER, OPERATIONS, REFUSED, Operation, filled, wrong

NUMBERS = count()
Call = Callable[..., Any]


@pytest.fixture
def run(call: Call, queue: Background, told: list[PipelineEvent]) -> Callable[[str], str]:
    """A DAG run that nobody has operated on yet, and nothing told so far."""

    def new(dag_id: str) -> str:
        name = f"r{next(NUMBERS)}"
        call("admin", "PATCH", f"dags/{dag_id}", {"is_paused": False})
        answer = call("admin", "POST", f"dags/{dag_id}/dagRuns", {"dag_run_id": name, "logical_date": None})
        assert answer.status_code == 200, answer.text
        forget(queue, told)
        return name

    return new


def forget(queue: Background, told: list[PipelineEvent]) -> None:
    assert queue.flush(10)
    told.clear()


def events(queue: Background, told: list[PipelineEvent]) -> list[Any]:
    assert queue.flush(10)
    return [event.as_dict() for event in told]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_is_told_by_its_events_once(
    operation: Operation, call: Call, run: Callable[[str], str], queue: Background, told: list[PipelineEvent]
) -> None:
    name = run(operation.dag_id)
    for request in operation.first:
        assert call("admin", *filled(request, name)).is_success
    forget(queue, told)
    answer = call("admin", *filled(operation.request, name))
    assert answer.is_success, answer.text
    assert wrong(operation, events(queue, told), name, "admin") == []


# After all other tests the API does not see the question that this one stores; alone, or with its file, it
# does. Why is not known yet, so it runs with the slow lanes; tests/fault/control_plane.py has it for real.
@pytest.mark.slow
def test_the_answer_to_a_question_is_told_as_a_callback(
    call: Call, run: Callable[[str], str], queue: Background, told: list[PipelineEvent]
) -> None:
    name = run("asking")
    ask(name)
    answer = call("admin", *filled(ANSWER.request, name))
    assert answer.is_success, answer.text
    assert wrong(ANSWER, events(queue, told), name, "admin") == []


def ask(run_id: str) -> None:
    """As the task does it, which waits then."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        (ti,) = session.query(TaskInstance).filter_by(dag_id="asking", run_id=run_id)
        session.add(HITLDetail(ti_id=ti.id, options=["yes", "no"], subject="Go on?", multiple=False))


@pytest.mark.parametrize(("what", "user", "request_", "status"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_or_changes_nothing_is_not_told(
    what: str,
    user: str,
    request_: Any,
    status: int,
    caplog: pytest.LogCaptureFixture,
    call: Call,
    run: Callable[[str], str],
    queue: Background,
    told: list[PipelineEvent],
) -> None:
    name = run("operated")
    call("admin", "PATCH", f"dags/operated/dagRuns/{name}/taskInstances/load", {"new_state": "failed"})
    forget(queue, told)
    answer = call(user, *filled(request_, name))
    assert answer.status_code == status, answer.text
    assert events(queue, told) == []
    assert "no event tells of it" not in caplog.text


def test_every_event_has_the_keys_of_its_type(
    call: Call, run: Callable[[str], str], queue: Background, told: list[PipelineEvent]
) -> None:
    name = run("operated")
    seen: set[str] = set()
    for operation in OPERATIONS:
        if operation.dag_id == "operated":
            for request in (*operation.first, operation.request):
                call("admin", *filled(request, name))
            name = run("operated") if "delete" in operation.name else name
            seen |= check_keys(queue, told)
    assert len(seen) >= 12


def check_keys(queue: Background, told: list[PipelineEvent]) -> set[str]:
    queue.flush(10)
    for event in told:
        kind = EVENT_TYPES[event.event_type]
        assert {*kind.ids, *kind.keys, *BY_USER} <= set(event.data), event
    return {event.event_type for event in told}


def test_every_type_that_a_user_causes_is_in_the_table() -> None:
    by_user = {name for name, kind in EVENT_TYPES.items() if kind.told_by == "user"} - {*UNREAD}
    actions = [name for operation in (*OPERATIONS, ANSWER) for name, _ in operation.actions]
    told = {when + name for name in actions for when in ("pre_", "post_")}
    assert by_user <= told


def test_a_failed_task_keeps_its_version(
    call: Call, run: Callable[[str], str], queue: Background, told: list[PipelineEvent]
) -> None:
    """Airflow opens no new try when a person fails a task; Bamboo gives the node a new version."""
    name = run("operated")
    call("admin", "PATCH", f"dags/operated/dagRuns/{name}/taskInstances/load", {"new_state": "failed"})
    before, after = events(queue, told)
    assert not {"old_version", "new_version"} & set(before["data"])
    data = after["data"]
    assert data["old_version"] == data["new_version"] == data["try_number"]


def test_a_cookie_names_its_user_too(
    api_app: Any, run: Callable[[str], str], queue: Background, told: list[PipelineEvent]
) -> None:
    """The browser sends no header."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    run("operated")
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="eve", role="admin"))
    browser = TestClient(api_app, cookies={"_token": token})
    assert browser.patch("/api/v2/dags/operated", json={"is_paused": True}).is_success
    assert [event["data"]["user"] for event in events(queue, told)] == ["eve", "eve"]


# The middleware around a small application


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def crash(request: Request) -> PlainTextResponse:
    raise RuntimeError("the route broke")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, queue: Background, told: list[PipelineEvent]) -> Any:
    """An application whose every route gives the body back, called by a known user."""

    async def known(scope: Any) -> dict[str, str]:
        return {"id": "1", "name": "ann"}

    monkeypatch.setattr(control_plane, "user_of", known)
    methods = ["POST", "PATCH", "DELETE"]
    app = FastAPI()
    app.add_api_route("/api/v2/dags/broken", crash, methods=methods)
    app.add_api_route("/api/v2/dags/{dag_id}", echo, methods=methods)
    app.state.dag_bag = None
    app.add_middleware(ControlPlane)
    return app


def client_of(app: Any, **options: Any) -> Any:
    from starlette.testclient import TestClient

    return TestClient(app, raise_server_exceptions=False, **options)


def test_a_body_in_parts_reaches_the_route_whole(
    small: Any, queue: Background, told: list[PipelineEvent]
) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"is_paused": tr'
        yield b'ue, "dag_id": "d"}'

    answer = client_of(small).patch("/api/v2/dags/d", content=parts())
    assert answer.json() == {"is_paused": True, "dag_id": "d"}
    assert [event["event_type"] for event in events(queue, told)] == [
        "pre_pause_pipeline",
        "post_pause_pipeline",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[1]",
        b'"text"',
        b"{}",
        b'{"is_paused": "yes"}',
        b'{"is_paused": true}',
        b"\xff\xfe",
    ],
)
def test_no_body_breaks_a_request(
    body: bytes, small: Any, queue: Background, told: list[PipelineEvent]
) -> None:
    assert client_of(small).patch("/api/v2/dags/d", content=body).content == body
    assert [event["event_type"] for event in events(queue, told)] == UNREAD


UNREAD = ["pre_unread_operation", "post_unread_operation"]


def test_a_body_that_is_too_large_is_told_by_who_sent_it_where(
    small: Any,
    queue: Background,
    told: list[PipelineEvent],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(control_plane, "LARGEST_BODY_BYTES", 100)
    body = b'{"is_paused": true, "dag_id": "' + b"d" * 100 + b'"}'
    assert client_of(small).patch("/api/v2/dags/d", content=body).content == body
    before, after = events(queue, told)
    assert [before["event_type"], after["event_type"]] == UNREAD
    assert {key: before["data"][key] for key in ("dag_id", "method", "path", "user", "user_id")} == {
        "dag_id": "d",
        "method": "PATCH",
        "path": "/api/v2/dags/d",
        "user": "ann",
        "user_id": "1",
    }
    assert "PATCH /api/v2/dags/d" in caplog.text


def test_bodies_that_wait_are_held_in_bytes(
    small: Any, queue: Background, told: list[PipelineEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver hangs: of what comes beyond the limit only who sent it where is kept."""
    go_on = threading.Event()
    signals.pipeline_event.connect(lambda sender, event: go_on.wait(60), weak=False)
    body = {"is_paused": True, "dag_id": "d", "pad": "x" * 1000}
    monkeypatch.setattr(control_plane, "MOST_BYTES_WAITING", 5_000)
    for _ in range(10):
        assert client_of(small).patch("/api/v2/dags/d", json=body).status_code == 200
        assert queue.weight <= 5_000
    go_on.set()
    names = [event["event_type"] for event in events(queue, told)]
    assert len(names) == 20
    assert 0 < sum(name in UNREAD for name in names) < 20
    assert queue.weight == 0


def test_a_route_that_breaks_is_not_told(small: Any, queue: Background, told: list[PipelineEvent]) -> None:
    assert client_of(small).patch("/api/v2/dags/broken", json={"is_paused": True}).status_code == 500
    assert events(queue, told) == []


def test_a_wrong_option_does_not_break_a_request(
    small: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background_module, "_of_this_process", None)
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__PIPELINE_EVENT_QUEUE_SIZE", "many")
    assert client_of(small).patch("/api/v2/dags/d", json={"is_paused": True}).status_code == 200
    assert "pipeline_event_queue_size" in caplog.text


def test_a_server_below_a_path_is_told_of_too(
    small: Any, queue: Background, told: list[PipelineEvent]
) -> None:
    body = {"is_paused": True, "dag_id": "d"}
    client_of(small, root_path="/team").patch("/team/api/v2/dags/d", json=body)
    assert len(events(queue, told)) == 2


def test_an_answer_does_not_wait_for_a_receiver_that_hangs(small: Any, queue: Background) -> None:
    go_on = threading.Event()
    later: list[str] = []

    def hang(sender: object, event: PipelineEvent) -> None:
        go_on.wait(60)
        later.append(event.event_type)

    signals.pipeline_event.connect(hang, weak=False)
    body = {"is_paused": True, "dag_id": "d"}
    assert client_of(small).patch("/api/v2/dags/d", json=body).status_code == 200
    assert later == []
    go_on.set()
    assert queue.flush(10)
    assert later == ["pre_pause_pipeline", "post_pause_pipeline"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v2/dags/d"),
        ("PATCH", "/execution/task-instances/1/run"),
        ("POST", "/auth/token"),
    ],
)
def test_other_requests_are_passed_on_as_they_are(method: str, path: str) -> None:
    """The very same objects: nothing is wrapped."""
    passed: list[Any] = []

    async def app(*given: Any) -> None:
        passed.extend(given)

    given = ({"type": "http", "method": method, "path": path}, object(), object())
    asyncio.run(ControlPlane(app)(*given))  # type: ignore[arg-type]
    assert [id(each) for each in passed] == [id(each) for each in given]


@pytest.mark.parametrize("path", ["variables", "dags/~/dagRuns/list", "dags/d/dry_run"])
def test_of_other_routes_nothing_is_told_and_nobody_is_asked(
    path: str, small: Any, queue: Background, told: list[PipelineEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(scope: Any) -> None:
        raise AssertionError("asked who it is")

    monkeypatch.setattr(control_plane, "user_of", nobody)
    small.add_api_route(f"/api/v2/{path}", echo, methods=["POST"])
    assert client_of(small).post(f"/api/v2/{path}", json={}).status_code == 200
    assert events(queue, told) == []
