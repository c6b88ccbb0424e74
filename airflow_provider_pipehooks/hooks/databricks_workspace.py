"""The official Databricks hook's methods about clusters, SQL, libraries and repositories, on our transport.

Nothing of these is sent again when it is not known what became of it.
"""

from __future__ import annotations

from airflow_provider_pipehooks.hooks.databricks_calls import JobMethods
from airflow_provider_pipehooks.services.databricks_calls import DatabricksCalls, Json, in_path
from airflow_provider_pipehooks.services.databricks_values import (
    ClusterState,
    SQLStatementState,
    WarehouseState,
)

_CALLS = DatabricksCalls()
_STATEMENTS = "2.0/sql/statements"
_WAREHOUSES = "2.0/sql/warehouses"
_REPOS = "2.0/repos"


class WorkspaceMethods(JobMethods):
    """Everything of a workspace but jobs, runs and pipelines."""

    # Clusters and their libraries

    def get_cluster_state(self, cluster_id: str) -> ClusterState:
        return self.call(_CALLS.cluster_state(cluster_id))

    async def a_get_cluster_state(self, cluster_id: str) -> ClusterState:
        return await self.acall_once(_CALLS.cluster_state(cluster_id))

    def restart_cluster(self, json: Json) -> None:
        """:param json: ``{"cluster_id": str}``, as of the next two."""
        self._do_api_call(("POST", "2.1/clusters/restart"), json)

    def start_cluster(self, json: Json) -> None:
        self._do_api_call(("POST", "2.1/clusters/start"), json)

    def terminate_cluster(self, json: Json) -> None:
        self._do_api_call(("POST", "2.1/clusters/delete"), json)

    def install(self, json: Json) -> None:
        """:param json: ``{"cluster_id": str, "libraries": [...]}``, as of the next one."""
        self._do_api_call(("POST", "2.0/libraries/install"), json)

    def uninstall(self, json: Json) -> None:
        self._do_api_call(("POST", "2.0/libraries/uninstall"), json)

    # SQL

    def get_warehouse(self, warehouse_id: str) -> Json:
        return self._on_warehouse("GET", warehouse_id)

    async def a_get_warehouse(self, warehouse_id: str) -> Json:
        endpoint = f"{_WAREHOUSES}/{in_path(warehouse_id)}"
        return await self.acall_once(_CALLS.ask("GET", endpoint))

    def get_warehouse_state(self, warehouse_id: str) -> WarehouseState:
        return self.call(_CALLS.warehouse_state(warehouse_id))

    async def a_get_warehouse_state(self, warehouse_id: str) -> WarehouseState:
        return await self.acall_once(_CALLS.warehouse_state(warehouse_id))

    def start_warehouse(self, warehouse_id: str) -> None:
        self._on_warehouse("POST", warehouse_id, "/start")

    def stop_warehouse(self, warehouse_id: str) -> None:
        self._on_warehouse("POST", warehouse_id, "/stop")

    def _on_warehouse(self, method: str, warehouse_id: str, action: str = "") -> Json:
        return self.call(_CALLS.ask(method, f"{_WAREHOUSES}/{in_path(warehouse_id)}{action}"))

    def post_sql_statement(self, json: Json) -> str:
        """Run a statement; sent once, so that a lost answer is an error and not a second run of it.

        :return: the statement's id. Nothing is told to OpenLineage, which the official hook does.
        """
        return self.call(_CALLS.post_statement(json))

    def get_sql_statement_state(self, statement_id: str) -> SQLStatementState:
        return self.call(_CALLS.statement_state(statement_id))

    async def a_get_sql_statement_state(self, statement_id: str) -> SQLStatementState:
        return await self.acall_once(_CALLS.statement_state(statement_id))

    def cancel_sql_statement(self, statement_id: str) -> None:
        """Ask for a cancel; Databricks does it later."""
        self._do_api_call(("POST", f"{_STATEMENTS}/{in_path(statement_id)}/cancel"))

    # Repositories

    def create_repo(self, json: Json) -> Json:
        return self.call(_CALLS.ask("POST", _REPOS, json))

    def update_repo(self, repo_id: str, json: Json) -> Json:
        return self.call(_CALLS.ask("PATCH", f"{_REPOS}/{in_path(repo_id)}", json))

    def delete_repo(self, repo_id: str) -> None:
        self._do_api_call(("DELETE", f"{_REPOS}/{in_path(repo_id)}"))

    def get_repo_by_path(self, path: str) -> str | None:
        """A repository's id; None when there is none at this path."""
        return self.call(_CALLS.repo_id_by_path(path))
