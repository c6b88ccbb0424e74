"""The notifier as Airflow calls it: in a worker, in the DAG processor, in the triggerer."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import structlog
from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext, TaskCallbackRequest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task

from airflow_provider_pipehooks.core.errors import (
    PipehooksError,
    RunFailed,
)
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.handlers.state_handlers import state_handlers
from airflow_provider_pipehooks.notifications.sns import SnsAlertNotifier, sns_on_failure
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed
from tests.aws import Topic
from tests.dag_runs import Finished

RunDag = Callable[..., Finished]
RUN = Run(service="dbt_cloud", run_id=42, state=RunState.ERROR, status="Error", message="no such table")
WITHOUT_TI = {"run_id": "manual__1", "reason": "timed_out"}


def test_without_target_the_variable_is_read_when_sending(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = sns_on_failure()
    monkeypatch.setenv("AIRFLOW_VAR_SNS_ARN", topic.arn)
    notifier(dict(WITHOUT_TI))
    assert topic.only().subject == "Airflow: unknown DAG failed"


@task
def fail() -> None:
    raise RunFailed(RUN)


@task
def fail_with_token() -> None:
    raise ValueError("401 for Authorization: Bearer abcdefgh12345")


def a_dag(name: str, **kwargs: Any) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), **kwargs)


def test_a_task_callback_tells_about_its_task_and_run(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("task_callback") as dag:
        fail.override(on_failure_callback=sns_on_failure(topic.arn))()
        fail.override(task_id="other")()
    run_dag(dag)

    message = topic.only()
    assert message.subject == "Airflow: task_callback failed: fail"
    assert "Task fail: failed (try 1 of 1): dbt Cloud run 42 error\n  Message: no such table" in message.text
    assert "/tasks/fail?try_number=1" in message.text
    assert "Error:" not in message.text  # it would say the same as the run


def test_no_token_of_an_error_text_is_sent(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("token") as dag:
        fail_with_token.override(on_failure_callback=sns_on_failure(topic.arn))()
    run_dag(dag)

    assert "Error:   ValueError: 401 for Authorization: Bearer ***" in topic.only().text


def test_templates_are_rendered_anew_for_each_event(run_dag: RunDag, topic: Topic) -> None:
    notifier = SnsAlertNotifier(
        target_arn=topic.arn,
        subject="{{ ti.task_id }}",
        message="{{ dag.dag_id }}",
        message_attributes={"task": "{{ ti.task_id }}"},
    )
    with a_dag("twice", default_args={"on_failure_callback": notifier}) as dag:
        fail.override(task_id="first")() >> fail.override(task_id="second", trigger_rule="all_done")()
    run_dag(dag)

    assert [(m.subject, m.text) for m in topic.sent()] == [("first", "twice"), ("second", "twice")]
    assert [m.attributes["task"]["Value"] for m in topic.sent()] == ["first", "second"]
    assert notifier.subject == "{{ ti.task_id }}"


def test_a_template_knows_what_we_would_tell(run_dag: RunDag, topic: Topic) -> None:
    notifier = sns_on_failure(
        topic.arn,
        subject="[{{ labels.severity }}] {{ subject }}",
        message="{{ ti.task_id }}, class {{ labels.class }}\n{{ body }}\n{{ alert.tasks[0].run.run_id }}",
        severity="warning",
    )
    with a_dag("in_words") as dag:
        fail.override(on_failure_callback=notifier)()
        alert = notify_if_one_failed(target_arn=topic.arn, message="{{ labels.dag_id }}: {{ alert_id }}")
        dag.get_task("fail") >> alert
    run_dag(dag)
    callback, task_ = topic.sent()
    assert callback.subject == "[warning] Airflow: in_words failed: fail"
    assert callback.text.startswith("fail, class unknown\nDAG in_words failed: 1 task.")
    assert callback.text.endswith("\n42")
    assert task_.text == f"in_words: {task_.attributes['alert_id']['Value']}"


@pytest.mark.parametrize("wrong", ["{{ nobody.knows }}", "{{", "{{ 1 / 0 }}"])
def test_a_template_that_cannot_be_rendered_keeps_no_alert_back(
    run_dag: RunDag, topic: Topic, wrong: str
) -> None:
    with a_dag("misspelt") as dag:
        first = fail.override(on_failure_callback=sns_on_failure(topic.arn, message=wrong))()
        first >> notify_if_one_failed(target_arn=topic.arn, subject=wrong)
    run_dag(dag)
    for message in topic.sent():
        assert message.subject == "Airflow: misspelt failed: fail"
        assert message.text.startswith("DAG misspelt failed: 1 task.")
        assert f"The template {wrong!r} cannot be rendered" in message.text
    assert len(topic.sent()) == 2


def test_a_retry_callback_says_that_it_goes_on(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("retrying") as dag:
        fail.override(retries=1, retry_delay=0, on_retry_callback=sns_on_failure(topic.arn))()
    run_dag(dag)

    message = topic.only()
    assert message.subject == "Airflow: retrying will retry: fail"
    assert "Task fail: up_for_retry (try 1 of 2)" in message.text


def test_a_dag_callback_without_a_way_to_ask_still_sends(run_dag: RunDag, topic: Topic) -> None:
    """``dag.test()`` calls it outside of any task; only the task that failed last is in its context."""
    with a_dag("dag_callback", on_failure_callback=sns_on_failure(topic.arn)) as dag:
        fail()
    run_dag(dag)

    message = topic.only()
    assert message.subject == "Airflow: dag_callback failed: fail"
    assert "Reason:   task_failure" in message.text


def dag_processor_runs(dag: DAG, request: Any, *, with_comms: bool) -> None:
    """Run a callback with the DAG processor's own code.

    :param with_comms: it can ask the execution API, as the real one can.
    """
    from airflow.dag_processing import processor
    from airflow.sdk.execution_time import supervisor

    in_process = supervisor.InProcessTestSupervisor(
        id=uuid.uuid4(),
        pid=1,
        process=psutil.Process(),
        process_log=structlog.get_logger(),
        client=supervisor.InProcessTestSupervisor._api_client(dag),
    )
    in_process.comms = supervisor.InProcessSupervisorComms(supervisor=in_process)
    is_task = hasattr(request, "task_callback_type")
    run = processor._execute_task_callbacks if is_task else processor._execute_dag_callbacks
    bag: Any = type("Bag", (), {"dags": {dag.dag_id: dag}})
    with supervisor.set_supervisor_comms(in_process.comms if with_comms else None):
        run(bag, request, structlog.get_logger())


BUNDLE: dict[str, Any] = {"filepath": "dag.py", "bundle_name": "dags-folder", "bundle_version": None}


def dag_failed(dag: DAG, dag_run: Any) -> None:
    """What the scheduler asks of the DAG processor when the DAG run failed by its task "fail"."""
    request = DagCallbackRequest(
        dag_id=dag.dag_id,
        run_id=dag_run.run_id,
        context_from_server=DagRunContext(dag_run=dag_run, last_ti=dag_run.get_task_instance("fail")),
        msg="task_failure",
        **BUNDLE,
    )
    dag_processor_runs(dag, request, with_comms=True)


def test_a_dag_callback_in_the_dag_processor_names_all_failed_tasks(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("processor") as dag:
        [fail(), fail.override(task_id="other")()] >> notify_if_one_failed(target_arn=topic.arn)
    dag_run = run_dag(dag).dag_run
    dag.on_failure_callback = sns_on_failure(topic.arn)
    dag_failed(dag, dag_run)

    by_task, by_dag = topic.sent()
    assert by_dag.subject == "Airflow: processor failed: fail, other"
    assert "notify_if_one_failed" not in by_dag.text
    assert by_dag.text.count("failed (try 1 of 1)") == by_task.text.count("failed (try 1 of 1)") == 2


def test_an_alert_about_a_task_that_never_started_names_that_task(run_dag: RunDag, topic: Topic) -> None:
    """The DAG's callback tells of it, whose own task instance is the one that failed."""
    notifier = SnsAlertNotifier(target_arn=topic.arn)
    with a_dag("never_started") as dag:
        fail() >> EmptyOperator(task_id="after", **state_handlers(on_failure=notifier))
    dag_run = run_dag(dag).dag_run
    for name, callbacks in state_handlers(lambda *_: None, of="dag").items():
        setattr(dag, name, callbacks)
    dag_failed(dag, dag_run)
    assert "Task after: upstream_failed" in topic.only().text
    assert "Task fail" not in topic.only().text


@task
def start_and_get_lost(**context: Any) -> None:
    """Leaves what an operator writes when its run has started, and then is gone."""
    context["ti"].xcom_push(key="run", value=RUN.to_json())
    raise ValueError


@pytest.mark.parametrize("with_comms", [True, False])
def test_a_lost_worker_is_told_with_what_it_left(
    run_dag: RunDag, topic: Topic, caplog: pytest.LogCaptureFixture, with_comms: bool
) -> None:
    """The DAG processor calls back then: no exception, maybe a record in XCom."""
    with a_dag(f"lost_worker_{with_comms}") as dag:
        start_and_get_lost()
    ti: Any = run_dag(dag).dag_run.get_task_instance("start_and_get_lost")
    dag.get_task(ti.task_id).on_failure_callback = [sns_on_failure(topic.arn)]
    request = TaskCallbackRequest(ti=ti, msg="heartbeat timeout", **BUNDLE)
    dag_processor_runs(dag, request, with_comms=with_comms)

    message = topic.only()
    assert message.subject == f"Airflow: lost_worker_{with_comms} failed: start_and_get_lost"
    assert ti.run_id in message.text
    assert ("dbt Cloud run 42 error" in message.text) == with_comms
    assert ("Could not learn the remote run of start_and_get_lost" in caplog.text) != with_comms


@pytest.mark.parametrize(
    ("state", "told"), [("success", "succeeded"), ("skipped", "was skipped"), (None, "failed")]
)
def test_other_callbacks_do_not_say_that_it_failed(topic: Topic, state: str | None, told: str) -> None:
    ti = SimpleNamespace(task_id="load", map_index=-1, try_number=1, max_tries=0, state=state)
    sns_on_failure(topic.arn)({"ti": ti, "run_id": "manual__1"})
    assert topic.only().subject == f"Airflow: unknown DAG {told}: load"


def test_a_callback_with_next_to_no_context_still_sends(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sns_on_failure(topic.arn)(dict(WITHOUT_TI))
    assert "DAG run:  manual__1\nReason:   timed_out" in topic.only().text
    assert "Could not ask which tasks failed" in caplog.text


async def test_a_deadline_alert_is_awaited_in_the_triggerer(topic: Topic) -> None:
    dag_run = {"dag_id": "orders", "dag_run_id": "manual__1", "logical_date": "2026-01-01T00:00:00+00:00"}
    await SnsAlertNotifier(target_arn=topic.arn, context={"dag_run": dag_run, "deadline": {"id": "1"}})
    message = topic.only()
    assert message.subject == "Airflow: orders missed its deadline"
    assert "DAG run:  manual__1\nDate:     2026-01-01T00:00:00+00:00" in message.text


def test_an_alert_that_was_not_sent_is_an_error(topic: Topic) -> None:
    """Airflow logs and swallows it; a notifier that hides it would hide the alert's loss."""
    with pytest.raises(PipehooksError, match="has no topic"):
        sns_on_failure(topic.arn + "-gone")(dict(WITHOUT_TI))
