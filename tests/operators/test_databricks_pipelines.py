"""START an update of a Databricks pipeline: one for each intent, nobody else's stopped, every event told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    RemoteCallError,
    RunCancelled,
    RunFailed,
    WaitTimedOut,
)
from airflow_provider_pipehooks.handlers.event.enabling import ENABLE_KEY
from airflow_provider_pipehooks.handlers.event_hooks import EventHooks, on_event_hook
from airflow_provider_pipehooks.notifications.failed_tasks import alert_of
from airflow_provider_pipehooks.notifications.message import body, subject
from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksSubmitRunOperator
from airflow_provider_pipehooks.operators.databricks_pipelines import (
    DatabricksPipelineUpdateOperator,
    UpdateActive,
)
from airflow_provider_pipehooks.services.databricks_pipelines import MARK
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from airflow_provider_pipehooks.tasks.listening import EVENTS_KEY
from tests.task_context import Try, crashed_before_the_answer, resume, run

Connect = Callable[..., None]
pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
FAST: dict[str, Any] = {"polling_period_seconds": 0.01, "hook_params": {"retry_delay": 0.001}}
HELD = Plan(hold=True, polls=1)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.tasks.listening.DRAIN_POLL_S", 0.01)


def operator(pipeline_id: str | None = None, **given: Any) -> DatabricksPipelineUpdateOperator:
    return DatabricksPipelineUpdateOperator(**{"task_id": "t", "pipeline_id": pipeline_id, **FAST, **given})


def starts(standin: StandIn) -> list[Any]:
    return standin.journal.find("POST", "/updates")


def stops(standin: StandIn) -> list[Any]:
    return standin.journal.find("POST", "/stop")


def states(standin: StandIn) -> list[str]:
    """Of all updates, oldest first."""
    return [update.state for update in standin.databricks_pipelines.updates.values()]


# --- what is sent -----------------------------------------------------------------------------------------

BODY: dict[str, Any] = {
    "full_refresh": True,
    "refresh_selection": ["a"],
    "full_refresh_selection": ["b"],
    "reset_checkpoint_selection": ["cat.sch.flow"],
    "validate_only": False,
    "development": True,
    "replace_where_overrides": [{"flow_name": "f", "predicate_override": "day > 1"}],
    "rewind_spec": {"dry_run": True},
}


@both
def test_an_update_is_started_and_ends_the_task(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline("orders", plan=Plan(polls=3))
    context = Try()
    update_id = run(operator(pipeline_id, deferrable=deferrable), context)
    assert list(standin.databricks_pipelines.updates) == [update_id]
    record = context.pushed["run"]
    assert (record["state"], record["job_id"], record["status"]) == ("SUCCESS", pipeline_id, "COMPLETED")
    assert context.pushed["run_url"] == f"{standin.url}/pipelines/{pipeline_id}/updates/{update_id}"
    assert len(starts(standin)) == 1
    assert stops(standin) == []


def test_a_pipeline_is_found_by_its_name(standin: StandIn) -> None:
    standin.databricks_pipelines.add_pipeline("orders of today")
    pipeline_id = standin.databricks_pipelines.add_pipeline("it's orders")
    context = Try()
    run(operator(pipeline_name="it's orders"), context)
    assert (context.pushed["run"]["job_id"], context.pushed["run"]["name"]) == (pipeline_id, "it's orders")


def test_names_of_none_and_of_several_are_refused_with_what_there_is(standin: StandIn) -> None:
    standin.databricks_pipelines.add_pipeline("orders")
    with pytest.raises(ConfigurationError, match=r"No Databricks pipeline is named 'order'\. Near"):
        run(operator(pipeline_name="order"), Try())
    standin.databricks_pipelines.add_pipeline("orders")
    with pytest.raises(ConfigurationError, match="2 Databricks pipelines are named 'orders'"):
        run(operator(pipeline_name="orders"), Try())
    assert starts(standin) == []


def test_every_field_is_sent_as_the_api_spells_it_and_unknown_ones_too(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    run(operator(pipeline_id, **BODY, json={"brand_new": 1, "full_refresh": False}), Try())
    (entry,) = starts(standin)
    mark = entry.body["parameters"].pop(MARK)
    assert mark.startswith("pipehooks:")
    assert entry.body == {**BODY, "brand_new": 1, "parameters": {}}


def test_our_mark_comes_to_the_parameters_of_the_user(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    run(operator(pipeline_id, parameters={"day": 7}), Try())
    assert starts(standin)[0].body["parameters"].keys() == {"day", MARK}
    assert starts(standin)[0].body["parameters"]["day"] == "7"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "either pipeline_id or pipeline_name; neither given"),
        ({"pipeline_id": "1", "pipeline_name": "x"}, "pipeline_id and pipeline_name given"),
        ({"pipeline_id": "1", "full_refresh": "perhaps"}, "full_refresh of task 't' must be true or false"),
        ({"pipeline_id": "1", "refresh_selection": {"a": 1}}, "refresh_selection of task 't' must be a list"),
        ({"pipeline_id": "1", "json": {"parameters": {MARK: "x"}}}, "is ours"),
        (
            {"pipeline_id": "1", "if_active": "kill"},
            "if_active of task 't' must be 'fail' or 'wait'",
        ),
        ({"pipeline_id": "1", "event_batch_size": 101}, "event_batch_size of task 't' must be 1 to 100"),
        ({"pipeline_id": "1", "event_batch_size": 0}, "event_batch_size"),
        ({"pipeline_id": "1", "wake_every": "soon"}, "wake_every of task 't'"),
        ({"pipeline_id": "1", "event_drain": -1}, "event_drain of task 't'"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        operator(**given)


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        ([5], "must be a function"),
        (print, "takes a list of functions"),
        ([lambda: None], "must take one argument"),
    ],
)
def test_what_is_no_hook_is_refused_where_it_is_written(hooks: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        operator("1", event_hooks=hooks)


def test_templates_are_read_when_the_task_runs(standin: StandIn) -> None:
    with DAG("d"):
        task = operator("{{ params.p }}", json="{{ params.body }}", full_refresh="{{ params.full }}")
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    context: Any = {"params": {"p": pipeline_id, "body": '{"validate_only": true}', "full": "True"}}
    task.render_template_fields(context)
    run(task, Try())
    body = starts(standin)[0].body
    assert (body["validate_only"], body["full_refresh"]) == (True, True)


# --- one update for each intent ---------------------------------------------------------------------------


@both
def test_a_start_whose_answer_was_lost_is_found_by_its_mark(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=3))
    standin.faults.add(Fault(method="POST", path="/updates", status=503, after_accept=True, times=1))
    run(operator(pipeline_id, deferrable=deferrable), Try())
    assert (len(standin.databricks_pipelines.updates), len(starts(standin))) == (1, 1)


def test_a_start_that_was_not_taken_is_sent_again(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    standin.faults.add(Fault(method="POST", path="/updates", status=503, times=1))
    run(operator(pipeline_id), Try())
    assert (len(standin.databricks_pipelines.updates), len(starts(standin))) == (1, 2)


def test_a_refused_start_is_sent_once(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    standin.faults.add(Fault(method="POST", path="/updates", status=400))
    with pytest.raises(RemoteCallError, match="answered 400"):
        run(operator(pipeline_id), Try())
    assert len(starts(standin)) == 1


@both
def test_a_try_after_a_crash_joins_the_update(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=8))
    context = Try()
    with pytest.raises(TaskDeferred):
        operator(pipeline_id, deferrable=True).execute(context)
    crashed_before_the_answer(context.store)
    run(operator(pipeline_id, deferrable=deferrable), context.next())
    assert len(standin.databricks_pipelines.updates) == 1


def test_where_parameters_do_not_come_back_cause_and_time_tell(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.databricks_pipelines.returns_parameters = False
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=5))
    standin.faults.add(Fault(method="POST", path="/updates", status=504, after_accept=True, times=1))
    run(operator(pipeline_id), Try())
    assert (len(standin.databricks_pipelines.updates), len(starts(standin))) == (1, 1)
    assert "is taken for the one that this task has started" in capsys.readouterr().out


def test_an_update_of_somebody_else_is_never_taken_for_ours(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=1))
    context = Try()
    standin.faults.add(Fault(method="POST", path="/updates", status=503))
    with pytest.raises(RemoteCallError):
        run(operator(pipeline_id), context)
    standin.faults.clear()
    theirs = standin.databricks_pipelines.start(pipeline_id, cause="API_CALL", parameters={"x": "1"})
    assert run(operator(pipeline_id, if_active="wait"), context.next()) != theirs


def test_a_cleared_task_starts_anew_after_stopping_its_own(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plans=[HELD, Plan(polls=2)])
    context = Try()
    with pytest.raises(TaskDeferred):
        operator(pipeline_id, deferrable=True).execute(context)
    run(operator(pipeline_id), context.next(cleared=4))
    assert states(standin) == ["CANCELED", "COMPLETED"]


# --- another update goes on -------------------------------------------------------------------------------


@both
def test_beside_another_update_the_task_fails_and_says_what_to_do(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=HELD)
    theirs = standin.databricks_pipelines.start(pipeline_id)
    with pytest.raises(UpdateActive, match=f"update {theirs} .* Set if_active to 'wait' or 'adopt'"):
        run(operator(pipeline_id, deferrable=deferrable), Try())
    assert (starts(standin), stops(standin)) == ([], [])


@both
def test_another_update_is_waited_for_and_never_stopped(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    theirs = standin.databricks_pipelines.start(pipeline_id)
    ours = run(operator(pipeline_id, if_active="wait", deferrable=deferrable), Try())
    assert ours != theirs
    assert states(standin) == ["COMPLETED", "COMPLETED"]
    assert stops(standin) == []


@both
def test_an_adopted_update_is_waited_for_and_never_stopped(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=30))
    theirs = standin.databricks_pipelines.start(pipeline_id)
    task = operator(pipeline_id, if_active="adopt", deferrable=deferrable, timeout=0.05)
    with pytest.raises(WaitTimedOut):
        run(task, Try())
    assert (starts(standin), stops(standin)) == ([], [])
    assert run(operator(pipeline_id, if_active="adopt", deferrable=deferrable), Try()) == theirs


def test_a_start_that_another_one_was_quicker_than_is_refused_in_the_same_words(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=HELD)
    task = operator(pipeline_id)
    standin.databricks_pipelines.start(pipeline_id)
    task._active = _none_then(task._active)  # type: ignore[method-assign]
    with pytest.raises(UpdateActive, match="goes on, and Databricks allows one at a time"):
        run(task, Try())
    assert len(standin.databricks_pipelines.updates) == 1


def _none_then(look: Callable[[], Any]) -> Callable[[], Any]:
    asked: list[bool] = []

    def active() -> Any:
        asked.append(True)
        return None if len(asked) == 1 else look()

    return active


@both
def test_who_goes_on_asks_for_no_name_again(standin: StandIn, deferrable: bool) -> None:
    standin.databricks_pipelines.add_pipeline("orders", plan=Plan(polls=3))
    run(operator(pipeline_name="orders", deferrable=deferrable), Try())
    by_name = [each for each in standin.journal.find("GET") if "filter" in each.query]
    assert len(by_name) == 1


def test_an_event_nested_without_end_hurts_no_other(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=3))
    deep: Any = {}
    for _ in range(400):
        deep = {"a": deep}
    standin.databricks_pipelines.emit(pipeline_id, {"event_type": "flow_progress", "details": deep})
    seen = Seen()
    run(operator(pipeline_id, event_hooks=[seen]), Try())
    assert seen.ids == [event["id"] for event in log_of(standin, pipeline_id)]


# --- the end, and cancel ----------------------------------------------------------------------------------


@both
def test_a_failed_update_says_which_flow_and_why(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline("orders", plan=Plan(outcome="failed", polls=2))
    with pytest.raises(RunFailed) as caught:
        run(operator(pipeline_id, deferrable=deferrable), Try())
    text = str(caught.value)
    assert "Databricks pipeline update" in text
    assert "main: Flow 'main' has FAILED. [PYTHON.EXCEPTION] (SQLSTATE P0001)" in text


@both
def test_retries_of_the_platform_are_followed_to_the_last(standin: StandIn, deferrable: bool) -> None:
    failing = Plan(outcome="failed", polls=2, details={"retries": 2, "retry_after_polls": 3})
    pipeline_id = standin.databricks_pipelines.add_pipeline(plans=[failing, failing, Plan(polls=2)])
    context = Try()
    first = run(operator(pipeline_id, deferrable=deferrable), context)
    assert states(standin) == ["FAILED", "FAILED", "COMPLETED"]
    assert (context.pushed["run"]["run_id"], context.pushed["run"]["attempt"]) == (first, 3)


def test_a_chain_that_fails_to_its_end_fails_the_task(standin: StandIn) -> None:
    failing = Plan(outcome="failed", polls=2, details={"retries": 1})
    pipeline_id = standin.databricks_pipelines.add_pipeline(plans=[failing, Plan(outcome="failed", polls=1)])
    context = Try()
    with pytest.raises(RunFailed):
        run(operator(pipeline_id), context)
    assert context.pushed["run"]["attempt"] == 2


@both
def test_an_update_that_takes_too_long_is_stopped_and_seen_stopped(
    standin: StandIn, deferrable: bool
) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=HELD)
    context, seen = Try(), Seen()
    with pytest.raises(WaitTimedOut):
        run(operator(pipeline_id, deferrable=deferrable, timeout=0.1, event_hooks=[seen]), context)
    assert states(standin) == ["CANCELED"]
    report = context.pushed["event_hooks"]
    assert report["handled"] + report["not_handled"] >= len(seen) > 0


def test_a_stop_ends_a_retry_of_ours(standin: StandIn) -> None:
    failing = Plan(outcome="failed", details={"retries": 1})
    pipeline_id = standin.databricks_pipelines.add_pipeline(plans=[failing, HELD])
    with pytest.raises(WaitTimedOut):
        run(operator(pipeline_id, timeout=0.2), Try())
    assert states(standin) == ["FAILED", "CANCELED"]


def test_an_update_of_somebody_else_is_not_stopped_in_place_of_ours(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plans=[Plan(), HELD])
    task = operator(pipeline_id)
    ours = run(task, Try())
    standin.databricks_pipelines.start(pipeline_id)
    task.cancel(ours, "a test")
    assert stops(standin) == []


def test_a_stopped_update_is_no_success(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(outcome="canceled", polls=2))
    with pytest.raises(RunCancelled):
        run(operator(pipeline_id), Try())


# --- events -----------------------------------------------------------------------------------------------


class Seen(list[dict[str, Any]]):
    """A hook that remembers what it is given."""

    __name__ = "seen"

    def __call__(self, event: dict[str, Any]) -> None:
        self.append(event)

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self]


def log_of(standin: StandIn, pipeline_id: str) -> list[dict[str, Any]]:
    """What hooks are for, as the stand-in has it."""
    events = standin.databricks_pipelines.pipelines[pipeline_id].log.events
    return [each for each in events if each["maturity_level"] == "STABLE"]


@both
def test_every_stable_event_is_given_once_and_in_order(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=6), flows=("a", "b"))
    seen, context = Seen(), Try()
    run(operator(pipeline_id, event_hooks=[seen], deferrable=deferrable, wake_every=0.05), context)
    assert seen.ids == [event["id"] for event in log_of(standin, pipeline_id)]
    assert context.pushed["event_hooks"]["not_handled"] == 0
    assert context.pushed["event_hooks"]["complete"]


def test_a_deferred_task_is_woken_while_there_are_events(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=HELD)
    seen, context = Seen(), Try()
    task = operator(pipeline_id, event_hooks=[seen], deferrable=True, wake_every=0.1, most_wakes=1)
    with pytest.raises(TaskDeferred) as first:
        task.execute(context)
    before = len(seen)
    standin.databricks_pipelines.emit(pipeline_id, {"event_type": "flow_progress", "message": "more"})
    trigger: Any = first.value.trigger
    assert (trigger.wake_every, bool(trigger.seen_until)) == (0.1, True)
    from tests.task_context import first_event, stored

    event = first_event(stored(trigger))
    assert "waits" in event
    with pytest.raises(TaskDeferred) as second:
        operator(pipeline_id, event_hooks=[seen], deferrable=True, most_wakes=1).execute_complete(
            context, event=event, **(first.value.kwargs or {})
        )
    assert [each["message"] for each in seen[before:]] == ["more"]
    assert second.value.trigger.wake_every is None  # it was woken often enough
    for update in standin.databricks_pipelines.updates:
        standin.databricks_pipelines.set_plan(update, Plan())
    assert resume(task, context, second.value)


def test_events_of_other_updates_are_not_given(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    run(operator(pipeline_id), Try())
    seen = Seen()
    second = run(operator(pipeline_id, event_hooks=[seen]), Try())
    assert {event["origin"]["update_id"] for event in seen} == {second}


def test_events_of_a_retry_are_given_and_switch_hooks_on_again(standin: StandIn) -> None:
    failing = Plan(outcome="failed", polls=2, details={"retries": 1})
    pipeline_id = standin.databricks_pipelines.add_pipeline(plans=[failing, Plan(polls=2)])
    calls: list[str] = []

    @on_event_hook(max_allowable_consecutive_failures=0)
    def bad(event: dict[str, Any]) -> None:
        calls.append(event["origin"]["update_id"])
        raise ValueError("no")

    run(operator(pipeline_id, event_hooks=[bad]), Try())
    assert calls == list(standin.databricks_pipelines.updates)


def test_a_hook_that_fails_too_often_is_told_of_and_the_update_succeeds(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    told: list[str] = []

    @on_event_hook(max_allowable_consecutive_failures=3)
    def bad(event: dict[str, Any]) -> None:
        raise ValueError("no")

    seen, context = Seen(), Try()
    task = operator(
        pipeline_id,
        event_hooks=[bad, seen],
        on_hook_disabled=lambda context: told.append(str(context["exception"])),
    )
    assert run(task, context)
    report = context.pushed["event_hooks"]
    assert (report["failures"], report["disabled"]) == (4, ["bad"])
    assert len(told) == 1
    assert "Hook bad DISABLED: ValueError: no" in told[0]
    assert seen.ids == [event["id"] for event in log_of(standin, pipeline_id)]


def test_an_alert_about_a_hook_does_not_say_that_the_task_failed(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    alerts: list[Any] = []

    @on_event_hook(max_allowable_consecutive_failures=0)
    def bad(event: dict[str, Any]) -> None:
        raise ValueError("no")

    def tell(context: Any) -> None:
        alerts.append(alert_of({**context, "run_id": "manual"}))

    run(operator(pipeline_id, event_hooks=[bad], on_hook_disabled=tell), Try())
    (alert,) = alerts
    assert alert.happened == "goes on without one of its event hooks"
    assert "failed" not in subject(alert)
    assert "HookDisabled: Event Hook bad DISABLED: ValueError: no" in body(alert)


def test_a_hook_is_switched_on_again_by_a_person(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    context, calls = Try(), list[str]()

    @on_event_hook(max_allowable_consecutive_failures=0)
    def bad(event: dict[str, Any]) -> None:
        calls.append(event["message"])
        if len(calls) == 2:
            context.store.set(ENABLE_KEY, {"hooks": ["bad"]})
        raise ValueError("no")

    context.store.set(ENABLE_KEY, {"hooks": []})
    run(operator(pipeline_id, event_hooks=[bad], event_batch_size=1), context)
    assert ENABLE_KEY not in context.store
    assert len(calls) >= 1


def test_a_try_after_a_crash_reads_on_where_the_last_one_was(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=6))
    context, seen = Try(), Seen()

    class Killed(BaseException):
        pass

    def dies(event: dict[str, Any]) -> None:
        seen(event)
        if len(seen) == 4:
            raise Killed

    with pytest.raises(Killed):
        run(operator(pipeline_id, event_hooks=[dies], event_batch_size=1), context)
    crashed_at = len(seen)
    run(operator(pipeline_id, event_hooks=[dies], event_batch_size=1), context.next())
    expected = [event["id"] for event in log_of(standin, pipeline_id)]
    assert seen.ids[:crashed_at] == expected[:crashed_at]
    assert seen.ids[crashed_at:] == expected[crashed_at - 1 :]  # only the one in hand comes again
    assert len(standin.databricks_pipelines.updates) == 1


def test_a_cleared_task_begins_with_the_events_of_its_new_update(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    context, seen = Try(), Seen()
    run(operator(pipeline_id, event_hooks=[seen]), context)
    first = len(seen)
    again = run(operator(pipeline_id, event_hooks=[seen]), context.next(cleared=4))
    assert {event["origin"]["update_id"] for event in seen[first:]} == {again}


def test_a_log_that_cannot_be_read_does_not_touch_the_task(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    standin.faults.add(Fault(path="/events", status=403))
    context = Try()
    assert run(operator(pipeline_id, event_hooks=[Seen()], event_drain=0.05), context)
    assert not context.pushed["event_hooks"]["complete"]
    assert "The event log cannot be read now" in capsys.readouterr().out


def test_what_the_drain_leaves_is_counted_and_said(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=1))
    now = datetime.now(timezone.utc)
    for number in range(50):
        standin.databricks_pipelines.emit(
            pipeline_id, {"event_type": "flow_progress"}, at=now + timedelta(milliseconds=number)
        )
    context = Try()
    run(operator(pipeline_id, event_hooks=[Seen()], event_drain=0, event_batch_size=10), context)
    report = context.pushed["event_hooks"]
    assert report["not_handled"] > 0
    assert report["seen"] + report["not_handled"] >= 50


def test_only_events_that_fit_the_filter_are_given(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    seen = Seen()
    hooks = EventHooks([seen], where={"event_type": "update_progress"})
    run(operator(pipeline_id, event_hooks=hooks), Try())
    assert {event["event_type"] for event in seen} == {"update_progress"}


def test_what_is_kept_of_a_wait_is_json_and_small(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(polls=4))
    context = Try()
    run(operator(pipeline_id, event_hooks=[Seen()]), context)
    assert len(json.dumps(context.store[EVENTS_KEY])) < 2_000


# --- a pipeline as the task of a job ----------------------------------------------------------------------


def test_a_submitted_pipeline_task_may_name_its_pipeline(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline("orders")
    task: BaseOperator = DatabricksSubmitRunOperator(
        task_id="t", pipeline_task={"pipeline_name": "orders"}, polling_period_seconds=0.01
    )
    run(task, Try())
    (entry,) = standin.journal.find("POST", "runs/submit")
    assert entry.body["pipeline_task"] == {"pipeline_id": pipeline_id}
