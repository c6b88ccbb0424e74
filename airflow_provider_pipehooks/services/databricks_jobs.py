"""Databricks Jobs API 2.2 (runs, jobs), as read in August 2026."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.texts import last_lines, shorten
from airflow_provider_pipehooks.services import databricks_tasks as tasks_of
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found, Key, number_of
from airflow_provider_pipehooks.services.databricks_pages import PAGE, batches_of, read_batch
from airflow_provider_pipehooks.services.databricks_states import NAME, number_or_0, parse_run
from airflow_provider_pipehooks.services.databricks_tasks import newest_attempts
from airflow_provider_pipehooks.services.reading import (
    LONGEST_FAILURE,
    any_id_or_none,
    data_of,
    id_or_none,
    object_or_empty,
    objects,
    text_or_none,
)

#: get-output is limited to about 20 requests a second, and nobody reads more.
_MOST_OUTPUTS = 10
_NAME_PAGES = 5


@dataclass(frozen=True)
class DatabricksJobs:
    """The calls on one workspace.

    :param task_key: look at this task of a run instead of the whole run.
    :param with_failures_is_success: take SUCCESS_WITH_FAILURES as a success; Databricks' own
        notifications do, Airflow's provider does not.
    """

    task_key: str | None = None
    with_failures_is_success: bool = False
    name: ClassVar[str] = NAME
    runs_a_page: ClassVar[int] = PAGE

    def _request(self, method: Literal["GET", "POST"], path: str, **fields: Any) -> Request:
        return Request(method=method, path=f"/api/2.2/jobs/{path}", **fields)

    def key_of(self, run_id: int | str) -> Key | None:
        number = number_of(run_id)
        if number is None or self.task_key is None:
            return number
        return tasks_of.key_of(number, self.task_key)

    def batches_of(self, wanted: Mapping[Key, Run | None], *, ended_only: bool) -> list[Batch]:
        tasks = {key: run for key, run in wanted.items() if tasks_of.is_task(key)}
        runs = {key: run for key, run in wanted.items() if key not in tasks}
        return [*tasks_of.batches_of(tasks), *batches_of(runs, ended_only)]

    def read_batch(self, found: Found) -> Procedure[bool]:
        if any(map(tasks_of.is_task, found.batch.wanted)):
            return (yield from tasks_of.read_batch(found, self.whole_run))
        return (yield from read_batch(found))

    def parse(self, data: Mapping[str, Any]) -> Run:
        if self.task_key is not None:
            return self._task_in(object_or_empty(data.get("run")), self.task_key)
        return self._parse(data, self._request("GET", "runs/list"))

    def _parse(self, data: Mapping[str, Any], request: Request) -> Run:
        try:
            return parse_run(data, with_failures_is_success=self.with_failures_is_success)
        except ValueError as err:
            raise RemoteCallError(f"{request} did not answer with a run: {err}", retryable=True) from err

    def get_run(self, run_id: int | str) -> Procedure[Run]:
        if self.task_key is not None:
            return (yield from self._get_task(run_id, self.task_key))
        request = self._get_request(run_id)
        return self._parse((yield request).body, request)

    def _get_request(self, run_id: int | str, **params: str) -> Request:
        params = {"run_id": str(run_id), "include_history": "true", **params}
        return self._request("GET", "runs/get", params=params)

    def whole_run(self, run_id: int | str) -> Procedure[Mapping[str, Any]]:
        """A run with all its tasks: 2.2 gives at most 100 a page, and later pages repeat the rest."""
        request = self._get_request(run_id)
        run = dict((yield request).body)
        tasks, token = objects(run.get("tasks")), text_or_none(run.get("next_page_token"))
        seen: set[str] = set()
        while token:
            if token in seen:
                raise RemoteCallError(f"{request} gave the same page again: {token!r}.", retryable=True)
            seen.add(token)
            page = (yield self._get_request(run_id, page_token=token)).body
            tasks += objects(page.get("tasks"))
            token = text_or_none(page.get("next_page_token"))
        return {**run, "tasks": tasks}

    def _get_task(self, run_id: int | str, task_key: str) -> Procedure[Run]:
        return self._task_in((yield from self.whole_run(run_id)), task_key)

    def _task_in(self, whole: Mapping[str, Any], task_key: str) -> Run:
        """The newest attempt of one task. A failed attempt is final once no retry can follow."""
        request = self._get_request(str(whole.get("run_id")))
        parent = self._parse(whole, request)
        newest = newest_attempts(objects(whole.get("tasks"))).get(task_key)
        if newest is None:
            return _missing_task(parent, task_key, whole)
        task = replace(self._parse(newest, request), job_id=parent.job_id)
        retries = number_or_0(newest.get("max_retries"))
        final = retries >= 0 and number_or_0(newest.get("attempt_number")) >= retries
        if task.is_failed and not final and not parent.is_terminal:
            return replace(task, state=RunState.RUNNING, kind=None, status=f"{task.status}, to be retried")
        return task

    def run_now(self, body: Mapping[str, Any]) -> Procedure[int]:
        """Start a run of a job; with an ``idempotency_token`` this may be repeated.

        :return: the run id; the answer has nothing else.
        """
        return (yield from self._post_for_id("run-now", body, "run_id"))

    def submit(self, body: Mapping[str, Any]) -> Procedure[int]:
        """Start a one-time run; otherwise as :meth:`run_now`."""
        return (yield from self._post_for_id("runs/submit", body, "run_id"))

    def repair(self, run_id: int, job_parameters: Mapping[str, str] | None = None) -> Procedure[int]:
        """Run the failed tasks of a run again, in the same run.

        :return: the repair id. A later repair must name the one before, so the history is read first.
        """
        latest = tasks_of.latest_repair((yield self._get_request(run_id)).body)
        body: dict[str, Any] = {"run_id": run_id, "rerun_all_failed_tasks": True}
        if latest is not None:
            body["latest_repair_id"] = latest
        if job_parameters:
            body["job_parameters"] = dict(job_parameters)
        return (yield from self._post_for_id("runs/repair", body, "repair_id"))

    def repair_tasks(self, whole: Mapping[str, Any], task_keys: Collection[str]) -> Procedure[int]:
        """Run some tasks of a run again, in the same run, which must be over.

        :param whole: the run, of :meth:`whole_run`. Has another repair begun since, this one is refused.
        :return: the repair id.
        """
        return (
            yield from self._post_for_id("runs/repair", tasks_of.repair_body(whole, task_keys), "repair_id")
        )

    def _post_for_id(self, path: str, body: Mapping[str, Any], key: str) -> Procedure[int]:
        # Databricks promises one run per token, so a call that carries one may be sent again.
        request = self._request("POST", path, json=body, idempotent="idempotency_token" in body)
        return data_of((yield request), request, key, int)

    def update_job(self, job_id: int, new_settings: Mapping[str, Any]) -> Procedure[None]:
        body = {"job_id": job_id, "new_settings": new_settings}
        yield self._request("POST", "update", json=body, expects="text")

    def cancel_run(self, run_id: int | str) -> Procedure[None]:
        if self.task_key is not None:
            whole = yield from self.whole_run(run_id)
            run_id = tasks_of.attempt_id(whole, self.task_key)  # the other tasks of the run go on
        # The answer has no body.
        yield self._request("POST", "runs/cancel", json={"run_id": run_id}, idempotent=True, expects="text")

    def cancel_all_runs(self, job_id: int) -> Procedure[None]:
        yield self._request(
            "POST", "runs/cancel-all", json={"job_id": job_id}, idempotent=True, expects="text"
        )

    def newest_run(self, job_id: int) -> Procedure[Run]:
        """The run of a job that started last.

        :raises NotFound: the job has no runs (they are removed after 60 days), or does not exist.
        """
        request = self._request("GET", "runs/list", params={"job_id": str(job_id), "limit": "1"})
        runs = objects((yield request).body.get("runs"))
        if not runs:
            raise NotFound(f"Databricks job {job_id} has no run to wait for.")
        return self._parse(runs[0], request)

    def job_id_by_name(self, name: str) -> Procedure[int]:
        """Find a job.

        :raises ConfigurationError: none or several have the name; lists the near ones.
        """
        alike = [
            job for job in (yield from self._jobs(name=name)) if _name(job).casefold() == name.casefold()
        ]
        # The remote's filter does not tell upper from lower case; two jobs may differ in nothing else.
        same = [job for job in alike if _name(job) == name] or alike
        if len(same) == 1 and (job_id := id_or_none(same[0].get("job_id"))):
            return job_id
        if same:
            ids = ", ".join(str(job.get("job_id")) for job in same)
            raise ConfigurationError(
                f"{len(same)} Databricks jobs are named {name!r} (ids {ids}). Use job_id."
            )
        names = [_name(job) for job in (yield from self._jobs())]
        near = get_close_matches(name, names, n=3, cutoff=0.4) or sorted(names)[:3]
        near = list(map(shorten, near))
        hint = f"Near: {', '.join(map(repr, near))}." if near else "This token sees none at all."
        raise ConfigurationError(f"No Databricks job is named {name!r}. {hint}")

    def _jobs(self, **params: str) -> Procedure[list[Mapping[str, Any]]]:
        """Jobs, each once, page by page, up to as many as a list of near names needs."""
        jobs: dict[str, Mapping[str, Any]] = {}
        token = ""
        for _ in range(_NAME_PAGES):
            query = {**params, "limit": "100", **({"page_token": token} if token else {})}
            body = (yield self._request("GET", "list", params=query)).body
            jobs |= {str(job.get("job_id")): job for job in objects(body.get("jobs"))}
            token = text_or_none(body.get("next_page_token")) or ""
            if not token:
                break
        return list(jobs.values())

    def explain_run(self, run: Run) -> Procedure[Run]:
        """Name the failed tasks with the error each one printed."""
        if self.task_key is not None:
            return (yield from self._explain_task(run, self.task_key))
        whole = yield from self.whole_run(run.run_id)
        keys = newest_attempts(objects(whole.get("tasks")))
        failures: list[Failure] = []
        for key, data in keys.items():
            task = self._parse(data, self._get_request(run.run_id))
            if task.state is RunState.ERROR:
                wants_output = len(failures) < _MOST_OUTPUTS
                error, trace = (yield from self._output_of(task)) if wants_output else (None, None)
                failures.append(_failure(key, task, error, trace, run.url))
        return run.with_failures(*failures)

    def _explain_task(self, task: Run, task_key: str) -> Procedure[Run]:
        """A run that is the attempt of a task says by itself what it printed."""
        if task.state is not RunState.ERROR:
            return task
        error, trace = yield from self._output_of(task)
        return task.with_failures(_failure(task_key, task, error, trace, task.url))

    def output_of(self, run_id: int | str) -> Procedure[Mapping[str, Any]]:
        """What the only task of a run, or an attempt of a task, has left, as ``runs/get-output`` tells it."""
        if self.task_key is None:
            tasks = newest_attempts(objects((yield from self.whole_run(run_id)).get("tasks")))
            ids = [each for task in tasks.values() if (each := any_id_or_none(task.get("run_id")))]
            run_id = ids[0] if len(ids) == 1 else run_id
        request = self._request("GET", "runs/get-output", params={"run_id": str(run_id)})
        output: Mapping[str, Any] = (yield request).body
        return output

    def _output_of(self, task: Run) -> Procedure[tuple[str | None, str | None]]:
        """What the task printed, and the end of its trace; there is none for pipeline tasks."""
        try:
            answer = yield self._request("GET", "runs/get-output", params={"run_id": str(task.run_id)})
        except RemoteCallError as err:
            # The state's own message is still there.
            told = shorten(task.message or task.status, LONGEST_FAILURE)
            return (None if err.status_code == 400 else f"{told} (its output could not be read: {err})"), None
        error, trace = (text_or_none(answer.body.get(key)) for key in ("error", "error_trace"))
        return shorten(error, LONGEST_FAILURE) if error else None, last_lines(trace) if trace else None


def _failure(task_key: str, task: Run, error: str | None, trace: str | None, url: str | None) -> Failure:
    message = error or shorten(task.message or task.status, LONGEST_FAILURE)
    return Failure(name=shorten(task_key), message=message, url=task.url or url, detail=trace)


def _missing_task(parent: Run, task_key: str, whole: Mapping[str, Any]) -> Run:
    """A task may show only after its run has started; when the run is over it never will."""
    if not parent.is_terminal:
        return replace(parent, state=RunState.QUEUED, status=f"not started yet: task {task_key!r}")
    keys = shorten(", ".join(repr(key) for key in newest_attempts(objects(whole.get("tasks")))))
    raise ConfigurationError(f"{parent.label} has no task {task_key!r}. It has: {keys or 'none'}.")


def _name(job: Mapping[str, Any]) -> str:
    return str(object_or_empty(job.get("settings")).get("name"))
