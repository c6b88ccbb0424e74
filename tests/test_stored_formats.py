"""What a version before this one has stored, and one after it, is read; the task with a live run goes on.

A rolling upgrade has workers, triggerers and an API server of two versions at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.compat.memory import INTENT_KEY
from airflow_provider_pipehooks.core.changes import Change
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.events import SomethingWaits, WaitEnded
from airflow_provider_pipehooks.core.records import VERSION_KEY
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.handlers.node.record import KEY as NODE_KEY
from airflow_provider_pipehooks.handlers.node.record import NodeRecord, read, write
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.operators.sns_alert import SENT_KEY, SnsAlertOperator
from airflow_provider_pipehooks.standin import Plan, StandIn
from airflow_provider_pipehooks.triggers.asset_events import RunFinishedEventTrigger
from airflow_provider_pipehooks.triggers.remote_run import RemoteRunTrigger
from tests.core.anything import a_run
from tests.core.stored import CHANGE, Format, without_versions
from tests.core.stored import FORMATS as CORE
from tests.dag_runs import Finished
from tests.task_context import Store, Try

RunDag = Callable[..., Finished]


def node_record(record: Any) -> NodeRecord:
    store = Store()
    store[NODE_KEY] = record
    return read({"task_state_store": store})


def written_node(record: NodeRecord) -> Any:
    store = Store()
    write({"task_state_store": store}, record)
    return store[NODE_KEY]


def trigger_of(record: Mapping[str, Any]) -> Any:
    return RemoteRunTrigger(**record).serialize()[1]


def watcher_of(record: Mapping[str, Any]) -> Any:
    return RunFinishedEventTrigger(**record).serialize()[1]


FORMATS = {
    "node record": Format(
        {"try_number": 2, "waits": "WAITS", "outputs": {"a": 1}, "unfit": ["b"], "by_hooks": ["a"]},
        node_record,
        written_node,
    ),
    "trigger arguments": Format(
        {
            "service": "dbt_cloud",
            "conn_id": "dbt_cloud_default",
            "run_id": 42,
            "account_id": None,
            "poll_interval": 60,
            "deadline": None,
            "since": 1000.0,
            "options": {},
            "hook_params": {},
            "on_cancel": "cancel",
        },
        trigger_of,
        lambda arguments: arguments,
    ),
    "watcher arguments": Format(
        {
            "service": "dbt_cloud",
            "conn_id": "dbt_cloud_default",
            "account_id": None,
            "job_ids": [7],
            "project_ids": [],
            "states": ["error"],
            "dag_id": "after",
            "since": None,
            "poll_interval": 10.0,
            "name": "runs",
        },
        watcher_of,
        lambda arguments: arguments,
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_yesterdays_record_says_the_same_today(name: str) -> None:
    form = FORMATS[name]
    again = form.write(form.read(form.yesterday))
    assert again[VERSION_KEY] == 1
    today = without_versions(again)
    assert {key: today[key] for key in form.yesterday} == form.yesterday


@pytest.mark.parametrize("name", FORMATS)
def test_tomorrows_record_is_read_without_what_is_not_known_yet(name: str) -> None:
    form = FORMATS[name]
    tomorrows = {VERSION_KEY: 2, "colour": {"new": [1, "x"]}, **form.yesterday}
    assert form.read(tomorrows) == form.read(form.yesterday)


def test_a_node_record_that_cannot_be_read_is_none() -> None:
    assert node_record({"try_number": "two"}) == NodeRecord()


# --- the task with a live run goes on ---------------------------------------------------------------------


def stored_intent(run_id: int, **more: Any) -> dict[str, Any]:
    record = dict(CORE["intent"].yesterday)
    return {**record, "dag_id": "stored", "baseline": run_id - 1, "remote_run_id": run_id, **more}


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
@pytest.mark.parametrize("tomorrow", [{}, {VERSION_KEY: 2, "colour": "blue"}], ids=["yesterday", "tomorrow"])
def test_a_run_that_another_version_started_is_joined(
    tomorrow: dict[str, Any],
    deferrable: bool,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: RunDag,
) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("long", plan=Plan(polls=3)))

    class Upgraded(DbtCloudRunJobOperator):
        def execute(self, context: Any) -> Any:
            context["task_state_store"].set(INTENT_KEY, stored_intent(run_id, **tomorrow))
            return super().execute(context)

    with DAG("stored", schedule=None) as dag:
        Upgraded(task_id="t", job_id=101, check_interval=0.05, deferrable=deferrable)
    finished = run_dag(dag)
    assert (finished.state, finished.xcom("t")) == ("success", run_id)
    assert list(standin.dbt_cloud.runs) == [run_id]


def test_a_wait_that_another_version_deferred_goes_on(
    standin: StandIn, connections: Callable[..., None], run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trigger has an argument more than ours, and its event a key more."""
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(polls=3))
    stored, made = RemoteRunTrigger.serialize, []

    def tomorrows(trigger: RemoteRunTrigger) -> Any:
        path, arguments = stored(trigger)
        return path, {**arguments, VERSION_KEY: 2, "colour": "blue"}

    init = RemoteRunTrigger.__init__

    def noted(trigger: RemoteRunTrigger, *given: Any, **named: Any) -> None:
        made.append(named)
        init(trigger, *given, **named)

    monkeypatch.setattr(RemoteRunTrigger, "serialize", tomorrows)
    monkeypatch.setattr(RemoteRunTrigger, "__init__", noted)
    monkeypatch.setattr(WaitEnded, "to_json", lambda end: {**END(end), VERSION_KEY: 2, "colour": "blue"})
    with DAG("stored", schedule=None) as dag:
        DbtCloudRunJobOperator(task_id="t", job_id=job_id, check_interval=0.05, deferrable=True)
    finished = run_dag(dag)
    assert finished.state == "success"
    assert len(standin.dbt_cloud.runs) == 1
    assert any("colour" in named for named in made), "the trigger came from what was stored"


END = WaitEnded.to_json


def test_an_intent_that_cannot_be_read_starts_nothing(
    standin: StandIn, connections: Callable[..., None]
) -> None:
    context = Try()
    context.store[INTENT_KEY] = stored_intent(1, attempt="one")
    task = DbtCloudRunJobOperator(task_id="t", job_id=101)
    with pytest.raises(ConfigurationError, match=r"(?s)attempt is 'one'.*Nothing was started"):
        task.execute(context)
    assert list(standin.dbt_cloud.runs) == []


def test_a_cleared_task_does_not_care_for_an_intent_that_cannot_be_read(
    standin: StandIn, connections: Callable[..., None]
) -> None:
    context = Try(cleared=1)
    context.store[INTENT_KEY] = stored_intent(1, attempt="one")
    task = DbtCloudRunJobOperator(task_id="t", job_id=101, check_interval=0.01)
    task.log.disabled = False
    task.execute(context)
    assert len(standin.dbt_cloud.runs) == 1


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        ({"generation": 0, "message_id": "m", "alert_id": "a"}, {"message_id": "m", "alert_id": "a"}),
        (
            {VERSION_KEY: 2, "colour": "blue", "generation": 0, "message_id": "m", "alert_id": "a"},
            {"message_id": "m", "alert_id": "a"},
        ),
        ({"generation": "0", "message_id": "m", "alert_id": "a"}, None),
        ({"generation": 1, "message_id": "m", "alert_id": "a"}, None),
    ],
)
def test_an_alert_that_another_version_sent_is_not_sent_again(record: Any, sent: Any) -> None:
    context = Try()
    context.store[SENT_KEY] = record
    assert SnsAlertOperator(task_id="t")._sent_before(context) == sent


def test_a_change_keeps_its_time_zone() -> None:
    assert Change.from_json(CHANGE).at == datetime.fromisoformat("2026-11-01T06:00:00+00:00")
    assert SomethingWaits(run=a_run()).to_json()["changes"] == []
    assert Watch(poll_interval_s=1, since_s=0).changes == ()
