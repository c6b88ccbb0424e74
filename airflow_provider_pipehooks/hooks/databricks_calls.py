"""The official Databricks hook's methods about jobs, runs and pipelines, on our transport.

Signatures and results are the official ones. What fails raises
:class:`~airflow_provider_pipehooks.core.errors.RemoteCallError`, a kind of ``DatabricksApiError``, or
``ConfigurationError`` for what was given; all are ``AirflowException``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_pipehooks.hooks.official import OfficialHook
from airflow_provider_pipehooks.hooks.transport import USER_AGENT
from airflow_provider_pipehooks.services.databricks_calls import DatabricksCalls, Json
from airflow_provider_pipehooks.services.databricks_values import RunState

if TYPE_CHECKING:
    from airflow.sdk import Connection

_CALLS = DatabricksCalls()


class JobMethods(OfficialHook):
    """Jobs, runs and pipelines, and the call of any endpoint."""

    caller: str

    @property
    def databricks_conn(self) -> Connection:
        """The connection, with its secrets."""
        return self.connection

    def get_conn(self) -> Connection:
        """The same."""
        return self.connection

    @property
    def databricks_conn_id(self) -> str:
        return self.conn_id

    @property
    def host(self) -> str | None:
        """The workspace's host, without scheme and port."""
        return urlsplit(self.target.base_url).hostname

    @property
    def proxies(self) -> dict[str, str] | None:
        return dict(self.target.proxies) or None

    @property
    def user_agent_value(self) -> str:
        return USER_AGENT

    @property
    def user_agent_header(self) -> dict[str, str]:
        return {"user-agent": self.user_agent_value}

    def _do_api_call(
        self, endpoint_info: tuple[str, str], json: Json | None = None, wrap_http_errors: bool = True
    ) -> Any:
        """Call any endpoint: ``_do_api_call(("GET", "2.1/clusters/list"))``.

        What changes something is not sent again when it is not known what became of it, unless ``json`` has
        an ``idempotency_token``: look before you repeat it.

        :param json: of a GET the query, else the body.
        :param wrap_http_errors: without effect: a refusal is always a ``RemoteCallError``.
        :return: the answer's object; ``{}`` when it is empty.
        """
        return self.call(_CALLS.ask(*endpoint_info, json))

    async def _a_do_api_call(self, endpoint_info: tuple[str, str], json: Json | None = None) -> Any:
        """As :meth:`_do_api_call`, inside an event loop."""
        return await self.acall_once(_CALLS.ask(*endpoint_info, json))

    # Jobs

    def create_job(self, json: Json) -> int:
        """Create a job; sent once, so that a lost answer is an error and not a second job.

        :return: its id.
        """
        return self.call(_CALLS.create_job(json))

    def reset_job(self, job_id: str, json: Json) -> None:
        """Replace a job's settings, and its permissions if ``json`` has an ``access_control_list``."""
        self.call(_CALLS.reset_job(job_id, json))

    def update_job(self, job_id: str, json: Json) -> None:
        """Change some of a job's settings."""
        self.call(_CALLS.update_job(job_id, json))

    def update_job_permission(self, job_id: int, json: Json) -> Json:
        """Change who may do what with a job.

        :return: ``{"object_id": str, "object_type": "job", "access_control_list": [...]}``.
        """
        return self.call(_CALLS.permit(job_id, json))

    def list_jobs(
        self,
        limit: int = 25,
        expand_tasks: bool = False,
        job_name: str | None = None,
        page_token: str | None = None,
        include_user_names: bool = False,
    ) -> list[Json]:
        """All jobs, or those with a name.

        :param limit: jobs a page; all pages are read.
        :param page_token: where to begin.
        """
        query = {"limit": limit, "expand_tasks": expand_tasks, "include_user_names": include_user_names}
        return self.call(_CALLS.jobs(job_name, page_token, **query))

    def find_job_id_by_name(self, job_name: str) -> int | None:
        """A job's id; None when no job has the name.

        :raises ConfigurationError: several have it.
        """
        return self.call(_CALLS.job_id_by_name(job_name))

    # Runs

    def run_now(self, json: Json) -> int:
        """Start a run of a job.

        Nothing remembers this start, as an operator does: with an ``idempotency_token`` in ``json`` it may be
        repeated, by us and by you, and stays one run. Without one it is sent once; an error whose
        ``outcome_unknown`` is true may have started a run.

        :return: its id.
        """
        return self.call(_CALLS.run_now(json))

    def submit_run(self, json: Json) -> int:
        """Start a one-time run; once only as :meth:`run_now`.

        :return: its id.
        """
        return self.call(_CALLS.submit(json))

    def get_run(self, run_id: int) -> Json:
        """A run, as ``GET runs/get`` tells it, with all its tasks."""
        return self.call(_CALLS.get_run(run_id))

    async def a_get_run(self, run_id: int) -> Json:
        return await self.acall_once(_CALLS.get_run(run_id))

    def get_run_tasks(self, run_id: int) -> list[Json]:
        """The task runs of a run, of all attempts."""
        tasks: list[Json] = self.get_run(run_id).get("tasks", [])
        return tasks

    def get_run_page_url(self, run_id: int) -> str:
        """The address of a run's page."""
        return self.call(_CALLS.run_value(run_id, "run_page_url", str))

    async def a_get_run_page_url(self, run_id: int) -> str:
        return await self.acall_once(_CALLS.run_value(run_id, "run_page_url", str))

    def get_job_id(self, run_id: int) -> int:
        """The job of a run."""
        return self.call(_CALLS.run_value(run_id, "job_id", int))

    def get_run_state(self, run_id: int) -> RunState:
        """The state of a run, in Databricks' own words.

        :return: a life cycle that is not known is kept, and is not terminal; the official hook raises.
        """
        return self.call(_CALLS.run_state(run_id))

    async def a_get_run_state(self, run_id: int) -> RunState:
        return await self.acall_once(_CALLS.run_state(run_id))

    def get_run_state_str(self, run_id: int) -> str:
        """State, result and message of a run in one line."""
        state = self.get_run_state(run_id)
        return f"State: {state.life_cycle_state}. Result: {state.result_state}. {state.state_message}"

    def get_run_state_lifecycle(self, run_id: int) -> str:
        return self.get_run_state(run_id).life_cycle_state

    def get_run_state_result(self, run_id: int) -> str:
        return self.get_run_state(run_id).result_state

    def get_run_state_message(self, run_id: int) -> str:
        return self.get_run_state(run_id).state_message

    def get_run_output(self, run_id: int) -> Json:
        """What a task run left: ``{"metadata": {...}, "notebook_output": {"result": str, ...}, ...}``.

        :param run_id: of a task run (``get_run_tasks(...)[n]["run_id"]``), not of a run with several.
        """
        return self.call(_CALLS.run_output(run_id))

    async def a_get_run_output(self, run_id: int) -> Json:
        return await self.acall_once(_CALLS.run_output(run_id))

    def cancel_run(self, run_id: int) -> None:
        """Ask for a cancel; Databricks does it later."""
        self.call(_CALLS.cancel_run(run_id))

    def cancel_all_runs(self, job_id: int) -> None:
        """Ask for a cancel of all active runs of a job."""
        self.call(_CALLS.cancel_all_runs(job_id))

    def delete_run(self, run_id: int) -> None:
        """Delete a run that is over."""
        self.call(_CALLS.delete_run(run_id))

    def repair_run(self, json: Json) -> int:
        """Run tasks of a run again; sent once, as :meth:`create_job`.

        :return: the repair id.
        """
        return self.call(_CALLS.repair(json))

    def get_latest_repair_id(self, run_id: int) -> int | None:
        """Which a later repair has to name; None for a run that was not repaired."""
        return self.call(_CALLS.latest_repair_id(run_id))

    # Pipelines

    def list_pipelines(
        self, batch_size: int = 25, pipeline_name: str | None = None, notebook_path: str | None = None
    ) -> list[Json]:
        """All pipelines, or those with a name or a notebook.

        :param batch_size: pipelines a page; all pages are read.
        """
        return self.call(_CALLS.pipelines(batch_size, pipeline_name, notebook_path))

    def find_pipeline_id_by_name(self, pipeline_name: str) -> str | None:
        """A pipeline's id; None when no pipeline has the name.

        :raises ConfigurationError: several have it.
        """
        return self.call(_CALLS.pipeline_id_by_name(pipeline_name))
