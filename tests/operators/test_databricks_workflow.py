"""A workflow group: one job, one run; each task watches its own, and a retry or a clear runs it again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup

from airflow_provider_pipehooks.core.errors import (
    AccessDenied,
    ConfigurationError,
    RunCancelled,
    RunFailed,
    WaitTimedOut,
)
from airflow_provider_pipehooks.operators import databricks_workflow_task
from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksNotebookOperator,
    DatabricksTaskOperator,
    DatabricksWorkflowTaskGroup,
)
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from airflow_provider_pipehooks.standin.databricks_jobs.model import Plans
from tests.dag_runs import Finished
from tests.task_context import Store, Try, crashed_before_the_answer, run

pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
FAST: dict[str, Any] = {"polling_period_seconds": 0.05, "databricks_retry_delay": 0.001}
CLUSTERS = [{"job_cluster_key": "small", "new_cluster": {"num_workers": 1}}]
_numbers = itertools.count()


def notebook(key: str, **given: Any) -> DatabricksNotebookOperator:
    return DatabricksNotebookOperator(
        **{
            "task_id": key,
            "notebook_path": f"/{key}",
            "source": "WORKSPACE",
            "databricks_task_key": key,
            "job_cluster_key": "small",
            **FAST,
            **given,
        }
    )


def group(**given: Any) -> DatabricksWorkflowTaskGroup:
    return DatabricksWorkflowTaskGroup(
        **{"group_id": "w", "databricks_conn_id": "databricks_default", "job_clusters": CLUSTERS, **given}
    )


def new_dag(**given: Any) -> DAG:
    return DAG(f"workflow_{next(_numbers)}", schedule=None, **given)


def five(deferrable: bool, **given: Any) -> DAG:
    """extract >> (load, check) >> report, and other on its own."""
    with new_dag() as dag, group():
        made = {
            key: notebook(key, deferrable=deferrable, **given)
            for key in ("extract", "load", "check", "report", "other")
        }
        made["extract"] >> [made["load"], made["check"]] >> made["report"]
    return dag


def the_job(standin: StandIn) -> Any:
    (job,) = standin.databricks_jobs.jobs.values()
    return job


def the_run(standin: StandIn) -> Any:
    (run,) = standin.databricks_jobs.runs.values()
    return run


@both
def test_five_tasks_are_one_run_and_each_ends_as_its_own(
    deferrable: bool, standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    dag = five(deferrable)
    standin.databricks_jobs.expect_job(
        f"{dag.dag_id}.w",
        tasks=[
            {"task_key": "load", "plan": Plan(outcome="failed", polls=4), "error": "KeyError: 'day'"},
            {"task_key": "check", "plan": Plan(polls=6)},
        ],
        plan=Plan(polls=2),
    )
    finished = run_dag(dag)
    assert finished.tasks == {
        "w.launch": "success",
        "w.extract": "success",
        "w.load": "failed",
        "w.check": "success",
        "w.report": "upstream_failed",
        "w.other": "success",
    }
    run = the_run(standin)
    assert finished.xcom("w.launch") == {
        "conn_id": "databricks_default",
        "job_id": the_job(standin).job_id,
        "run_id": run.run_id,
    }
    record = finished.xcom("w.load", "run")
    assert record["run_id"] == run.latest_tasks["load"].run_id
    assert [failure["message"] for failure in record["failures"]] == ["KeyError: 'day'"]
    page = finished.xcom("w.launch", "run_url")
    for task_id in ("w.launch", "w.load", "w.check"):
        assert finished.xcom(task_id, "databricks_job_run_link") == page
    assert finished.xcom("w.check", "run_url").endswith(str(run.latest_tasks["check"].run_id))


# --- as a part of the run: what one task does ---------------------------------------------------------------


@pytest.fixture(autouse=True)
def others(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """The state in Airflow of the other tasks of a group, by id: not to be run again, unless a test says so.

    Where a test runs a DAG, Airflow itself says it.
    """
    states: dict[str, str | None] = {}

    def states_of(dag: Any, run_id: str, task_ids: Any) -> dict[tuple[str, int], str | None]:
        return {(task_id, -1): states.get(task_id, "upstream_failed") for task_id in task_ids}

    if "run_dag" not in request.fixturenames:
        monkeypatch.setattr(databricks_workflow_task, "states_of", states_of)
    return states


class TryOf(Try):
    """A try of a certain task."""

    def __init__(self, task: Any, store: Store | None = None, **given: Any) -> None:
        super().__init__(store, **given)
        self.task = task
        self.ti.task_id = task.task_id

    def next(self, *, cleared: int = 0) -> TryOf:
        return TryOf(self.task, self.store, cleared=cleared, try_number=self.ti.try_number + 1)


class Launched:
    """A workflow of ``load`` and ``after``, launched; its tasks are executed by hand, try by try."""

    def __init__(self, standin: StandIn, *, plans: Any = (), plan: Plan | None = None, **given: Any) -> None:
        self.standin = standin
        with new_dag() as self.dag, group():
            self.load = notebook("load", **given)
            self.after = notebook("after", **given)
            self.load >> self.after
        standin.databricks_jobs.expect_job(
            f"{self.dag.dag_id}.w", tasks=[{"task_key": "load", "plans": list(plans)}], plan=plan
        )
        self.launch_try = TryOf(self.launch)
        self.metadata = run(self.launch, self.launch_try)
        for task in (self.load, self.after):
            task.workflow_run_metadata = self.metadata

    @property
    def launch(self) -> Any:
        return self.dag.get_task("w.launch")

    def ids(self, key: str = "load") -> list[int]:
        """Of the attempts at a task."""
        return [task.run_id for task in the_run(self.standin).tasks if task.task_key == key]

    def repairs(self) -> list[list[str]]:
        return [entry.body["rerun_tasks"] for entry in self.standin.journal.find("POST", "repair")]


FAILED = Plan(outcome="failed", polls=1)


@both
def test_a_retry_runs_the_failed_task_again_in_the_same_run(deferrable: bool, standin: StandIn) -> None:
    flow = Launched(standin, plans=[FAILED, Plan(polls=2)], deferrable=deferrable)
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    assert run(flow.load, context.next()) == flow.ids()[1]
    assert flow.repairs() == [["load"]]
    assert len(standin.databricks_jobs.runs) == 1


@both
def test_a_retry_waits_for_the_rest_of_the_run_before_it_repairs(deferrable: bool, standin: StandIn) -> None:
    flow = Launched(standin, plans=[FAILED, Plan()], plan=Plan(polls=6), deferrable=deferrable)
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    assert not the_run(standin).is_over
    run(flow.load, context.next())
    assert flow.repairs() == [["load"]]


def test_a_cleared_task_runs_again_in_the_same_run_though_it_had_succeeded(standin: StandIn) -> None:
    flow = Launched(standin)
    context = TryOf(flow.load)
    first = run(flow.load, context)
    assert run(flow.load, context.next(cleared=4)) != first
    assert flow.repairs() == [["load"]]


def test_a_task_whose_try_crashed_joins_its_attempt_and_repairs_nothing(standin: StandIn) -> None:
    flow = Launched(standin, plans=[Plan(hold=True)])
    context = TryOf(flow.load)
    flow.load.wait_for_termination = False
    first = run(flow.load, context)
    for answered in (True, False):
        if not answered:
            crashed_before_the_answer(context.store)
        assert run(flow.load, context.next()) == first
    assert flow.repairs() == []


def test_a_crash_between_repair_and_note_joins_what_the_repair_has_made(standin: StandIn) -> None:
    flow = Launched(standin, plans=[FAILED, Plan(hold=True)])
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    flow.load.wait_for_termination = False
    repaired = run(flow.load, context.next())
    crashed_before_the_answer(context.store)
    assert run(flow.load, context.next()) == repaired
    assert flow.repairs() == [["load"]]


def test_a_task_that_is_cleared_while_it_runs_is_cancelled_alone_and_runs_again(standin: StandIn) -> None:
    flow = Launched(standin, plans=[Plan(hold=True), Plan()])
    context = TryOf(flow.load)
    flow.load.wait_for_termination = False
    run(flow.load, context)
    flow.load.wait_for_termination = True
    run(flow.load, context.next(cleared=4))
    assert flow.repairs() == [["load"]]
    cancelled = [entry.body["run_id"] for entry in standin.journal.find("POST", "runs/cancel")]
    assert cancelled == flow.ids()[:1]


def test_a_task_that_has_been_mended_upstream_runs_again_with_it(standin: StandIn) -> None:
    """Its Databricks task was never run, and Airflow runs it for the first time."""
    flow = Launched(standin, plans=[FAILED, Plan()])
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    run(flow.load, context.next())
    assert run(flow.after, TryOf(flow.after)) == flow.ids("after")[-1]
    assert flow.repairs() == [["load"], ["after"]]


def test_a_task_after_one_that_failed_says_so_and_repairs_nothing(standin: StandIn) -> None:
    flow = Launched(standin, plans=[FAILED])
    with pytest.raises(RunCancelled, match="upstream"):
        run(flow.after, TryOf(flow.after))
    assert flow.repairs() == []


@pytest.mark.parametrize(
    "how", [{"reset": "after"}, {"status": 503}, {"status": 409}], ids=["lost", "unavailable", "conflict"]
)
def test_a_repair_without_an_answer_is_looked_up_and_made_once(how: Any, standin: StandIn) -> None:
    flow = Launched(standin, plans=[FAILED, Plan(polls=1)])
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    standin.faults.add(Fault(path="runs/repair", times=1, **how))
    run(flow.load, context.next())
    assert [round_.type for round_ in the_run(standin).rounds] == ["ORIGINAL", "REPAIR"]


def test_a_repair_that_is_refused_for_good_ends_the_task_with_the_reason(standin: StandIn) -> None:
    flow = Launched(standin, plans=[FAILED])
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    standin.faults.add(Fault(path="runs/repair", status=403))
    with pytest.raises(AccessDenied):
        run(flow.load, context.next())
    assert len(the_run(standin).rounds) == 1


def test_a_repair_keeps_the_parameters_that_the_run_was_started_with(standin: StandIn) -> None:
    with new_dag(), group(notebook_params={"day": 7}) as flow:
        task = notebook("load")
    standin.databricks_jobs.expect_job(
        f"{task.dag_id}.w", tasks=[{"task_key": "load", "plans": [FAILED, Plan()]}]
    )
    task.workflow_run_metadata = run(flow.children["w.launch"], TryOf(flow.children["w.launch"]))
    context = TryOf(task)
    with pytest.raises(RunFailed):
        run(task, context)
    run(task, context.next())
    (repair,) = standin.journal.find("POST", "repair")
    assert repair.body["notebook_params"] == {"day": "7"}


@pytest.mark.parametrize(("on_cancel", "cancels"), [("cancel", True), ("keep", False)])
def test_a_kill_cancels_the_task_alone(on_cancel: str, cancels: bool, standin: StandIn) -> None:
    flow = Launched(standin, plans=[Plan(hold=True)], on_cancel=on_cancel, wait_for_termination=False)
    context = TryOf(flow.load)
    run(flow.load, context)
    context.state = "failed"
    flow.load.on_kill()
    cancelled = [entry.body["run_id"] for entry in standin.journal.find("POST", "runs/cancel")]
    assert cancelled == (flow.ids() if cancels else [])
    assert not the_run(standin).cancelled


@both
def test_the_end_of_the_wait_cancels_the_task_alone(deferrable: bool, standin: StandIn) -> None:
    flow = Launched(standin, plans=[Plan(hold=True)], timeout=0.05, deferrable=deferrable)
    with pytest.raises(WaitTimedOut):
        run(flow.load, TryOf(flow.load))
    assert [entry.body["run_id"] for entry in standin.journal.find("POST", "runs/cancel")] == flow.ids()


@both
def test_an_attempt_that_databricks_will_retry_is_waited_through(deferrable: bool, standin: StandIn) -> None:
    """So the run is looked at, which has the next attempt, and not the attempt that failed."""
    failing = Plan(outcome="failed", polls=2)
    flow = Launched(standin, plan=Plan(polls=8), plans=[failing], max_retries=1, deferrable=deferrable)
    with pytest.raises(RunFailed):
        run(flow.load, TryOf(flow.load))
    assert the_run(standin).is_over
    asked = {
        entry.query["run_id"] for entry in standin.journal.find("GET", "runs/get") if "get-" not in entry.path
    }
    assert asked == {str(the_run(standin).run_id)}


@pytest.mark.parametrize(
    "metadata", [None, {}, {"conn_id": "c"}, {"conn_id": "c", "job_id": 1, "run_id": "<script>"}, "[", 7]
)
def test_what_launch_left_is_checked(metadata: Any, standin: StandIn) -> None:
    with new_dag(), group():
        task = notebook("load")
    task.workflow_run_metadata = metadata
    with pytest.raises(ConfigurationError, match=r"workflow_run_metadata of task 'w\.load'"):
        run(task, TryOf(task))


# --- cleared together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "together"),
    [
        *((state, True) for state in (None, "scheduled", "running", "up_for_retry")),
        *((state, False) for state in ("failed", "upstream_failed", "success", "skipped")),
    ],
)
def test_what_airflow_has_yet_to_run_is_repaired_together(
    state: str | None, together: bool, standin: StandIn, others: dict[str, str | None]
) -> None:
    flow = Launched(standin, plans=[FAILED, Plan()])
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)
    others["w.after"] = state
    run(flow.load, context.next(cleared=4))
    assert flow.repairs() == [["load", "after"] if together else ["load"]]
    if together:
        assert run(flow.after, TryOf(flow.after)) == flow.ids("after")[-1]
        assert len(flow.repairs()) == 1


def test_without_an_answer_about_the_others_the_task_is_repaired_alone(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = Launched(standin, plans=[FAILED, Plan()])
    context = TryOf(flow.load)
    with pytest.raises(RunFailed):
        run(flow.load, context)

    def away(*_: Any) -> Any:
        raise OSError("the API server is away")

    monkeypatch.setattr(databricks_workflow_task, "states_of", away)
    run(flow.load, context.next())
    assert flow.repairs() == [["load"]]
    assert "repairing this one alone" in capsys.readouterr().out


def test_two_tasks_that_are_retried_at_once_run_again_each_once(
    standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    """Airflow's own answer about the others: one waits for its retry, one has failed for good."""
    with new_dag() as dag, group():
        for key in ("one", "two", "three"):
            notebook(key, retries=0 if key == "three" else 1, retry_delay=timedelta(0))
    standin.databricks_jobs.expect_job(
        f"{dag.dag_id}.w",
        tasks=[
            {"task_key": key, "plans": [Plan(outcome="failed"), Plan()]} for key in ("one", "two", "three")
        ],
    )
    finished = run_dag(dag)
    assert finished.tasks == {
        "w.launch": "success",
        "w.one": "success",
        "w.two": "success",
        "w.three": "failed",
    }
    attempts = [task.task_key for task in the_run(standin).tasks]
    assert sorted(attempts) == ["one", "one", "three", "two", "two"]


# --- launch -------------------------------------------------------------------------------------------------


def test_a_crash_of_launch_leaves_one_job_and_one_run(standin: StandIn) -> None:
    flow = Launched(standin, plans=[Plan(hold=True)])
    for answered in (True, False):
        if not answered:
            crashed_before_the_answer(flow.launch_try.store)
        assert run(flow.launch, flow.launch_try.next()) == flow.metadata
    assert len(standin.databricks_jobs.jobs) == len(standin.databricks_jobs.runs) == 1


def test_a_clear_of_launch_cancels_the_run_and_starts_another(standin: StandIn) -> None:
    flow = Launched(standin, plans=[Plan(hold=True), Plan()])
    again = run(flow.launch, flow.launch_try.next(cleared=4))
    assert again["run_id"] != flow.metadata["run_id"]
    old = standin.databricks_jobs.runs[flow.metadata["run_id"]]
    assert old.cancelled
    assert old.is_over


def test_after_a_new_run_a_task_watches_that_one_and_repairs_nothing(standin: StandIn) -> None:
    flow = Launched(standin)
    context = TryOf(flow.load)
    run(flow.load, context)
    again = run(flow.launch, flow.launch_try.next(cleared=4))
    flow.load.workflow_run_metadata = again
    second = run(flow.load, context.next(cleared=4))
    tasks = standin.databricks_jobs.runs[again["run_id"]].tasks
    assert second == tasks[0].run_id
    assert flow.repairs() == []


@pytest.mark.parametrize("path", ["jobs/create", "jobs/run-now"])
def test_a_lost_answer_makes_no_second_job_and_no_second_run(path: str, standin: StandIn) -> None:
    standin.faults.add(Fault(path=path, times=1, reset="after"))
    Launched(standin)
    assert len(standin.databricks_jobs.jobs) == len(standin.databricks_jobs.runs) == 1


def test_a_run_that_is_skipped_fails_the_launch(standin: StandIn) -> None:
    with new_dag(), group(extra_job_params={"queue": {"enabled": False}}) as flow:
        notebook("load")
    launch = flow.children["w.launch"]
    standin.databricks_jobs.expect_job(f"{launch.dag_id}.w", plan=Plan(hold=True))
    run(launch, TryOf(launch))
    with pytest.raises(RunCancelled, match="limit of concurrent runs"):
        run(launch, TryOf(launch, born="2026-11-27T10:00:00+00:00"))


def test_templates_of_tasks_and_group_are_rendered_when_the_job_is_defined(
    standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    with new_dag(params={"day": "7"}) as dag, group(notebook_params={"shared": "{{ params.day }}"}):
        notebook("load", notebook_params={"own": "{{ dag.dag_id }}"})
        DatabricksTaskOperator(
            task_id="sql",
            databricks_task_key="sql",
            task_config={"sql_task": {"parameters": {"day": "{{ params.day }}"}, "warehouse_id": "w"}},
            max_retries="{{ 1 + 1 }}",
            **FAST,
        )
    assert set(run_dag(dag).tasks.values()) == {"success"}
    load, sql = the_job(standin).settings["tasks"]
    assert load["notebook_task"]["base_parameters"] == {"own": dag.dag_id, "shared": "7"}
    assert sql["sql_task"]["parameters"] == {"day": "7"}
    assert sql["max_retries"] == 2


def test_a_group_in_a_group_with_a_group_in_it_is_one_job(
    standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    with new_dag() as dag, TaskGroup("outer"), group() as flow:
        first = notebook("first")
        with TaskGroup("inner"):
            first >> notebook("second")
    assert flow.group_id == "outer.w"
    assert run_dag(dag).tasks == {
        "outer.w.launch": "success",
        "outer.w.first": "success",
        "outer.w.inner.second": "success",
    }
    job = the_job(standin)
    assert job.settings["name"] == f"{dag.dag_id}.outer.w"
    assert [task["depends_on"] for task in job.settings["tasks"]] == [[], [{"task_key": "first"}]]


def test_tasks_around_the_group_come_before_launch_and_after_the_last(
    standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    with new_dag():
        before, after = EmptyOperator(task_id="before"), EmptyOperator(task_id="after")
        flow = group()
        before >> flow >> after
        with flow:
            notebook("load")
    assert flow.children["w.launch"].upstream_task_ids == {"before"}
    assert after.upstream_task_ids >= {"w.load"}


def test_a_task_of_the_group_that_waits_for_one_outside_is_told_of(
    standin: StandIn, run_dag: Callable[..., Finished], capfd: pytest.CaptureFixture[str]
) -> None:
    with new_dag() as dag:
        other = EmptyOperator(task_id="other")
        with group():
            other >> notebook("load")
    assert set(run_dag(dag).tasks.values()) == {"success"}
    assert "w.load waits for ['other'] in Airflow only" in "".join(capfd.readouterr())


# --- refused when the DAG is parsed -------------------------------------------------------------------------

WRONG_GROUPS: dict[str, tuple[dict[str, Any], str]] = {
    "job_clusters": ({"job_clusters": ["small"]}, "job_clusters of task 'w.launch'"),
    "max_concurrent_runs": ({"max_concurrent_runs": "many"}, "max_concurrent_runs of task 'w.launch'"),
    "extra_job_params": ({"extra_job_params": [1]}, "extra_job_params of task 'w.launch'"),
    "two kinds": ({"jar_params": ["a"], "notebook_params": {"a": 1}}, "jar_params or notebook_params"),
    "existing_clusters": ({"existing_clusters": 7}, "existing_clusters of task 'w.launch'"),
}


@pytest.mark.parametrize("name", WRONG_GROUPS)
def test_a_wrong_argument_of_a_group_is_refused(name: str) -> None:
    given, says = WRONG_GROUPS[name]
    with pytest.raises(ConfigurationError, match=says), new_dag(), group(**given):
        notebook("load")


def test_a_task_that_is_no_databricks_task_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Task 'w\.other' cannot"), new_dag(), group():
        EmptyOperator(task_id="other")


def test_a_mapped_task_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="before a mapped one has any"), new_dag(), group():
        DatabricksNotebookOperator.partial(task_id="n", source="GIT").expand(notebook_path=["/a", "/b"])


def test_an_error_in_the_block_is_not_hidden_by_one_of_the_group() -> None:
    def block() -> None:
        with new_dag(), group():
            EmptyOperator(task_id="other")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


# --- together with the official classes ---------------------------------------------------------------------


def test_our_tasks_run_in_the_official_group(
    standin: StandIn, run_dag: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.databricks.operators import databricks_workflow as official

    launched: dict[str, Any] = {}

    def execute(self: Any, context: Any) -> dict[str, Any]:
        # What it sends, without its hook, which speaks https only.
        job_id = standin.databricks_jobs.define_job(
            self.create_workflow_json(context), {}, Plans((Plan(),)), None
        )
        launched.update(job_id=job_id, run_id=standin.databricks_jobs.start(job_id))
        return {"conn_id": self.databricks_conn_id, **launched}

    monkeypatch.setattr(official._CreateDatabricksWorkflowOperator, "execute", execute)
    with new_dag() as dag, official.DatabricksWorkflowTaskGroup("databricks_default", group_id="w"):
        notebook("load")
    finished = run_dag(dag)
    assert finished.tasks == {"w.launch": "success", "w.load": "success"}
    assert finished.xcom("w.load", "run")["job_id"] == launched["job_id"]
