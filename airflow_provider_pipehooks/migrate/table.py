"""Which names of the official providers, and of older homes of theirs, this package has, and where."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OURS = "airflow_provider_pipehooks"

_DATABRICKS_FURTHER = (
    "DatabricksCreateJobsOperator",
    "DatabricksNotebookOperator",
    "DatabricksSQLStatementsOperator",
    "DatabricksTaskBaseOperator",
    "DatabricksTaskOperator",
)
_WORKFLOW = ("DatabricksWorkflowTaskGroup", "WorkflowRunMetadata")
#: Where each name is here; it is the same name.
_HOMES = {
    "operators.dbt_cloud": (
        "DbtCloudRunJobOperator",
        "DbtCloudRunJobOperatorAsync",
        "DbtCloudGetJobRunArtifactOperator",
        "DbtCloudListJobsOperator",
        "DbtCloudListJobRunsOperator",
    ),
    "sensors.dbt_cloud": ("DbtCloudJobRunSensor", "DbtCloudJobRunSensorAsync", "DbtCloudJobRunAsyncSensor"),
    "hooks.dbt_cloud": (
        "DbtCloudHook",
        "DbtCloudJobRunException",
        "DbtCloudJobRunStatus",
        "DbtCloudResourceLookupError",
        "DbtCloudTriggerEventException",
        "JobRunInfo",
    ),
    "operators.databricks_jobs": (
        "DatabricksRunNowOperator",
        "DatabricksSubmitRunOperator",
        "DatabricksRunNowOperatorAsync",
        "DatabricksSubmitRunOperatorAsync",
        "DatabricksRunNowDeferrableOperator",
        "DatabricksSubmitRunDeferrableOperator",
        *_DATABRICKS_FURTHER,
    ),
    "operators.databricks_workflow": _WORKFLOW,
    "sensors.databricks_jobs": ("DatabricksSQLStatementsSensor",),
    "hooks.databricks": (
        "ClusterState",
        "DatabricksHook",
        "RunLifeCycleState",
        "RunState",
        "SQLStatementState",
        "WarehouseState",
    ),
    "core.errors": ("DatabricksApiError", "DatabricksOperatorPayloadError"),
}
HOME_OF: Mapping[str, str] = MappingProxyType(
    {name: f"{OURS}.{home}" for home, names in _HOMES.items() for name in names}
)

_DBT = "airflow.providers.dbt.cloud"
_DATABRICKS = "airflow.providers.databricks"
_DATABRICKS_ERRORS = ("DatabricksApiError", "DatabricksOperatorPayloadError")
_DATABRICKS_OPERATORS = ("DatabricksRunNowOperator", "DatabricksSubmitRunOperator")
#: Module -> names that can be imported from it, those that it imports itself too.
CURRENT: Mapping[str, tuple[str, ...]] = {
    f"{_DBT}.operators.dbt": (
        "DbtCloudRunJobOperator",
        "DbtCloudGetJobRunArtifactOperator",
        "DbtCloudListJobsOperator",
        "DbtCloudListJobRunsOperator",
        "DbtCloudHook",
        "DbtCloudJobRunException",
        "DbtCloudJobRunStatus",
        "JobRunInfo",
    ),
    f"{_DBT}.sensors.dbt": (
        "DbtCloudJobRunSensor",
        "DbtCloudHook",
        "DbtCloudJobRunException",
        "DbtCloudJobRunStatus",
    ),
    f"{_DBT}.hooks.dbt": _HOMES["hooks.dbt_cloud"],
    f"{_DATABRICKS}.operators.databricks": (
        *_DATABRICKS_OPERATORS,
        *_DATABRICKS_FURTHER,
        *_WORKFLOW,
        "DatabricksHook",
        "RunLifeCycleState",
        "RunState",
        *_DATABRICKS_ERRORS,
    ),
    f"{_DATABRICKS}.operators.databricks_workflow": _WORKFLOW,
    f"{_DATABRICKS}.sensors.databricks": ("DatabricksSQLStatementsSensor",),
    f"{_DATABRICKS}.hooks.databricks": _HOMES["hooks.databricks"],
    f"{_DATABRICKS}.exceptions": _DATABRICKS_ERRORS,
}
#: Of providers and Airflows that are no longer installed.
FORMER: Mapping[str, tuple[str, ...]] = {
    f"{_DBT}.sensors.dbt": ("DbtCloudJobRunAsyncSensor",),
    f"{_DATABRICKS}.operators.databricks": (
        "DatabricksRunNowDeferrableOperator",
        "DatabricksSubmitRunDeferrableOperator",
    ),
    "airflow.contrib.operators.databricks_operator": _DATABRICKS_OPERATORS,
    "airflow.contrib.hooks.databricks_hook": ("DatabricksHook",),
    "astronomer.providers.dbt.cloud.operators.dbt": ("DbtCloudRunJobOperatorAsync",),
    "astronomer.providers.dbt.cloud.sensors.dbt": ("DbtCloudJobRunSensorAsync",),
    "astronomer.providers.databricks.operators.databricks": (
        "DatabricksRunNowOperatorAsync",
        "DatabricksSubmitRunOperatorAsync",
    ),
}
#: Module -> name -> where it is here.
MOVED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        module: {name: HOME_OF[name] for name in (*CURRENT.get(module, ()), *FORMER.get(module, ()))}
        for module in (*CURRENT, *FORMER)
    }
)
#: Public classes that this package has nothing for, and why: their import stays as it is.
STAYS: Mapping[str, Mapping[str, str]] = {
    f"{_DBT}.operators.dbt": {"DbtCloudRunJobOperatorLink": "our operators have a link of their own"},
    f"{_DBT}.hooks.dbt": {
        "TokenAuth": "our hook has its own",
    },
    f"{_DBT}.triggers.dbt": {"DbtCloudRunJobTrigger": "for operators of your own on the official hook"},
    f"{_DATABRICKS}.operators.databricks": {
        "DatabricksJobRunLink": "our operators have a link of their own",
    },
    f"{_DATABRICKS}.operators.databricks_repos": dict.fromkeys(
        (
            "DatabricksReposCreateOperator",
            "DatabricksReposDeleteOperator",
            "DatabricksReposUpdateOperator",
        ),
        "repos",
    ),
    f"{_DATABRICKS}.operators.databricks_sql": dict.fromkeys(
        ("DatabricksCopyIntoAssetOperator", "DatabricksCopyIntoOperator", "DatabricksSqlOperator"), "SQL"
    ),
    f"{_DATABRICKS}.operators.warehouse": dict.fromkeys(
        ("DatabricksStartWarehouseOperator", "DatabricksStopWarehouseOperator"), "SQL warehouses"
    ),
    f"{_DATABRICKS}.sensors.databricks_partition": {"DatabricksPartitionSensor": "SQL"},
    f"{_DATABRICKS}.sensors.databricks_sql": {"DatabricksSqlSensor": "SQL"},
    f"{_DATABRICKS}.hooks.databricks_sql": {"DatabricksSqlHook": "SQL"},
    f"{_DATABRICKS}.hooks.databricks_base": {
        "BaseDatabricksHook": "for hooks of your own",
        "BearerAuth": "our hook has its own",
        "DatabricksProxyConfigurationError": "our hook says it otherwise",
    },
    f"{_DATABRICKS}.triggers.databricks": dict.fromkeys(
        (
            "DatabricksExecutionTrigger",
            "DatabricksSQLStatementExecutionTrigger",
            "DatabricksWarehouseStateTrigger",
        ),
        "for operators of your own on the official hook",
    ),
    f"{_DATABRICKS}.exceptions": dict.fromkeys(
        ("DatabricksSqlExecutionError", "DatabricksSqlExecutionTimeout", "DatabricksWarehouseError"), "SQL"
    ),
}


def home(module: str, name: str) -> str | None:
    """Our module that has a name of an official one."""
    return MOVED.get(module, {}).get(name)
