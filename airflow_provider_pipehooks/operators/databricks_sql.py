"""START a statement of Databricks SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import Reader
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.operators.remote_run import OnCancel, RemoteRunOperator
from airflow_provider_pipehooks.tasks.sql_statements import StartsStatement

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.core.intent import Intent
    from airflow_provider_pipehooks.tasks.typed import TaskArguments


class DatabricksSQLStatementsOperator(StartsStatement, RemoteRunOperator):
    """Have a statement executed once, and end as it ends.

    Takes every parameter of the official operator of this name. The statement carries a query tag of ours,
    ``pipehooks_intent``, by which a start is found again whose answer was lost.

    :param statement: SQL, with named parameters (``:day``).
    :param warehouse_id: of the SQL warehouse.
    :param parameters: ``[{"name": ..., "value": ..., "type": ...}]``.
    :param query_tags: by name, besides those of DAG and task.
    :param include_airflow_query_tags: tag the statement with DAG, task, run and try.
    :param polling_period_seconds: seconds between two looks.
    :param timeout: seconds to wait for the end; then the statement is cancelled.
    :param databricks_retry_limit: tries of one call that may be repeated.
    :param databricks_retry_delay: seconds before its second try; doubled for each further one.
    :param databricks_retry_args: tenacity's ``stop`` and ``wait``, instead of the two above.
    """

    service_name: ClassVar[str] = "databricks_sql"
    interval_argument: ClassVar[str] = "polling_period_seconds"
    official_keys: ClassVar[Mapping[str, str]] = {"statement_id": "run_id"}
    readers: ClassVar[Mapping[str, Reader]] = {
        **RemoteRunOperator.readers,
        **StartsStatement.statement_readers,
    }
    template_fields: Sequence[str] = ("databricks_conn_id", "query_tags")
    template_ext: Sequence[str] = (".json-tpl",)
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        statement: str,
        warehouse_id: str,
        catalog: str | None = None,
        schema: str | None = None,
        parameters: list[dict[str, Any]] | None = None,
        databricks_conn_id: str = "databricks_default",
        polling_period_seconds: float | timedelta = 30,
        databricks_retry_limit: int = 3,
        databricks_retry_delay: float = 1,
        databricks_retry_args: dict[Any, Any] | None = None,
        wait_for_termination: bool = True,
        timeout: float | timedelta | None = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        query_tags: dict[str, str | None] | None = None,
        include_airflow_query_tags: bool = True,
        on_cancel: OnCancel = "cancel",
        hook_params: dict[str, Any] | None = None,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(
            wait_for_termination=wait_for_termination,
            poll_interval=polling_period_seconds,
            wait_timeout=timeout,
            deferrable=deferrable,
            on_cancel=on_cancel,
            hook_params=hook_params,
            **kwargs,
        )
        self.databricks_retry_limit = databricks_retry_limit
        self.databricks_retry_delay = databricks_retry_delay
        self.databricks_retry_args = databricks_retry_args
        self.statement = statement
        self.warehouse_id = warehouse_id
        self.catalog = catalog
        self.schema = schema
        self.parameters = parameters
        self.databricks_conn_id = databricks_conn_id
        self.query_tags = query_tags or {}
        self.include_airflow_query_tags = include_airflow_query_tags
        self._body: dict[str, Any] = {}
        self.check_literals()

    @property
    def conn_id(self) -> str:
        return self.databricks_conn_id

    @property
    def job(self) -> str:
        return self.what_of(self._body)

    def prepare(self, context: Context) -> None:
        self._body = self.statement_body(context)

    # Once

    def baseline(self) -> int:
        return self.now_ms()

    def find(self, run_id: int | str) -> Run | None:
        return super().find(run_id) or self.past(run_id)

    def find_unanswered(self, intent: Intent) -> Run | None:
        return self.marked(intent)

    def start(self, intent: Intent) -> Run:
        return self.submitted(self._body, intent)
