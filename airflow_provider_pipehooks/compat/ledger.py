"""XCom as the ledger: what a task leaves of its run, and how others read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.core.run import Run

#: XCom keys of every run, besides the return value, which is the run's id. Alerts and reports read them.
URL_KEY = "run_url"
RECORD_KEY = "run"
#: In the record: the number of the try, which Airflow does not tell of DAG runs without a logical date.
TRY_KEY = "try_number"


def push(context: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write values to XCom; those that are None are left out."""
    for key, value in values.items():
        if value is not None:
            context["ti"].xcom_push(key=key, value=value)


def url_of(ti_key: Any, key: str = URL_KEY) -> str:
    """The run's page, as a task left it; empty when it did not."""
    from airflow.sdk.execution_time.xcom import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""


def recorded_run(dag_id: str, run_id: str, task_id: str, map_index: int) -> tuple[Run | None, int | None]:
    """The remote run that a task instance left, and the number of the try that left it; None for neither.

    :param run_id: of the DAG run.
    :raises ValueError: what it left cannot be read.
    """
    from airflow.sdk.execution_time.xcom import XCom

    record = XCom.get_one(key=RECORD_KEY, dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
    # Another operator may use the same key for something else.
    if not isinstance(record, Mapping) or "service" not in record:
        return None, None
    number = record.get(TRY_KEY)
    return Run.from_json(record), number if isinstance(number, int) else None
