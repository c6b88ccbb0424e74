"""JOIN a statement of Databricks SQL; one that it is given as text it submits itself, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.compat.memory import INTENT_KEY, IntentNotes, first_intent
from airflow_provider_pipehooks.core.arguments import Reader, as_text
from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.sensors.remote_run import RemoteRunSensor
from airflow_provider_pipehooks.tasks.once import Once
from airflow_provider_pipehooks.tasks.sql_statements import StartsStatement
from airflow_provider_pipehooks.tasks.waiting import cancel

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.core.intent import Intent


class DatabricksSQLStatementsSensor(StartsStatement, RemoteRunSensor):
    """Wait for a statement, and fail when it failed or was cancelled.

    Takes every parameter of the official sensor of this name. A statement that is given by its id is never
    cancelled; one that the sensor has submitted is, when the task was cleared.

    :param statement: SQL to submit; or ``statement_id``.
    :param statement_id: of a statement that something else has submitted.
    :param polling_period_seconds: seconds between two looks; ``poke_interval`` if given.
    :param wait_for_termination: otherwise the sensor succeeds once the statement is submitted.
    """

    service_name: ClassVar[str] = "databricks_sql"
    official_keys: ClassVar[Mapping[str, str]] = {"statement_id": "run_id"}
    readers: ClassVar[Mapping[str, Reader]] = {
        **StartsStatement.statement_readers,
        "statement_id": as_text,
    }
    template_fields: Sequence[str] = ("databricks_conn_id", "statement", "statement_id", "query_tags")
    template_ext: Sequence[str] = (".json-tpl",)
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"
    can_continue = False

    def __init__(
        self,
        *,
        warehouse_id: str,
        statement: str | None = None,
        statement_id: str | None = None,
        catalog: str | None = None,
        schema: str | None = None,
        parameters: list[dict[str, Any]] | None = None,
        databricks_conn_id: str = "databricks_default",
        polling_period_seconds: float | timedelta = 30,
        databricks_retry_limit: int = 3,
        databricks_retry_delay: float = 1,
        databricks_retry_args: dict[Any, Any] | None = None,
        wait_for_termination: bool = True,
        timeout: float | timedelta = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        query_tags: dict[str, str | None] | None = None,
        include_airflow_query_tags: bool = True,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("poke_interval", polling_period_seconds)
        super().__init__(deferrable=deferrable, hook_params=hook_params, timeout=timeout, **kwargs)
        self.databricks_retry_limit = databricks_retry_limit
        self.databricks_retry_delay = databricks_retry_delay
        self.databricks_retry_args = databricks_retry_args
        self.warehouse_id = warehouse_id
        self.statement = statement
        self.statement_id = statement_id
        self.catalog = catalog
        self.schema = schema
        self.parameters = parameters
        self.databricks_conn_id = databricks_conn_id
        self.wait_for_termination = wait_for_termination
        self.query_tags = query_tags or {}
        self.include_airflow_query_tags = include_airflow_query_tags
        self._body: dict[str, Any] = {}
        if statement is not None and statement_id is not None:
            raise ConfigurationError(f"Task {self.task_id!r}: give statement or statement_id, not both.")
        if statement is None and statement_id is None:
            raise ConfigurationError(f"Task {self.task_id!r}: give statement or statement_id.")
        self.check_literals()

    @property
    def conn_id(self) -> str:
        return self.databricks_conn_id

    def execute(self, context: Context) -> Any:
        if self.wait_for_termination:
            return super().execute(context)
        run: Run = self.hook.call(self.service.get_run(self.find_run_id(context)))
        self.push(context, run)
        return None

    def find_run_id(self, context: Context) -> int | str:
        if self.statement_id:
            return str(self.statement_id)
        if not self.statement:
            raise ConfigurationError(f"Task {self.task_id!r}: statement and statement_id are both empty.")
        self._body = self.statement_body(context)
        first = first_intent(context, self.task_id, self.service_name, self.what_of(self._body))
        return Once(self, IntentNotes(context, INTENT_KEY, self.log), first, self.log).run().run_id

    # tasks.once.Starts

    def baseline(self) -> int:
        return self.now_ms()

    def find(self, run_id: int | str) -> Run | None:
        try:
            found: Run = self.hook.call(self.service.get_run(run_id))
            return found
        except NotFound as err:
            self.log.info("The statement of an earlier try: %s", err)
        return self.past(run_id)

    def find_unanswered(self, intent: Intent) -> Run | None:
        return self.marked(intent)

    def to_adopt(self) -> Run | None:
        return None

    def start(self, intent: Intent) -> Run:
        return self.submitted(self._body, intent)

    def continue_run(self, run: Run) -> Run | None:
        return None

    def cancel(self, run_id: int | str, why: str) -> None:
        self.log.warning("Cancelling statement %s: %s", run_id, why)
        try:
            cancel(self.watched(run_id), self.tell)
        except RemoteCallError as err:
            self.log.error("Could not cancel statement %s: %s", run_id, err)
