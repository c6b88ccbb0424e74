"""JOIN a task of a Databricks run that a workflow group has started, or have it run again in that run."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.compat import ledger
from airflow_provider_pipehooks.compat.questions import states_of
from airflow_provider_pipehooks.core.arguments import as_id, as_name, as_object
from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    NotFound,
    RemoteCallError,
    WaitTimedOut,
)
from airflow_provider_pipehooks.core.events import WaitEnded, read_event
from airflow_provider_pipehooks.core.intent import Intent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.watch import GONE_AFTER_LOOKS, Watch
from airflow_provider_pipehooks.hooks.registry import calls_of
from airflow_provider_pipehooks.operators.databricks_run import DatabricksRunOperator
from airflow_provider_pipehooks.services.databricks_tasks import failed_among, is_over_with
from airflow_provider_pipehooks.tasks.joining import RemoteRunLink, cannot_wait
from airflow_provider_pipehooks.tasks.waiting import Watched, wait

if TYPE_CHECKING:
    from airflow.sdk import Context, TaskGroup

#: XCom key of the whole run's page, as the official operators have it.
JOB_RUN_LINK_KEY = "databricks_job_run_link"
#: A repair that is refused is asked for again so often: another task of the run may have been quicker.
MOST_REFUSALS = 5
#: Of a task that Airflow will not run any more, unless it is cleared.
_DONE: frozenset[str | None] = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class WorkflowJobRunLink(RemoteRunLink):
    """The button that opens the run of the whole workflow."""

    name = "See Databricks Job Run"
    key = JOB_RUN_LINK_KEY


@dataclass(frozen=True)
class WorkflowRunMetadata:
    """The run of a workflow, as its ``launch`` task returns it."""

    conn_id: str
    job_id: int
    run_id: int

    @classmethod
    def read(cls, value: Any, what: str) -> WorkflowRunMetadata:
        """Read what came through XCom.

        :raises ConfigurationError: there is nothing, or it is something else.
        """
        if not value:
            raise ConfigurationError(f"{what} is empty: the launch task of the group has left no run.")
        given = as_object(value, what)
        return cls(
            conn_id=as_name(given.get("conn_id"), f'{what}["conn_id"]'),
            job_id=as_id(given.get("job_id"), f'{what}["job_id"]'),
            run_id=as_id(given.get("run_id"), f'{what}["run_id"]'),
        )


class WorkflowTaskOperator(DatabricksRunOperator):
    """What a task does inside of a workflow group; outside of one it starts a run of its own.

    Its run is the newest attempt of its Databricks task. A retry and a clear run that task again, in the same
    run, as soon as that is over; other tasks that were cleared, too, come along in the same repair.
    """

    workflow_run_metadata: Any
    #: The page of the whole run, once it was read.
    _workflow_url: str | None = None
    _context: Context

    @property
    def databricks_task_key(self) -> str:
        """What Databricks calls the task."""
        raise NotImplementedError

    @property
    def _databricks_workflow_task_group(self) -> TaskGroup | None:
        """The workflow group around the task, ours or the official one, at any distance."""
        group = self.task_group
        while group is not None and not getattr(group, "is_databricks", False):
            group = group.parent_group
        return group

    @property
    def is_in_workflow(self) -> bool:
        return self._databricks_workflow_task_group is not None

    @property
    def _workflow(self) -> WorkflowRunMetadata:
        return WorkflowRunMetadata.read(self.workflow_run_metadata, self.name_of("workflow_run_metadata"))

    @property
    def conn_id(self) -> str:
        return self._workflow.conn_id if self.is_in_workflow else super().conn_id

    @property
    def service_options(self) -> dict[str, Any]:
        own = {"task_key": self.databricks_task_key} if self.is_in_workflow else {}
        return {**super().service_options, **own}

    @property
    def job(self) -> str:
        return f"run {self._workflow.run_id}" if self.is_in_workflow else super().job

    def prepare(self, context: Context) -> None:
        self._context = context
        if self.is_in_workflow:
            workflow = self._workflow
            self.log.info("Task %r of Databricks run %s", self.databricks_task_key, workflow.run_id)

    def push(self, context: Context, run: Run) -> None:
        super().push(context, run)
        ledger.push(context, {JOB_RUN_LINK_KEY: self._workflow_url})

    # The task is looked at, and cancelled, through its run: Databricks itself may retry it

    def watched(self, run_id: int | str) -> Watched:
        return super().watched(self._workflow.run_id if self.is_in_workflow else run_id)

    def defer_until_end(self, run_id: int | str, **kwargs: Any) -> None:
        super().defer_until_end(self._workflow.run_id if self.is_in_workflow else run_id, **kwargs)

    # Once

    def find(self, run_id: int | str) -> Run | None:
        if not self.is_in_workflow:
            return super().find(run_id)
        whole = self._whole_run()
        newest: Run = self.service.parse({"run": whole})
        # An older attempt is over, and another has been made already.
        return newest if newest.run_id == run_id else None

    def baseline(self) -> int:
        """The attempt that an earlier try, or this one before it was cleared, has waited for."""
        if not self.is_in_workflow or self._once is None:
            return super().baseline()
        record = self._once.notes.recall()
        if record is None:
            return 0
        return int(record.baseline if record.remote_run_id is None else record.remote_run_id)

    def start(self, intent: Intent) -> Run:
        """The attempt to wait for; where it was waited for already, another that a repair has made."""
        refusals = 0
        while True:
            whole = self._whole_run()
            if not is_over_with(whole, self.databricks_task_key, intent.baseline):
                run: Run = self.service.parse({"run": whole})
                return run
            parent = calls_of(self.service_name).parse(whole)
            if parent.is_terminal:
                refusals += not self._repaired(whole, refusals)
            else:
                self._await_workflow(parent)

    def _whole_run(self) -> Mapping[str, Any]:
        for look in range(GONE_AFTER_LOOKS + 1):
            try:
                whole: Mapping[str, Any] = self.hook.call(self.service.whole_run(self._workflow.run_id))
            except NotFound as err:  # one node may not know yet what another has started
                if look == GONE_AFTER_LOOKS:
                    raise
                self.log.info("Look %s for the run of the workflow: %s", look + 1, err)
                time.sleep(self.hook.retry_delay * 2**look)
            else:
                self._workflow_url = calls_of(self.service_name).parse(whole).url
                return whole
        raise AssertionError("unreachable: the last look returns or raises")

    def _repaired(self, whole: Mapping[str, Any], refusals: int) -> bool:
        """Ask for a repair; whatever the answer, the next look tells what became of it."""
        keys = [self.databricks_task_key, *self._cleared_with_it(whole)]
        try:
            repair_id = self.hook.call(self.service.repair_tasks(whole, keys))
        except RemoteCallError as err:
            refused = err.status_code in (400, 409)
            if not (refused or err.outcome_unknown) or refusals >= MOST_REFUSALS:
                raise
            self.log.warning("%s. Looking whether another task has had the run repaired", err)
            time.sleep(self.hook.retry_delay * 2**refusals)
            return False
        names = ", ".join(map(repr, keys))
        self.log.info("Repair %s of Databricks run %s runs %s", repair_id, self._workflow.run_id, names)
        return True

    def _cleared_with_it(self, whole: Mapping[str, Any]) -> list[str]:
        """Keys of other tasks that did not end well and that Airflow is going to run again, too."""
        group = self._databricks_workflow_task_group
        others = {
            task.task_id: str(task.databricks_task_key)
            for task in (group.iter_tasks() if group else ())
            if task.task_id != self.task_id and hasattr(task, "databricks_task_key")
        }
        failed = failed_among(whole, others.values())
        asked = {task_id: key for task_id, key in others.items() if key in failed}
        if not asked:
            return []
        ti = self._context["ti"]
        try:
            states = states_of(self.dag, ti.run_id, asked)
        except Exception:
            self.log.exception("Could not ask which other tasks were cleared: repairing this one alone")
            return []
        at = -1 if ti.map_index is None else ti.map_index
        return [key for task_id, key in asked.items() if states.get((task_id, at)) not in _DONE]

    def _await_workflow(self, parent: Run) -> None:
        """Wait for the end of the whole run: only then can a task of it run again."""
        self.log.info("%s goes on: the task runs again when that is over", parent.label)
        deadline_s = self._deadline(time.time())
        if self.deferrable:
            self._defer_until_workflow_ends(deadline_s)
        watch = Watch(
            poll_interval_s=self.poll_interval,
            since_s=time.time(),
            deadline_s=deadline_s,
            spread=random.random(),
        )
        run_alone = Watched(hook=self.hook, service=calls_of(self.service_name), run_id=parent.run_id)
        self._workflow_ended(wait(run_alone, watch, self.tell))

    def _defer_until_workflow_ends(self, deadline_s: float | None) -> None:
        from airflow_provider_pipehooks.triggers.remote_run import RemoteRunTrigger

        trigger = RemoteRunTrigger(
            service=self.service_name,
            conn_id=self.conn_id,
            run_id=self._workflow.run_id,
            poll_interval=self.poll_interval,
            deadline=deadline_s,
            since=time.time(),
            hook_params=self.hook_options,
            on_cancel="keep",
        )
        self.defer(trigger=trigger, method_name="execute_after", timeout=None)

    def execute_after(self, context: Context, event: dict[str, Any] | None = None) -> int | str:
        """Go on after the triggerer has waited for the end of the whole run."""
        told = read_event(event)
        if isinstance(told, WaitEnded):
            self._workflow_ended(told)
        started: int | str = self.execute(context)
        return started

    def _workflow_ended(self, end: WaitEnded) -> None:
        if end.reason == "deadline" and end.run is not None:
            raise WaitTimedOut(end.run, f"{end.run.label}, which the task has to run again in: {end.message}")
        if end.reason != "run_ended":
            raise cannot_wait(end)
