"""What DAGs and subclasses written for the official operators count on."""

from __future__ import annotations

import inspect
from functools import cached_property
from importlib import import_module
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator
from airflow.sdk import DAG, BaseSensorOperator
from airflow.sdk.exceptions import TaskDeferred
from tenacity import (
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    wait_exponential,
    wait_fixed,
    wait_incrementing,
)

from airflow_provider_pipehooks.core import errors
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.operators import dbt_cloud
from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksRunNowDeferrableOperator,
    DatabricksRunNowOperator,
    DatabricksRunNowOperatorAsync,
    DatabricksSubmitRunDeferrableOperator,
    DatabricksSubmitRunOperator,
    DatabricksSubmitRunOperatorAsync,
)
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator, DbtCloudRunJobOperatorAsync
from airflow_provider_pipehooks.sensors.dbt_cloud import (
    DbtCloudJobRunAsyncSensor,
    DbtCloudJobRunSensor,
    DbtCloudJobRunSensorAsync,
)
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.task_context import Try, first_event, run, stored

pytestmark = pytest.mark.usefixtures("connections")

#: Official class -> ours of the same name.
REPLACED = [
    ("airflow.providers.dbt.cloud.operators.dbt", DbtCloudRunJobOperator),
    ("airflow.providers.dbt.cloud.sensors.dbt", DbtCloudJobRunSensor),
    ("airflow.providers.databricks.operators.databricks", DatabricksRunNowOperator),
    ("airflow.providers.databricks.operators.databricks", DatabricksSubmitRunOperator),
    *(
        ("airflow.providers.dbt.cloud.operators.dbt", getattr(dbt_cloud, name))
        for name in (
            "DbtCloudGetJobRunArtifactOperator",
            "DbtCloudListJobsOperator",
            "DbtCloudListJobRunsOperator",
        )
    ),
]
NEEDED = {
    "DbtCloudRunJobOperator": {"job_id": 101},
    "DbtCloudJobRunSensor": {"run_id": 1},
    "DatabricksRunNowOperator": {"job_id": 1},
    "DatabricksSubmitRunOperator": {"notebook_task": {"notebook_path": "/n"}},
    "DbtCloudGetJobRunArtifactOperator": {"run_id": 1, "path": "manifest.json"},
}


def parameters(kind: type) -> set[str]:
    """Of the class and its bases, down to Airflow's own."""
    own = [
        each
        for each in kind.__mro__
        if "__init__" in vars(each) and not each.__module__.startswith("airflow.sdk")
    ]
    found = set().union(*(inspect.signature(each.__init__).parameters for each in own))  # type: ignore[misc]
    return found | set(inspect.signature(BaseOperator.__init__).parameters)


@pytest.mark.parametrize(("module", "ours"), REPLACED, ids=[ours.__name__ for _, ours in REPLACED])
def test_every_official_parameter_is_taken_and_can_be_read_from_the_task(module: str, ours: Any) -> None:
    official = getattr(import_module(module), ours.__name__)
    names = parameters(official) - {"self", "kwargs"}
    assert names - parameters(ours) == set()
    given = NEEDED.get(ours.__name__, {})
    with DAG("d", schedule=None):
        theirs, task = official(task_id="a", **given), ours(task_id="b", **given)
    assert [name for name in names if hasattr(theirs, name) and not hasattr(task, name)] == []
    own = set(inspect.signature(official.__init__).parameters) & set(vars(theirs))
    own -= {"poke_interval", "timeout"} if issubclass(ours, BaseSensorOperator) else set()
    assert {name: getattr(theirs, name) for name in own} == {name: getattr(task, name) for name in own}


# --- retry arguments --------------------------------------------------------------------------------------

EITHER = stop_any(stop_after_attempt(7), stop_after_delay(9))
RETRIES = [
    ({"stop": stop_after_attempt(5)}, {"retry_limit": 5, "retry_delay": 1}, []),
    ({"wait": wait_fixed(2)}, {"retry_limit": 3, "retry_delay": 2.0}, []),
    ({"wait": wait_exponential(multiplier=4)}, {"retry_limit": 3, "retry_delay": 4.0}, []),
    (
        {"stop": stop_any(stop_after_attempt(7), stop_after_delay(9))},
        {"retry_limit": 7, "retry_delay": 1},
        [],
    ),
    (
        {"stop": stop_after_delay(9), "wait": wait_incrementing(3)},
        {"retry_limit": 3, "retry_delay": 3.0},
        ["stop"],
    ),
    ({"before_sleep": print, "reraise": True}, {"retry_limit": 3, "retry_delay": 1}, ["before_sleep"]),
]


@pytest.mark.parametrize(("given", "options", "unused"), RETRIES)
def test_tenacitys_arguments_become_our_two_numbers_and_the_rest_is_told_of(
    given: dict[str, Any], options: dict[str, Any], unused: list[str]
) -> None:
    task = DatabricksRunNowOperator(task_id="t", job_id=1, databricks_retry_args=given)
    assert task.hook_options == options
    assert [told for told in task.not_acted_on() if "retry" in told] == [
        f"{name!r} of the retry arguments is not used; 'stop' and 'wait' are." for name in unused
    ]


def test_they_reach_the_hook_and_the_stored_trigger(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("planned", plan=Plan(hold=True))
    arguments = {"stop": stop_after_attempt(6), "wait": wait_fixed(0.5)}
    task = DbtCloudRunJobOperator(
        task_id="t",
        job_id=job_id,
        deferrable=True,
        hook_params={"retry_args": arguments, "timeout_seconds": 9},
    )
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(Try())
    options = {"timeout_seconds": 9, "retry_limit": 6, "retry_delay": 0.5}
    assert stored(deferred.value.trigger).arguments.hook_params == options
    assert (task.hook.retry_limit, task.hook.retry_delay) == (6, 0.5)


# --- what changes nothing is told -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (DbtCloudRunJobOperator, {"openlineage_inject_parent_job_info": True}, "trigger_reason"),
        (
            DatabricksRunNowOperator,
            {"openlineage_inject_parent_job_info": True},
            "spark_inject_parent_job_info",
        ),
        (
            DatabricksSubmitRunOperator,
            {"openlineage_inject_transport_info": True},
            "spark_inject_transport_info",
        ),
        (DatabricksSubmitRunOperator, {"durable": False}, "durable=False is not heeded"),
    ],
)
def test_an_argument_that_is_not_acted_on_is_told_once_and_the_run_is_started(
    kind: Any, given: dict[str, Any], says: str, standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.databricks_jobs.add_job(id=1)
    task = kind(task_id="t", wait_for_termination=False, **NEEDED[kind.__name__], **given)
    assert run(task, Try())
    warned = [line for line in capsys.readouterr().out.splitlines() if "[warning" in line]
    assert len([line for line in warned if says in line]) == 1


# --- attributes -------------------------------------------------------------------------------------------


class Patient(DbtCloudRunJobOperator):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.check_interval = 7
        self.timeout = 70

    def execute(self, context: Any) -> Any:
        self.steps_override = ["dbt seed"]
        return super().execute(context)


def test_a_subclass_sets_what_the_wait_and_the_start_go_by(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("planned", plan=Plan(hold=True))
    with pytest.raises(TaskDeferred) as deferred:
        Patient(task_id="t", job_id=job_id, deferrable=True).execute(Try())
    arguments = stored(deferred.value.trigger).arguments
    assert arguments.poll_interval == 7
    assert arguments.deadline - arguments.since == pytest.approx(70, abs=5)
    assert standin.journal.find("POST", "/run/")[0].body["steps_override"] == ["dbt seed"]


class Stubborn(DatabricksRunNowOperator):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.databricks_retry_limit = 9
        self.polling_period_seconds = 11


def test_a_subclass_sets_retries_after_the_constructor(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(hold=True))
    with pytest.raises(TaskDeferred) as deferred:
        Stubborn(task_id="t", job_id=job_id, deferrable=True).execute(Try())
    arguments = stored(deferred.value.trigger).arguments
    assert (arguments.poll_interval, arguments.hook_params["retry_limit"]) == (11, 9)


def test_what_a_subclass_sets_wrong_is_told_by_name_before_anything_is_started(standin: StandIn) -> None:
    task = DbtCloudRunJobOperator(task_id="t", job_id=101)
    task.steps_override = 5  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match="steps_override of task 't'"):
        task.execute(Try())
    assert standin.dbt_cloud.runs == {}


def test_a_job_found_by_name_is_known_afterwards(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("nightly build", project="Other")
    names: dict[str, Any] = {
        "project_name": "Other",
        "environment_name": "Production",
        "job_name": "nightly build",
    }
    task = DbtCloudRunJobOperator(task_id="t", wait_for_termination=False, **names)
    task.execute(Try())
    assert (task.job_id, task.run_id) == (job_id, max(standin.dbt_cloud.runs))


# --- overrides --------------------------------------------------------------------------------------------


def other_hook(conn_id: str) -> DbtCloudHook:
    return DbtCloudHook(conn_id, retry_limit=2)


class ByProperty(DbtCloudRunJobOperator):
    @property
    def hook(self) -> Any:
        return other_hook(self.dbt_cloud_conn_id)


class ByCachedProperty(DbtCloudRunJobOperator):
    @cached_property
    def hook(self) -> Any:
        return other_hook(self.dbt_cloud_conn_id)


class ByUnderscore(DbtCloudRunJobOperator):
    @cached_property
    def _hook(self) -> Any:
        return other_hook(self.dbt_cloud_conn_id)


class ByMethod(DbtCloudRunJobOperator):
    def _get_hook(self, caller: str) -> Any:
        assert caller == "ByMethod"
        return other_hook(self.dbt_cloud_conn_id)


class ByMore(DbtCloudRunJobOperator):
    @property
    def hook(self) -> Any:
        hook = super().hook
        hook.retry_limit = 2
        return hook


@pytest.mark.parametrize("kind", [ByProperty, ByCachedProperty, ByUnderscore, ByMethod, ByMore])
def test_the_hook_of_a_subclass_is_used(kind: Any, standin: StandIn) -> None:
    task = kind(task_id="t", job_id=101, check_interval=0.01)
    assert run(task, Try())
    assert (task.hook.retry_limit, task.hook is task.hook) == (2, True)
    other = DbtCloudHook()
    task.reopen(other)
    assert task.hook is other


class WithOfficialHook(DatabricksRunNowOperator):
    def _get_hook(self, caller: str) -> Any:
        from airflow.providers.databricks.hooks.databricks import DatabricksHook

        return DatabricksHook(self.databricks_conn_id, caller=caller)


def test_an_official_hook_is_refused_by_name() -> None:
    says = r"WithOfficialHook._get_hook gives a airflow.providers.*Give the hook of this package"
    with pytest.raises(ConfigurationError, match=says):
        run(WithOfficialHook(task_id="t", job_id=1), Try())


class OwnDatabricksHook(DatabricksHook):
    pass


class WithOwnHook(DatabricksRunNowOperator):
    def _get_hook(self, caller: str) -> Any:
        return OwnDatabricksHook(self.databricks_conn_id)


def test_a_subclass_of_our_hook_is_taken(standin: StandIn) -> None:
    task = WithOwnHook(task_id="t", job_id=standin.databricks_jobs.add_job(), wait_for_termination=False)
    task.execute(Try())
    assert type(task.hook) is OwnDatabricksHook


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DatabricksSubmitRunOperator, "_get_merged_json"),
        (DatabricksRunNowOperator, "poll_until_complete"),
        (DbtCloudRunJobOperator, "_resolve_job_id"),
    ],
)
def test_an_override_that_would_never_be_called_is_refused_when_the_class_is_defined(
    kind: Any, name: str
) -> None:
    with pytest.raises(
        ConfigurationError, match=f"Mine overrides {name}, which only the official .*: .+ self|exec"
    ):
        type("Mine", (kind,), {name: lambda self: None, "__module__": "my_dag"})


def test_the_official_operators_really_have_what_is_refused() -> None:
    from airflow_provider_pipehooks.tasks.official import NEVER_CALLED

    official = [getattr(import_module(module), ours.__name__) for module, ours in REPLACED]
    assert [name for name in NEVER_CALLED if not any(hasattr(each, name) for each in official)] == []


class OfficialResume(DbtCloudRunJobOperator):
    seen: dict[str, Any]

    def execute_complete(self, context: Any, event: Any = None) -> Any:  # type: ignore[override]
        self.seen = event
        return super().execute_complete(context, event)


class OfficialSensorResume(DbtCloudJobRunSensor):
    seen: dict[str, Any]

    def execute_complete(self, context: Any, event: Any = None) -> Any:  # type: ignore[override]
        self.seen = event
        return super().execute_complete(context, event)


def resumed(task: Any, context: Try) -> Any:
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    event = first_event(stored(deferred.value.trigger))
    kwargs = {**(deferred.value.kwargs or {}), "event": event}
    return task.resume_execution("execute_complete", kwargs, context)


def test_an_execute_complete_of_the_official_form_is_called_with_the_official_keys(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("planned", plan=Plan(seconds=0.3))
    task = OfficialResume(task_id="t", job_id=job_id, check_interval=0.01, deferrable=True)
    run_id = resumed(task, Try())
    assert (task.seen["status"], task.seen["run_id"]) == ("success", run_id)
    sensor = OfficialSensorResume(
        task_id="t", run_id=standin.dbt_cloud.start(job_id), poke_interval=0.01, deferrable=True
    )
    assert resumed(sensor, Try()) == sensor.seen["run_id"]


class OfficialRepair(DatabricksRunNowOperator):
    def execute_complete(self, context: Any, event: Any = None) -> Any:  # type: ignore[override]
        return super().execute_complete(context, event)


def test_what_the_task_left_when_it_deferred_is_not_lost_by_such_an_execute_complete(
    standin: StandIn,
) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(outcome="error", seconds=0.2))
    task = OfficialRepair(
        task_id="t", job_id=job_id, repair_run=True, deferrable=True, polling_period_seconds=0.01
    )
    with pytest.raises(TaskDeferred) as first:
        task.execute(Try())
    with pytest.raises(TaskDeferred) as second:
        go_on(task, first.value)
    with pytest.raises(errors.RunFailed):
        go_on(task, second.value)
    assert len(standin.journal.find("POST", "/runs/repair")) == 1


def go_on(task: Any, deferred: TaskDeferred) -> Any:
    kwargs = {**(deferred.kwargs or {}), "event": first_event(stored(deferred.trigger))}
    return task.resume_execution("execute_complete", kwargs, Try())


class PokesAnyway(DbtCloudJobRunSensor):
    def poke(self, context: Any) -> Any:
        return True


def test_a_sensors_own_poke_may_end_a_deferrable_wait(standin: StandIn) -> None:
    assert PokesAnyway(task_id="t", run_id=1, deferrable=True).execute(Try()) is None


# --- what is sent -----------------------------------------------------------------------------------------


def test_numbers_of_a_submitted_task_are_sent_as_the_texts_that_the_api_wants(standin: StandIn) -> None:
    task = DatabricksSubmitRunOperator(
        task_id="t",
        json={"notebook_task": {"notebook_path": "/n", "base_parameters": {"n": 3}}, "timeout_seconds": 9},
        new_cluster={"num_workers": 2, "spark_conf": {"spark.speculation": True}},
        wait_for_termination=False,
    )
    run(task, Try())
    body = standin.journal.find("POST", "/runs/submit")[0].body
    assert body["notebook_task"]["base_parameters"] == {"n": "3"}
    assert body["new_cluster"] == {"num_workers": 2, "spark_conf": {"spark.speculation": "true"}}
    assert body["timeout_seconds"] == 9


# --- old names --------------------------------------------------------------------------------------------

OLD = [
    (DbtCloudRunJobOperatorAsync, {"job_id": 101}),
    (DbtCloudJobRunSensorAsync, {"run_id": 1}),
    (DbtCloudJobRunAsyncSensor, {"run_id": 1}),
    (DatabricksRunNowOperatorAsync, {"job_id": 1}),
    (DatabricksSubmitRunOperatorAsync, {"run_name": "r"}),
    (DatabricksRunNowDeferrableOperator, {"job_id": 1}),
    (DatabricksSubmitRunDeferrableOperator, {"run_name": "r"}),
]


@pytest.mark.parametrize(("kind", "given"), OLD, ids=[kind.__name__ for kind, _ in OLD])
def test_an_old_name_defers_and_says_the_new_one(kind: Any, given: dict[str, Any]) -> None:
    new = kind.__mro__[1].__name__
    with pytest.warns(
        DeprecationWarning, match=rf"{kind.__name__} is an old name: use {new}\(deferrable=True\)"
    ):
        task = kind(task_id="t", **given)
    assert task.deferrable is True


def test_an_old_name_takes_default_args_and_can_be_mapped() -> None:
    with DAG("d", schedule=None, default_args={"job_id": 5, "check_interval": 9, "deferrable": False}):
        with pytest.warns(DeprecationWarning, match="old name"):
            task = DbtCloudRunJobOperatorAsync(task_id="t")
        mapped = DbtCloudRunJobOperatorAsync.partial(task_id="m").expand(job_id=[1, 2])
    assert (task.job_id, task.check_interval, task.deferrable) == (5, 9, True)
    assert mapped.task_id == "m"


# --- exceptions -------------------------------------------------------------------------------------------


def test_except_with_an_official_name_catches_ours(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("planned", plan=Plan(outcome="error"))
    with pytest.raises(errors.DbtCloudJobRunException):
        run(DbtCloudRunJobOperator(task_id="t", job_id=job_id, check_interval=0.01), Try())
    names: dict[str, Any] = {"project_name": "None", "environment_name": "e", "job_name": "j"}
    with pytest.raises(errors.DbtCloudResourceLookupError):
        run(DbtCloudRunJobOperator(task_id="t", **names), Try())
    with pytest.raises(errors.DatabricksApiError) as refused:
        run(DatabricksRunNowOperator(task_id="t", job_id=404), Try())
    assert refused.value.http_status_code == 400
    with pytest.raises(errors.DatabricksOperatorPayloadError):
        DatabricksSubmitRunOperator(task_id="t", dbt_task={"commands": []})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("airflow.providers.dbt.cloud.hooks.dbt", "DbtCloudJobRunException"),
        ("airflow.providers.dbt.cloud.hooks.dbt", "DbtCloudResourceLookupError"),
        ("airflow.providers.dbt.cloud.hooks.dbt", "DbtCloudTriggerEventException"),
        ("airflow.providers.databricks.exceptions", "DatabricksApiError"),
        ("airflow.providers.databricks.exceptions", "DatabricksOperatorPayloadError"),
    ],
)
def test_an_official_exception_can_be_raised_as_ever(module: str, name: str) -> None:
    official, ours = getattr(import_module(module), name), getattr(errors, name)
    assert str(ours("what happened")) == str(official("what happened"))
