"""What a DAG cannot find here under its official name, or finds changed, each with what to do instead.

``Class`` or ``Class.name``. What is taken, and what the code itself refuses, needs no line: it is compared.
"""

from __future__ import annotations

_SQL = "SQL on warehouses is the official provider's"
_HTTP = "a part of the HTTP hook below the official one: use `_run_and_get_response`"
_INSIDE = "an inner part of the official hook"
_LINEAGE = "nothing here is told to OpenLineage: use the official hook"
_ONCE = "sent once: when the answer is lost, an error whose `outcome_unknown` is true"
_KEPT = "a word that is not known is kept, and is not terminal"
_NO_WITH = "needs no `async with`"
_NO_EFFECT = "taken, without effect"
_RETRY_ARGS = "`stop` and `wait` count, the rest is told of"
_ALWAYS = f"{_NO_EFFECT}: a run is always found again after a crash"

#: Classes that are not replaced: their import line stays as it is.
STAYS = {
    "DatabricksSqlOperator": _SQL,
    "DatabricksCopyIntoOperator": _SQL,
    "DatabricksCopyIntoAssetOperator": _SQL,
    "DatabricksSqlHook": _SQL,
    "DatabricksSqlSensor": _SQL,
    "DatabricksPartitionSensor": _SQL,
    "DatabricksStartWarehouseOperator": _SQL,
    "DatabricksStopWarehouseOperator": _SQL,
    "DatabricksWarehouseStateTrigger": _SQL,
    "DatabricksWarehouseError": _SQL,
    "DatabricksSqlExecutionError": _SQL,
    "DatabricksSqlExecutionTimeout": _SQL,
    "DatabricksReposCreateOperator": "repositories start no run",
    "DatabricksReposUpdateOperator": "repositories start no run",
    "DatabricksReposDeleteOperator": "repositories start no run",
    "DatabricksSQLStatementExecutionTrigger": "the wait of that operator",
    "DbtCloudGetJobRunArtifactOperator": "not replaced",
    "DbtCloudListJobsOperator": "not replaced",
    "DbtCloudListJobRunsOperator": "not replaced",
}

#: Names without a counterpart, with what to use.
REFUSED = {
    "DbtCloudRunJobOperatorLink": 'the button is "Open remote run", `tasks.joining.RemoteRunLink`',
    "DatabricksJobRunLink": 'the button is "Open remote run", `tasks.joining.RemoteRunLink`',
    "is_repair_reason_match_exist": "an inner part of the official operator",
    "update_job_for_repair": "an inner part of the official operator",
    "DbtCloudRunJobTrigger": '`triggers.remote_run.RemoteRunTrigger(service="dbt_cloud", ...)`',
    "DatabricksExecutionTrigger": '`triggers.remote_run.RemoteRunTrigger(service="databricks_jobs", ...)`',
    "DatabricksProxyConfigurationError": "`core.errors.ConfigurationError`",
    "BaseDatabricksHook": "`hooks.databricks.DatabricksHook`",
    "BearerAuth": _INSIDE,
    "TokenAuth": _INSIDE,
    "fallback_to_default_account": _INSIDE,
    "provide_account_id": _INSIDE,
    "validate_execute_complete_event": _INSIDE,
    "create_timeout_thread": _SQL,
    "DatabricksHook.extra_parameters": "the extras that count are in [options](options_and_metrics.md)",
    "DatabricksHook.get_openlineage_database_info": _LINEAGE,
    "DatabricksHook.get_openlineage_database_dialect": _LINEAGE,
    "DatabricksHook.get_openlineage_default_schema": _LINEAGE,
    "DbtCloudHook.get_conn": "a session that goes around limits and retries: use `_run_and_get_response`",
    "DbtCloudHook.get_headers_tenants_from_connection": "gives the token away: use `_run_and_get_response`",
    "DbtCloudHook.get_request_url_params": "use `_run_and_get_response`",
    "DbtCloudHook.get_ui_field_behaviour": "the form is in the provider's metadata",
    **dict.fromkeys(
        [
            f"DbtCloudHook.{name}"
            for name in (
                "auth_type",
                "check_response",
                "default_headers",
                "default_host",
                "run",
                "run_and_check",
                "run_with_advanced_retry",
                "url_from_endpoint",
            )
        ],
        _HTTP,
    ),
}

#: Names that are here with the same signature, and do more, or otherwise.
MORE = {
    **{
        f"{name}.openlineage_inject_{what}_info": _NO_EFFECT
        for name, what in (
            ("DbtCloudRunJobOperator", "parent_job"),
            ("DatabricksRunNowOperator", "parent_job"),
            ("DatabricksSubmitRunOperator", "parent_job"),
            ("DatabricksSubmitRunOperator", "transport"),
        )
    },
    "DatabricksRunNowOperator.databricks_retry_args": _RETRY_ARGS,
    "DatabricksSubmitRunOperator.databricks_retry_args": _RETRY_ARGS,
    "DatabricksRunNowOperator.durable": _ALWAYS,
    "DatabricksSubmitRunOperator.durable": _ALWAYS,
    "DatabricksHook.retry_args": _RETRY_ARGS,
    "DbtCloudHook.retry_args": _RETRY_ARGS,
    "DatabricksApiError": "a base of `core.errors.RemoteCallError`, of calls without an answer, too",
    "DatabricksOperatorPayloadError": "raised when the DAG is parsed",
    "DbtCloudJobRunException": "a base of `RunFailed`, `RunCancelled`, `RunTimedOut` and `WaitTimedOut`",
    "DbtCloudJobRunStatus": "`is_terminal` of a status that is not known is False, not an error",
    "RunState": _KEPT,
    "ClusterState": _KEPT,
    "SQLStatementState": _KEPT,
    "WarehouseState": _KEPT,
    "DatabricksHook.conn_type": "connections of the official type are read, too",
    "DatabricksHook.hook_name": "as Airflow's form of our own type shows it",
    "DatabricksHook.test_connection": "lists a job instead of Spark versions",
    "DatabricksHook.get_run_state": _KEPT,
    "DatabricksHook.a_get_run_state": f"{_KEPT}; {_NO_WITH}",
    "DatabricksHook.get_cluster_state": _KEPT,
    "DatabricksHook.a_get_cluster_state": f"{_KEPT}; {_NO_WITH}",
    "DatabricksHook.get_warehouse_state": _KEPT,
    "DatabricksHook.a_get_warehouse_state": f"{_KEPT}; {_NO_WITH}",
    "DatabricksHook.get_sql_statement_state": _KEPT,
    "DatabricksHook.a_get_sql_statement_state": f"{_KEPT}; {_NO_WITH}",
    "DatabricksHook.a_get_run": _NO_WITH,
    "DatabricksHook.a_get_run_output": _NO_WITH,
    "DatabricksHook.a_get_run_page_url": _NO_WITH,
    "DatabricksHook.a_get_warehouse": _NO_WITH,
    "DatabricksHook._a_do_api_call": _NO_WITH,
    "DatabricksHook._do_api_call": f"changes are {_ONCE}; `wrap_http_errors` has no effect",
    "DatabricksHook.run_now": f"repeated with an `idempotency_token` only, else {_ONCE}",
    "DatabricksHook.submit_run": f"repeated with an `idempotency_token` only, else {_ONCE}",
    "DatabricksHook.create_job": _ONCE,
    "DatabricksHook.repair_run": _ONCE,
    "DatabricksHook.post_sql_statement": f"{_ONCE}; nothing is told to OpenLineage",
    "DatabricksHook.user_agent_value": "ours, without `caller`",
    "DbtCloudHook.conn_type": "connections of the official type are read, too",
    "DbtCloudHook.hook_name": "as Airflow's form of our own type shows it",
    "DbtCloudHook.test_connection": "reads the account, so that a token of another one is found out",
    "DbtCloudHook.trigger_job_run": _ONCE,
    "DbtCloudHook.retry_failed_job_run": _ONCE,
    "DbtCloudHook._run_and_get_response": f"changes are {_ONCE}; `{{account_id}}` stands for the hook's",
    "DbtCloudHook.list_accounts": "the accounts, where the official one reads the front page",
    "DbtCloudHook.get_job_run": "all of `include_related` counts, not only the last",
    "DbtCloudHook.get_job_details": "all of `include_related` counts, not only the last",
    "DbtCloudHook.list_job_runs": "all of `include_related` counts, not only the last",
    "DbtCloudHook.get_job_run_status": _KEPT,
    "DbtCloudHook.get_job_by_name": "the error lists near names",
    "DbtCloudHook.wait_for_job_run_status": "trouble of the remote does not end it; the error says why",
    "DbtCloudHook.log_job_run_failure_details": "the failed nodes with their errors instead of whole logs",
}
