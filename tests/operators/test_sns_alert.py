"""The alert task in real DAG runs: what it sends, how it ends, and what the DAG run becomes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import DAG, task, task_group

from airflow_provider_pipehooks.compat import questions
from airflow_provider_pipehooks.core.errors import ConfigurationError, RunFailed
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications.sns import sns_on_failure
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.operators.sns_alert import SnsAlertOperator, notify_if_one_failed
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.aws import Topic, moto_url, topic
from tests.dag_runs import Finished

__all__ = ["moto_url", "topic"]

RunDag = Callable[..., Finished]
RUN = Run(
    service="dbt_cloud",
    run_id=42,
    state=RunState.ERROR,
    status="Error",
    name="nightly",
    url="https://cloud.getdbt.com/deploy/1/projects/2/runs/42",
    message="Database Error in model orders",
    failures=(Failure(name="model.shop.orders", message="relation raw.orders does not exist"),),
)


@task
def build(**context: Any) -> None:
    """Ends as an operator of ours ends when its remote run failed."""
    context["ti"].xcom_push(key="run", value=RUN.to_json())
    raise RunFailed(RUN)


@task
def load(number: int = 0) -> None:
    if number >= 0:
        raise ValueError(f"no rows in part {number}")


@task
def work() -> None:
    pass


def a_dag(name: str, **kwargs: Any) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), **kwargs)


def test_the_message_says_why_and_the_dag_run_fails(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("orders") as dag:
        build() >> notify_if_one_failed(target_arn=topic.arn)
    finished = run_dag(dag)

    assert finished.state == "failed"
    assert finished.tasks["notify_if_one_failed"] == "failed"
    message = topic.only()
    assert message.subject == "Airflow: orders failed: build"
    for fact in (
        finished.dag_run.run_id,
        "Task build: failed (try 1 of 1): dbt Cloud run 42 error",
        "Database Error in model orders",
        "model.shop.orders: relation raw.orders does not exist",
        str(RUN.url),
        "/tasks/build?try_number=1",
    ):
        assert fact in message.text
    alert_id = finished.xcom("notify_if_one_failed", "alert_id")
    assert alert_id in message.text
    assert message.attributes["alert_id"] == {"Type": "String", "Value": alert_id}
    assert finished.xcom("notify_if_one_failed", "message_id") == message.message_id


@pytest.mark.parametrize(("end_state", "dag_run_state"), [("failed", "failed"), ("success", "success")])
def test_the_end_state_decides_whether_the_dag_run_turns_green(
    run_dag: RunDag, topic: Topic, end_state: Any, dag_run_state: str
) -> None:
    """A last task that succeeds makes Airflow call the DAG run a success, whatever failed before it."""
    with a_dag(f"ends_{end_state}") as dag:
        load() >> notify_if_one_failed(target_arn=topic.arn, end_state=end_state)
    finished = run_dag(dag)

    assert finished.tasks == {"load": "failed", "notify_if_one_failed": end_state}
    assert finished.state == dag_run_state
    assert "Task load: failed" in topic.only().text


def test_one_message_names_every_failed_mapped_task(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("mapped") as dag:
        load.expand(number=[1, -1, 3]) >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag)

    text = topic.only().text
    assert "DAG mapped failed: 2 tasks." in text
    assert "Task load[0]: failed (try 1 of 1)" in text
    assert "Task load[2]: failed (try 1 of 1)" in text
    assert "load[1]" not in text


@task_group
def part(number: int) -> None:
    load(number)


def test_a_mapped_task_is_not_taken_for_one_with_a_number_in_its_name(run_dag: RunDag, topic: Topic) -> None:
    """Airflow's answer calls ``load[0]`` by the name of the task ``load_0``."""
    with a_dag("numbered") as dag:
        mapped = load.expand(number=[1, -1])
        plain = [load.override(task_id=f"load_{n}")(number=n - 1) for n in (0, 1)]
        [mapped, *plain] >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag)

    text = topic.only().text
    assert "DAG numbered failed: 2 tasks." in text
    assert "Task load[0]: failed" in text
    assert "Task load_1: failed" in text


def test_tasks_of_a_mapped_group_are_told_apart(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("groups") as dag:
        part.expand(number=[-1, 5]) >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag)

    assert topic.only().subject == "Airflow: groups failed: part.load[1]"


def test_tasks_further_up_are_named_and_those_that_could_not_start(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("chain") as dag:
        load() >> work() >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag)

    text = topic.only().text
    assert text.index("Task load: failed (try 1 of 1)") < text.index("Task work: upstream_failed")


def test_a_task_that_failed_beside_its_path_is_not_named(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("beside") as dag:
        build() >> notify_if_one_failed(target_arn=topic.arn)
        load()
    run_dag(dag)

    assert "load" not in topic.only().text


def test_the_try_is_told_where_a_task_had_several(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("tries") as dag:
        load.override(retries=1, retry_delay=timedelta(0))() >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag)

    assert "Task load: failed (try 2 of 2)" in topic.only().text


def test_a_dag_run_without_a_logical_date_is_named_by_its_id(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("dateless") as dag:
        load() >> notify_if_one_failed(target_arn=topic.arn)
    finished = run_dag(dag, logical_date=None)

    text = topic.only().text
    assert f"DAG run:  {finished.dag_run.run_id}" in text
    assert "Date:" not in text


def test_without_a_logical_date_the_try_is_the_one_that_left_the_run(
    run_dag: RunDag, topic: Topic, standin: StandIn, connections: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow tells tries by date alone: of a later DAG run, whose answer is no answer."""
    monkeypatch.setattr(questions, "try_of", lambda *_: None)
    job_id = standin.dbt_cloud.add_job("bad", plan=Plan(outcome="error"))
    with a_dag("dateless_try") as dag:
        job = DbtCloudRunJobOperator(
            task_id="job", job_id=job_id, check_interval=0.1, retries=1, retry_delay=timedelta(0)
        )
        job >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag, logical_date=None)
    assert "Task job: failed (try 2)" in topic.only().text


def test_nothing_failed_nothing_sent(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("fine") as dag:
        work() >> notify_if_one_failed(target_arn=topic.arn)
    finished = run_dag(dag)

    assert finished.state == "success"
    assert finished.tasks["notify_if_one_failed"] == "skipped"
    assert topic.sent() == []


def test_run_by_hand_with_nothing_failed_it_is_skipped(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("by_hand") as dag:
        work() >> notify_if_one_failed(target_arn=topic.arn, trigger_rule="all_done")
    finished = run_dag(dag)

    assert finished.tasks["notify_if_one_failed"] == "skipped"
    assert topic.sent() == []


def test_always_sends_and_succeeds_when_nothing_failed(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("always") as dag:
        work() >> notify_if_one_failed(target_arn=topic.arn, trigger_rule="all_done", always=True)
    finished = run_dag(dag)

    assert finished.state == "success"
    assert topic.only().subject == "Airflow: always has no failures"


def test_own_words_are_rendered(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("own_words") as dag:
        load() >> notify_if_one_failed(
            target_arn=topic.arn,
            subject="{{ dag.dag_id }}\nbroke – again",
            message="Call the on-call of {{ dag.dag_id }}",
            message_attributes={"urgent": True, "team": "{{ dag.dag_id }}-team"},
        )
    run_dag(dag)

    message = topic.only()
    assert message.subject == "own_words broke - again"
    assert message.text == "Call the on-call of own_words"
    assert message.attributes["urgent"] == {"Type": "String", "Value": "true"}
    assert message.attributes["team"]["Value"] == "own_words-team"


def test_the_topic_may_come_from_the_variable(
    run_dag: RunDag, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SNS_ARN", topic.arn)
    with a_dag("by_variable") as dag:
        load() >> notify_if_one_failed()
    run_dag(dag)

    assert topic.only().subject == "Airflow: by_variable failed: load"


def test_an_alert_that_could_not_be_sent_does_not_turn_green(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("unsent") as dag:
        load() >> notify_if_one_failed(target_arn=topic.arn + "-gone", end_state="success")
    finished = run_dag(dag)

    assert finished.state == "failed"


def test_a_callback_for_every_task_does_not_report_the_alert_task(run_dag: RunDag, topic: Topic) -> None:
    """The alert task fails on purpose; its message is the alert."""
    with a_dag("both", default_args={"on_failure_callback": sns_on_failure(topic.arn)}) as dag:
        load() >> notify_if_one_failed(target_arn=topic.arn)
    run_dag(dag)

    callback, alert_task = topic.sent()
    assert "Error:   ValueError: no rows in part 0" in callback.text
    assert "Task load: failed" in alert_task.text


class BreaksAfterSending(SnsAlertOperator):
    """Ends like a worker that is lost between sending and ending."""

    def _end(self, *args: Any) -> None:
        type(self).tries += 1
        if self.tries == 1:
            raise RuntimeError("worker lost")
        super()._end(*args)

    tries = 0


def test_a_retry_after_sending_does_not_send_again(run_dag: RunDag, topic: Topic) -> None:
    with a_dag("lost") as dag:
        load() >> BreaksAfterSending(
            task_id="tell", target_arn=topic.arn, retries=2, retry_delay=timedelta(0)
        )
    finished = run_dag(dag)

    # The second try, which found the alert sent, was also the last.
    assert (finished.state, BreaksAfterSending.tries) == ("failed", 2)
    message = topic.only()
    # Airflow empties the XComs of a task when it starts again.
    assert finished.xcom("tell", "message_id") == message.message_id
    assert finished.xcom("tell", "alert_id") in message.text


class Cleared:
    """A task instance's context after ``clear``: the store is kept, ``max_tries`` has grown."""

    def __init__(self, max_tries: int, retries: int = 0) -> None:
        self.stored = {"generation": 0, "alert_id": "a1", "message_id": "m1"}
        operator = SnsAlertOperator(task_id="tell", retries=retries)
        ti = SimpleNamespace(max_tries=max_tries, task=operator)
        store = SimpleNamespace(get=lambda key: self.stored)
        self.context: Any = {"ti": ti, "task_state_store": store}
        self.sent_before = operator._sent_before(cast("Any", self.context))


def test_a_cleared_alert_task_sends_again() -> None:
    assert Cleared(max_tries=0).sent_before == {"alert_id": "a1", "message_id": "m1"}
    assert Cleared(max_tries=1).sent_before is None


def test_an_unknown_end_state_is_refused_when_the_dag_is_written() -> None:
    with pytest.raises(ConfigurationError, match="'green'"):
        notify_if_one_failed(end_state="green")


def test_it_waits_for_a_failure_and_is_not_retried_unless_asked() -> None:
    operator = notify_if_one_failed()
    assert (operator.task_id, operator.trigger_rule, operator.retries) == (
        "notify_if_one_failed",
        "one_failed",
        0,
    )


@pytest.mark.parametrize(
    ("fails", "arn", "alert_state", "run_state"),
    [
        (True, "", "success", "failed"),
        (True, "-gone", "failed", "failed"),
        (False, "", "skipped", "success"),
    ],
)
def test_as_a_teardown_the_alert_is_green_when_sent_and_the_run_ends_as_its_work(
    run_dag: RunDag, topic: Topic, fails: bool, arn: str, alert_state: str, run_state: str
) -> None:
    with a_dag(f"teardown_{alert_state}") as dag:
        (
            load(0 if fails else -1)
            >> work()
            >> notify_if_one_failed(target_arn=topic.arn + arn, as_teardown=True)
        )
    finished = run_dag(dag)
    assert (finished.tasks["notify_if_one_failed"], finished.state) == (alert_state, run_state)
    assert len(topic.sent()) == (alert_state == "success")


@pytest.mark.parametrize("given", [{"trigger_rule": "all_done"}, {"end_state": "failed"}])
def test_what_follows_from_a_teardown_is_not_given_beside_it(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        notify_if_one_failed(as_teardown=True, **given)


@pytest.mark.parametrize(
    ("more_than", "is_told"), [(0, True), (4, True), (5, False), (0.49, True), (0.5, False)]
)
def test_a_mapped_task_is_told_when_more_of_it_failed_than_may(
    run_dag: RunDag, topic: Topic, more_than: float, is_told: bool
) -> None:
    with a_dag("threshold") as dag:
        alert = notify_if_one_failed(target_arn=topic.arn, trigger_rule="all_done", more_than=more_than)
        load.expand(number=[*range(5), *range(-5, 0)]) >> alert
    finished = run_dag(dag)
    assert finished.tasks["notify_if_one_failed"] == ("failed" if is_told else "skipped")
    if is_told:
        assert topic.only().subject == "Airflow: threshold failed: 5 of 10 load"
        assert "\nTask load: 5 of 10 instances failed\n" in topic.only().text
    else:
        assert topic.sent() == []


@pytest.mark.parametrize("more_than", [-1, "many", True, float("nan"), float("inf")])
def test_a_threshold_that_is_none_is_refused(more_than: Any) -> None:
    with pytest.raises(ConfigurationError, match="more_than"):
        notify_if_one_failed(more_than=more_than, trigger_rule="all_done")


def test_a_threshold_waits_for_all() -> None:
    """At the first failure too few have failed, and nothing would be told."""
    with pytest.raises(ConfigurationError, match="all_done"):
        notify_if_one_failed(more_than=10)
    assert notify_if_one_failed(more_than=10, as_teardown=True).more_than == 10
