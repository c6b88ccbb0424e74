"""Follow the demo's DAG runs to their ends, and do what a person does meanwhile: cancel one remote run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import requests

from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import CannotStart
from airflow_provider_pipehooks.demo.rest import DagRun, Task
from airflow_provider_pipehooks.demo.scenarios import CANCELLED_BY, Scenario
from airflow_provider_pipehooks.demo.services import RemoteRun, Services

LOOK_EVERY_S = 1.5
#: From the start of the DAG runs; on two slow cores they take a bit over a minute.
END_WITHIN_S = 300


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A DAG run of the demo as it is now.

    :param state: of the DAG run, in Airflow's words.
    :param remote_runs: what it has started, oldest first.
    """

    scenario: Scenario
    state: str = "queued"
    seconds: float | None = None
    tasks: tuple[Task, ...] = ()
    remote_runs: tuple[RemoteRun, ...] = ()

    @property
    def has_ended(self) -> bool:
        return self.state in ("success", "failed")

    def waits_in(self, task_id: str | None) -> bool:
        return any(task.task_id == task_id and task.state == "deferred" for task in self.tasks)


class Follower:
    """Looks at Airflow and at the remotes.

    :param show: is given every look.
    :param note: is told what the demo itself does.
    """

    def __init__(
        self,
        airflow: Airflow,
        services: Services,
        scenarios: Sequence[Scenario],
        show: Callable[[Sequence[Seen]], None],
        note: Callable[[str], None],
    ) -> None:
        self._airflow = airflow
        self._services = services
        self._scenarios = scenarios
        self._show = show
        self._note = note
        self._cancelled: set[str] = set()

    def start(self) -> None:
        """Start all DAG runs at once.

        :raises CannotStart: Airflow refused one; with its reason.
        """
        for number, scenario in enumerate(self._scenarios):
            try:
                self._airflow.client.trigger(scenario, number)
            except requests.RequestException as err:
                raise CannotStart(f"Airflow did not start a DAG run. {err}") from err

    def to_the_end(self) -> list[Seen]:
        """Look until every DAG run has ended, or the time is over.

        :return: the last look.
        :raises CannotStart: a process of Airflow has ended, or its API gives no answer any more.
        """
        give_up = time.monotonic() + END_WITHIN_S
        while True:
            self._airflow.check()
            is_late = time.monotonic() > give_up
            try:
                seen = self._look()
            except requests.RequestException as err:
                # A busy machine; whether the server is still there was checked.
                if is_late:
                    raise CannotStart(f"Airflow does not answer any more. {err}") from err
            else:
                self._show(seen)
                if is_late or all(each.has_ended for each in seen):
                    return seen
                for each in seen:
                    self._cancel(each)
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> list[Seen]:
        run_ids = {scenario.run_id for scenario in self._scenarios}
        dag_runs = self._airflow.client.dag_runs(run_ids)
        tasks = self._airflow.client.tasks(run_ids)
        return see(self._scenarios, dag_runs.values(), tasks, self._services.remote_runs())

    def _cancel(self, seen: Seen) -> None:
        scenario = seen.scenario
        if scenario.key in self._cancelled or not seen.waits_in(scenario.cancels_during):
            return
        run_id = self._services.cancel_newest(scenario.job_ids, CANCELLED_BY)
        if run_id is not None:
            self._cancelled.add(scenario.key)
            self._note(f"{scenario.key}: {CANCELLED_BY} cancels run {run_id} in dbt Cloud")


def see(
    scenarios: Sequence[Scenario],
    dag_runs: Iterable[DagRun],
    tasks: Iterable[Task],
    remote_runs: Iterable[RemoteRun],
) -> list[Seen]:
    """Put together what belongs to each scenario."""
    runs = {run.run_id: run for run in dag_runs}
    tasks, remote_runs = list(tasks), list(remote_runs)
    found = []
    for scenario in scenarios:
        run = runs.get(scenario.run_id)
        found.append(
            Seen(
                scenario=scenario,
                state=run.state if run else "queued",
                seconds=run.seconds if run else None,
                tasks=tuple(task for task in tasks if task.run_id == scenario.run_id),
                remote_runs=tuple(each for each in remote_runs if belongs(each, scenario)),
            )
        )
    return found


def belongs(run: RemoteRun, scenario: Scenario) -> bool:
    """Was the remote run started by this scenario? Only one DAG starts a run that has no job."""
    if run.job_id is None:
        return scenario.dag_id == "databricks_nightly"
    return run.job_id in scenario.job_ids
