"""START, once: a statement of Databricks SQL, for the operator and for the sensor that submits one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_name,
    as_object,
    as_objects,
    as_parameter,
    as_text,
)
from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.intent import Intent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import short_hash
from airflow_provider_pipehooks.services.databricks_sql import MARK
from airflow_provider_pipehooks.tasks.arguments import ReadsArguments

#: A start whose answer was lost is looked up so often before it is sent again, and sent so often.
_LOOKS_FOR_LOST = 4
_STARTS = 2
#: The clock of the worker and that of the remote may differ by so much.
_CLOCKS_MS = 10 * 60 * 1000


def as_tags(value: Any, what: str) -> dict[str, str]:
    """Query tags by name; those that are None are left out."""
    given = as_object(value, what)
    return {name: as_parameter(item, f"{what}[{name!r}]") for name, item in given.items() if item is not None}


class StartsStatement(ReadsArguments):
    """Mixed into what submits a statement: its body, and how a start is found whose answer was lost."""

    statement_readers: ClassVar[Mapping[str, Reader]] = {
        "databricks_conn_id": as_name,
        "statement": as_text,
        "warehouse_id": as_name,
        "catalog": as_text,
        "schema": as_text,
        "parameters": as_objects,
        "query_tags": as_tags,
    }
    include_airflow_query_tags: bool
    databricks_retry_limit: int
    databricks_retry_delay: float
    databricks_retry_args: dict[Any, Any] | None

    if TYPE_CHECKING:
        hook_params: dict[str, Any]
        hook: Any
        service: Any
        log: Any

        def _numbers_of_retries(self, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]: ...

        def _unused_of_retries(self, options: dict[str, Any]) -> list[str]: ...

    @property
    def _all_hook_params(self) -> dict[str, Any]:
        return {
            "retry_limit": self.databricks_retry_limit,
            "retry_delay": self.databricks_retry_delay,
            "retry_args": self.databricks_retry_args,
            **self.hook_params,
        }

    @property
    def hook_options(self) -> dict[str, Any]:
        return self._numbers_of_retries(self._all_hook_params)[0]

    def not_acted_on(self) -> list[str]:
        return self._unused_of_retries(self._all_hook_params)

    def statement_body(self, context: Any) -> dict[str, Any]:
        """What is to be executed, without our mark."""
        names = ("statement", "warehouse_id", "catalog", "schema", "parameters")
        given = {name: self.argument(name) for name in names if getattr(self, name) not in (None, "")}
        tags = {**self._airflow_tags(context), **(self.argument("query_tags") or {})}
        return {
            **given,
            # Answered at once: the wait is ours, also where it is not deferred.
            "wait_timeout": "0s",
            "query_tags": [{"key": key, "value": value} for key, value in tags.items()],
        }

    def _airflow_tags(self, context: Any) -> dict[str, str]:
        if not self.include_airflow_query_tags:
            return {}
        ti = context["ti"]
        names = ("dag_id", "task_id", "run_id", "try_number", "map_index")
        return {f"airflow_{name}": str(found) for name in names if (found := getattr(ti, name)) is not None}

    @staticmethod
    def what_of(body: Mapping[str, Any]) -> str:
        """What is executed, as an intent names it: the tags differ from try to try."""
        return short_hash(*(f"{name}={body[name]!r}" for name in sorted(body) if name != "query_tags"))

    @staticmethod
    def now_ms() -> int:
        """When an intent is written down."""
        return int(time.time() * 1000)

    def marked(self, intent: Intent) -> Run | None:
        """The statement of an intent, by its mark in the history of queries."""
        since_ms = max(0, intent.baseline - _CLOCKS_MS)
        warehouse_id = self.argument("warehouse_id")
        found: Run | None = self.hook.call(self.service.marked_statement(warehouse_id, intent.tag, since_ms))
        return found

    def past(self, run_id: int | str) -> Run | None:
        """A statement that ended long ago; it must not be executed again because it is forgotten."""
        found: Run | None = self.hook.call(self.service.past_statement(run_id))
        return found

    def submitted(self, body: Mapping[str, Any], intent: Intent) -> Run:
        """Send a statement. Only when several looks found nothing of it is it sent again."""
        # The first, since no more than twenty are kept.
        tags = [{"key": MARK, "value": intent.tag}, *body["query_tags"]]
        for attempt in range(1, _STARTS + 1):
            try:
                run: Run = self.hook.call(self.service.start_statement({**body, "query_tags": tags}))
                return run
            except RemoteCallError as err:
                if not err.outcome_unknown:
                    raise
                self.log.warning("%s. Looking for the statement by its mark %s", err, intent.tag)
                if found := self._find_lost(intent):
                    self.log.info("%s was started by this task already", found.label)
                    return found
                if attempt == _STARTS:
                    raise
        raise AssertionError("unreachable: the last start returns or raises")

    def _find_lost(self, intent: Intent) -> Run | None:
        for look in range(_LOOKS_FOR_LOST):
            time.sleep(self.hook.retry_delay * 2**look)
            if found := self.marked(intent):
                return found
        return None
