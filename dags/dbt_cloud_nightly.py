"""Two dbt Cloud jobs in turn, each started and verified, and one e-mail when anything fails."""

# [start dbt_cloud_nightly]
from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Param

from airflow_provider_pipehooks.operators.job_group import job_group

with DAG(
    "dbt_cloud_nightly",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # The next try of a task that was killed, or cut off, joins its run. A failed run is not verified again.
    default_args={"retries": 2},
    params={"staging_job": Param(101, type="integer"), "marts_job": Param(102, type="integer")},
    tags=["pipehooks"],
):
    staging = job_group("staging", job_id="{{ params.staging_job }}", deferrable=True)
    marts = job_group("marts", job_id="{{ params.marts_job }}", deferrable=True)

    # start >> verify >> start >> verify; both verifications lead to the one alert.
    staging >> marts
# [end dbt_cloud_nightly]
