"""The official dbt Cloud hook's methods, on our transport.

Signatures and results are the official ones: ``requests.Response`` objects, whose ``.json()`` is the API's
envelope. What the remote refuses raises :class:`~airflow_provider_pipehooks.core.errors.RemoteCallError`;
errors are kinds of the official names in :mod:`hooks.dbt_cloud`; all are ``AirflowException``.
"""

from __future__ import annotations

import asyncio
import json
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import quote

from airflow_provider_pipehooks.core.arguments import as_id
from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    DbtCloudResourceLookupError,
    RemoteCallError,
    RunEnded,
    WaitTimedOut,
    error_for,
    explain,
)
from airflow_provider_pipehooks.hooks.official import OfficialHook
from airflow_provider_pipehooks.hooks.responses import response_of
from airflow_provider_pipehooks.services.dbt_cloud import CAUSE_LIMIT, DbtCloud
from airflow_provider_pipehooks.services.dbt_cloud_calls import DbtCloudCalls, DbtCloudJobRunStatus

if TYPE_CHECKING:
    from requests import Response

    from airflow_provider_pipehooks.core.run import Run


class JobRunInfo(TypedDict):
    """What names a run."""

    account_id: int | None
    run_id: int


class DbtCloudMethods(OfficialHook):
    """Every method takes ``account_id``, for another account than the connection's."""

    @property
    def dbt_cloud_conn_id(self) -> str:
        return self.conn_id

    def _run_and_get_response(
        self,
        *,
        method: str = "GET",
        endpoint: str | None = None,
        payload: str | dict[str, Any] | None = None,
        paginate: bool = False,
        api_version: str = "v2",
    ) -> Any:
        """Call any endpoint: ``_run_and_get_response(endpoint="1/steps/7/")``.

        What changes something is not sent again when it is not known what became of it: look before you
        repeat it.

        :param endpoint: below ``accounts/``, account included; ``{account_id}`` stands for the hook's.
        :param payload: of a GET the query, else the body, as an object or its JSON text.
        :param paginate: give all pages, as a list of responses.
        """
        if paginate and (isinstance(payload, str) or not endpoint):
            raise ConfigurationError("To give all pages, an endpoint and no text as payload are needed.")
        calls = DbtCloudCalls()
        if paginate:
            pages = self.call(calls.pages(str(endpoint), payload, version=api_version))  # type: ignore[arg-type]
            return [response_of(answer) for answer in pages]
        body = json.loads(payload) if isinstance(payload, str) else payload
        return response_of(self.call(calls.ask(method, endpoint, body, version=api_version)))

    def _get(self, account_id: int | None, path: str, payload: Any = None, version: str = "v2") -> Response:
        calls = DbtCloudCalls(account_id)
        return response_of(self.call(calls.ask("GET", calls.path(path), payload, version=version)))

    def _get_all(
        self, account_id: int | None, path: str, payload: dict[str, Any] | None = None, version: str = "v2"
    ) -> list[Response]:
        calls = DbtCloudCalls(account_id)
        pages = self.call(calls.pages(calls.path(path), payload, version=version))
        return [response_of(answer) for answer in pages]

    # What is defined

    def list_accounts(self) -> Any:
        """One response with the accounts that the token can see; the official hook reads the front page."""
        return response_of(self.call(DbtCloudCalls().ask("GET", None)))

    def get_account(self, account_id: int | None = None) -> Response:
        return self._get(account_id, "")

    def list_projects(
        self, account_id: int | None = None, name_contains: str | None = None
    ) -> list[Response]:
        """:param name_contains: a part of the name, in any case of letters; so in all lists."""
        return self._get_all(account_id, "projects/", _named(name_contains), "v3")

    def get_project(self, project_id: int, account_id: int | None = None) -> Response:
        return self._get(account_id, f"projects/{as_id(project_id, 'project_id')}/", version="v3")

    def list_environments(
        self, project_id: int, *, name_contains: str | None = None, account_id: int | None = None
    ) -> list[Response]:
        path = f"projects/{as_id(project_id, 'project_id')}/environments/"
        return self._get_all(account_id, path, _named(name_contains), "v3")

    def get_environment(
        self, project_id: int, environment_id: int, *, account_id: int | None = None
    ) -> Response:
        project = f"projects/{as_id(project_id, 'project_id')}"
        path = f"{project}/environments/{as_id(environment_id, 'environment_id')}/"
        return self._get(account_id, path, version="v3")

    def list_jobs(
        self,
        account_id: int | None = None,
        order_by: str | None = None,
        project_id: int | None = None,
        environment_id: int | None = None,
        name_contains: str | None = None,
    ) -> list[Response]:
        """:param order_by: a field, with ``-`` before it for the other way round."""
        payload = {"order_by": order_by, "project_id": project_id, "environment_id": environment_id}
        return self._get_all(account_id, "jobs/", {**payload, **_named(name_contains)})

    def get_job(self, job_id: int, account_id: int | None = None) -> Response:
        return self._get(account_id, f"jobs/{as_id(job_id, 'job_id')}/")

    def get_job_by_name(
        self, *, project_name: str, environment_name: str, job_name: str, account_id: int | None = None
    ) -> dict[str, Any]:
        """A job, as ``GET jobs/{id}/`` tells it.

        :raises DbtCloudResourceLookupError: none or several have a name; lists the near ones.
        """
        found = DbtCloud().job_id_by_name(project_name, environment_name, job_name)
        try:
            job_id = self.call(DbtCloudCalls(account_id).here(found))
        except ConfigurationError as err:
            raise DbtCloudResourceLookupError(str(err)) from err
        job: dict[str, Any] = self.get_job(job_id, account_id).json()["data"]
        return job

    # Runs

    def trigger_job_run(
        self,
        job_id: int,
        cause: str,
        account_id: int | None = None,
        steps_override: list[str] | None = None,
        schema_override: str | None = None,
        retry_from_failure: bool = False,
        additional_run_config: dict[str, Any] | None = None,
    ) -> Response:
        """Start a run of a job.

        Nothing remembers this start, as an operator does, and dbt Cloud has no key for it: it is sent once.
        An error whose ``outcome_unknown`` is true may have started a run: look for its ``cause`` before you
        start another.

        :param cause: at most 255 characters; the rest is cut off with a warning.
        :param retry_from_failure: continue the newest run if that ended in error; without the overrides.
        :param additional_run_config: further fields of the body.
        """
        calls = DbtCloudCalls(account_id)
        overrides = {"steps_override": steps_override, "schema_override": schema_override}
        if cause is not None and len(cause) > CAUSE_LIMIT:
            warnings.warn(f"Cause is cut to {CAUSE_LIMIT} characters: {cause!r}", UserWarning, stacklevel=2)
        if retry_from_failure and self.call(calls.newest_failed(job_id)):
            if any(value is not None for value in overrides.values()) or additional_run_config:
                warnings.warn(
                    "steps_override, schema_override and additional_run_config are ignored: the run that "
                    "failed is continued.",
                    UserWarning,
                    stacklevel=2,
                )
            return self.retry_failed_job_run(job_id, account_id)
        short = cause[:CAUSE_LIMIT] if cause is not None else None
        body = {"cause": short, **overrides, **(additional_run_config or {})}
        return response_of(self.call(calls.start(job_id, body)))

    def retry_failed_job_run(self, job_id: int, account_id: int | None = None) -> Response:
        """Continue a job's newest run where it failed, or start a new one; once only as the start."""
        return response_of(self.call(DbtCloudCalls(account_id).rerun(job_id)))

    def list_job_runs(
        self,
        account_id: int | None = None,
        include_related: list[str] | None = None,
        job_definition_id: int | None = None,
        order_by: str | None = None,
    ) -> list[Response]:
        """All runs, in pages: ``[run for page in list_job_runs() for run in page.json()["data"]]``.

        :meth:`list_runs` gives run by run and reads no page before it is needed.
        """
        payload = {
            "include_related": include_related,
            "job_definition_id": job_definition_id,
            "order_by": order_by,
        }
        return self._get_all(account_id, "runs/", payload)

    def get_job_runs(self, account_id: int | None = None, payload: dict[str, Any] | None = None) -> Response:
        """One page of runs.

        :param payload: filters of the API; lists may be given as such.
        """
        return self._get(account_id, "runs/", payload)

    def get_job_run(
        self, run_id: int, account_id: int | None = None, include_related: list[str] | None = None
    ) -> Response:
        """:param include_related: ``trigger``, ``job``, ``run_steps``, ...; all count, not only the last."""
        path = f"runs/{as_id(run_id, 'run_id')}/"
        return self._get(account_id, path, {"include_related": include_related})

    def get_job_run_status(self, run_id: int, account_id: int | None = None) -> int:
        """A run's status, also one that is not known, where the official hook raises."""
        status = self.call(DbtCloudCalls(account_id).status(run_id))
        self.log.info("Current status of job run %s: %s", run_id, _word(status))
        return status

    async def get_job_details(
        self, run_id: int, account_id: int | None = None, include_related: list[str] | None = None
    ) -> Any:
        """The envelope of a run, from inside an event loop."""
        calls = DbtCloudCalls(account_id)
        path = calls.path(f"runs/{as_id(run_id, 'run_id')}/")
        answer = await self.acall_once(calls.ask("GET", path, {"include_related": include_related}))
        return answer.body

    async def get_job_status(
        self, run_id: int, account_id: int | None = None, include_related: list[str] | None = None
    ) -> int:
        """A run's status, from inside an event loop."""
        return await self.acall_once(DbtCloudCalls(account_id).status(run_id))

    def wait_for_job_run_status(
        self,
        run_id: int,
        account_id: int | None = None,
        expected_statuses: int | Sequence[int] | set[int] = DbtCloudJobRunStatus.SUCCESS.value,
        check_interval: float = 60,
        timeout: float = 60 * 60 * 24 * 7,
    ) -> bool:
        """Wait until a run has one of these statuses; trouble of the remote does not end the wait.

        :param check_interval: seconds between two looks.
        :param timeout: seconds; then there is one last look.
        :return: True.
        :raises RunEnded: the run ended otherwise; says why.
        :raises WaitTimedOut: it goes on.
        """
        expected = {expected_statuses} if isinstance(expected_statuses, int) else set(expected_statuses)
        DbtCloudJobRunStatus.check_is_valid(expected)
        deadline_s = time.monotonic() + timeout
        while True:
            is_last = time.monotonic() >= deadline_s
            status = self._look(run_id, account_id, is_last=is_last)
            if status in expected:
                return True
            if status is not None and DbtCloudJobRunStatus.is_terminal(status):
                raise _ended_otherwise(self._explained(run_id, account_id), expected)
            if is_last:
                run = self.call(DbtCloudCalls(account_id).here(DbtCloud().get_run(run_id)))
                raise WaitTimedOut(run, f"{run.label} is not over after {timeout} s: {run.status}.")
            time.sleep(max(0.0, min(check_interval, deadline_s - time.monotonic())))

    def _look(self, run_id: int, account_id: int | None, *, is_last: bool) -> int | None:
        try:
            return self.get_job_run_status(run_id, account_id)
        except RemoteCallError as err:
            if is_last or not err.retryable:
                raise
            self.log.warning("The status of job run %s could not be read, asked again: %s", run_id, err)
            return None

    def log_job_run_failure_details(
        self, run_id: int, account_id: int | None = None, job_run: dict[str, Any] | None = None
    ) -> None:
        """Log why a run failed: its failed nodes with their errors, or the end of the failed step's log.

        :param job_run: without effect: what is needed is read.
        """
        self.log.error("%s", explain(self._explained(run_id, account_id)))

    def _explained(self, run_id: int, account_id: int | None) -> Run:
        calls, service = DbtCloudCalls(account_id), DbtCloud()
        run = self.call(calls.here(service.get_run(run_id)))
        return self.call(calls.here(service.explain_run(run)))

    def cancel_job_run(self, run_id: int, account_id: int | None = None) -> None:
        """Ask for a cancel; dbt Cloud does it later."""
        cancel = DbtCloud().cancel_run(as_id(run_id, "run_id"))
        self.call(DbtCloudCalls(account_id).here(cancel))

    # What runs left

    def list_job_run_artifacts(
        self, run_id: int, account_id: int | None = None, step: int | None = None
    ) -> Any:
        """One response with the paths of a step's files.

        :param step: from 1; the last one if not given. So of the next two.
        """
        return self._get(account_id, f"runs/{as_id(run_id, 'run_id')}/artifacts/", {"step": step})

    def get_job_run_artifact(
        self, run_id: int, path: str, account_id: int | None = None, step: int | None = None
    ) -> Response:
        """A file, as ``run_results.json`` or ``compiled/x/models/y.sql``: ``.json()`` or ``.text``."""
        return self._get(account_id, _artifact(run_id, path), {"step": step})

    async def get_job_run_artifacts_concurrently(
        self, run_id: int, artifacts: list[str], account_id: int | None = None, step: int | None = None
    ) -> dict[str, Any]:
        """Files by their path, each as what its JSON says."""
        calls = DbtCloudCalls(account_id)
        async with self.opened() as hook:
            answers = await asyncio.gather(
                *(
                    hook.acall(calls.ask("GET", calls.path(_artifact(run_id, path)), {"step": step}))
                    for path in artifacts
                )
            )
        return {path: json.loads(answer.body) for path, answer in zip(artifacts, answers, strict=True)}


def _artifact(run_id: int, path: str) -> str:
    return f"runs/{as_id(run_id, 'run_id')}/artifacts/{quote(str(path).lstrip('/'))}"


def _named(part: str | None) -> dict[str, Any]:
    return {"name__icontains": part} if part else {}


def _word(status: int) -> str:
    return next((each.name for each in DbtCloudJobRunStatus if each.value == status), f"{status}, not known")


def _ended_otherwise(run: Run, expected: set[int]) -> RunEnded:
    reached = f"{run.label} reached {run.status} before {' or '.join(map(_word, sorted(expected)))}."
    return error_for(run) if run.is_failed else RunEnded(run, reached)
