"""The demo's view: a table for a terminal, lines for everything else."""

from __future__ import annotations

import io

from rich.console import Console

from airflow_provider_pipehooks.demo.follow import Seen, see
from airflow_provider_pipehooks.demo.rest import DagRun, Task
from airflow_provider_pipehooks.demo.scenarios import Scenario
from airflow_provider_pipehooks.demo.services import RemoteRun
from airflow_provider_pipehooks.demo.view import Lines, LiveView, table, view_for

SCENARIO = Scenario(key="nightly", dag_id="a_dag", story="", conf={"job": 7}, ends="success")
MANY = Scenario(key="many", dag_id="b_dag", story="", conf={"job_ids": list(range(20, 40))}, ends="failed")


def task(task_id: str, state: str | None, map_index: int = -1, run_id: str = "demo_nightly") -> Task:
    return Task(run_id=run_id, task_id=task_id, state=state, map_index=map_index)


def remote(run_id: int, status: str, job_id: int | None = 7) -> RemoteRun:
    return RemoteRun(
        service="dbt Cloud",
        run_id=run_id,
        name="marts",
        job_id=job_id,
        status=status,
        url=f"http://x/{run_id}",
    )


def written(*looks: Seen) -> str:
    """What a file gets of some looks."""
    console = Console(file=io.StringIO(), width=80)
    view = view_for(console)
    assert isinstance(view, Lines)
    for look in looks:
        view.show([look])
    return console.file.getvalue()  # type: ignore[attr-defined]


def drawn(*looks: Seen) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table(looks, 12.0))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_terminal_gets_the_live_view() -> None:
    assert isinstance(view_for(Console(file=io.StringIO(), force_terminal=True)), LiveView)


def test_a_file_gets_each_change_once() -> None:
    running = Seen(scenario=SCENARIO, state="running", remote_runs=(remote(1, "Running"),))
    ended = Seen(
        scenario=SCENARIO,
        state="success",
        tasks=(task("start", "success"),),
        remote_runs=(remote(1, "Success"),),
    )
    lines = [line.split("] ")[1] for line in written(running, running, ended, ended).splitlines()]
    assert lines == [
        "nightly: dbt Cloud run 1 'marts' Running  http://x/1",
        "nightly: task start success",
        "nightly: dbt Cloud run 1 'marts' Success  http://x/1",
        "nightly: DAG run success",
    ]


def test_many_instances_and_runs_are_counted_when_all_have_ended() -> None:
    tasks = [task("run_job", "failed" if index == 3 else "success", index) for index in range(20)]
    runs = tuple(remote(index, "Failed" if index == 3 else "Success", 20 + index) for index in range(20))
    going_on = Seen(scenario=MANY, state="running", tasks=(*tasks[:-1], task("run_job", "deferred", 19)))
    ended = Seen(scenario=MANY, state="failed", tasks=tuple(tasks), remote_runs=runs)
    lines = [line.split("] ")[1] for line in written(going_on, ended).splitlines()]
    assert lines == [
        "many: task run_job 19 success, 1 failed",
        "many: 19 dbt Cloud runs Success, 1 dbt Cloud runs Failed",
        "many: DAG run failed",
    ]


def test_the_table_shows_runs_tasks_and_remote_runs() -> None:
    text = drawn(
        Seen(
            scenario=SCENARIO,
            state="running",
            tasks=(task("start", "success"), task("verify", "deferred"), task("notify", None)),
            remote_runs=(remote(70403110257001, "Running"),),
        )
    )
    for part in (
        "nightly",
        "a_dag",
        "start success",
        "verify waiting",
        "70403110257001 marts Running",
    ):
        assert part in text
    assert "notify" not in text


def test_the_table_counts_what_would_not_fit() -> None:
    tasks = [task("run_job", "deferred" if index else "success", index) for index in range(20)]
    text = drawn(
        Seen(scenario=MANY, tasks=tuple(tasks), remote_runs=tuple(remote(i, "Queued", 20) for i in range(6)))
    )
    assert "run_job 19 waiting 1 success" in text
    assert "6 dbt Cloud runs Queued" in text


def test_each_scenario_sees_its_own() -> None:
    runs = [DagRun(run_id="demo_nightly", state="success", seconds=3.0)]
    tasks = [task("start", "success"), task("start", "failed", run_id="demo_many")]
    nightly, many = see([SCENARIO, MANY], runs, tasks, [remote(1, "Success"), remote(2, "Failed", 21)])
    assert (nightly.state, nightly.seconds, many.state) == ("success", 3.0, "queued")
    assert [each.state for each in nightly.tasks] == ["success"]
    assert [each.run_id for each in many.remote_runs] == [2]


def test_a_one_time_run_belongs_to_the_dag_that_submits_one() -> None:
    databricks = Scenario(key="repaired", dag_id="databricks_nightly", story="", ends="success")
    [other, seen] = see([SCENARIO, databricks], [], [], [remote(5, "Success", None)])
    assert (len(other.remote_runs), len(seen.remote_runs)) == (0, 1)
