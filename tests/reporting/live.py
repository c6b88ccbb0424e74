"""``dags/weekly_report.py`` on a whole Airflow, started by a schedule, with the stand-in and moto as SNS.

Nobody waits for Monday: its schedule is made "every minute", and nothing else of it is changed.
``python -m tests.reporting.live`` prints what came of it, and exits with 1 when something is wrong.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import html5lib
import requests
from moto.server import ThreadedMotoServer

import airflow_provider_pipehooks
from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.aws import Topic, client, connection

HOME = Path.cwd() / ".demo" / "weekly-report"
EXAMPLE = Path(airflow_provider_pipehooks.__file__).parents[1] / "dags" / "weekly_report.py"
DAG_ID = "weekly_report"
MONDAYS, EVERY_MINUTE = 'schedule="0 6 * * 1"', 'schedule="* * * * *"'
PATIENCE_S = 300.0
LOOK_S = 0.5


def connections(standin: StandIn, topic: Topic) -> dict[str, str]:
    dbt = {"conn_type": "pipehooks_dbt_cloud", "host": standin.url, "login": "1", "password": "dbt-token"}
    databricks = {"conn_type": "pipehooks_databricks", "host": standin.url, "password": "dapi-token"}
    return {
        "AIRFLOW_CONN_DBT_CLOUD_DEFAULT": json.dumps(dbt),
        "AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps(databricks),
        "AIRFLOW_CONN_AWS_DEFAULT": connection(topic.url),
        "AIRFLOW_VAR_SNS_ARN": topic.arn,
    }


def end_of_the_scheduled_run(airflow: Airflow) -> str:
    """How the first run ended that the scheduler started by itself."""
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        airflow.check()
        try:
            runs = airflow.client.call("GET", f"dags/{DAG_ID}/dagRuns")["dag_runs"]
        except requests.RequestException:
            runs = []  # SQLite has one lock
        for run in runs:
            if run["run_type"] == "scheduled" and run["state"] in ("success", "failed"):
                return str(run["state"])
        time.sleep(LOOK_S)
    return f"not within {PATIENCE_S:.0f} s"


def wrong(airflow: Airflow, topic: Topic) -> Iterator[str]:
    """What is not as it should be."""
    if (end := end_of_the_scheduled_run(airflow)) != "success":
        yield f"the scheduled run ended: {end}"
        return
    reports = list((HOME / "history" / "reports").iterdir())
    if len(reports) != 1 or "load_shops" not in reports[0].read_text():
        yield f"the report is not there: {reports}"
    for report in reports:
        html5lib.HTMLParser(strict=True).parse(report.read_text())
    subjects = {message.subject for message in topic.sent()}
    if subjects != {"Airflow: 1 of 2 runs failed in 60 days, worst load_shops"}:
        yield f"told was {subjects}"


def main() -> int:
    keep_to_this_machine(os.environ)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    topic = Topic(url=url, arn=client("sns", url).create_topic(Name="alerts")["TopicArn"])
    with StandIn() as standin, folder(HOME):
        jobs, dbt = standin.databricks_jobs, standin.dbt_cloud
        jobs.start(jobs.add_job("load_shops", plan=Plan(outcome="failed"), tasks=["load"]))
        dbt.start(dbt.add_job("nightly"))
        (dags := HOME / "dags").mkdir()
        written = EXAMPLE.read_text()
        assert written.count(MONDAYS) == 1
        (dags / EXAMPLE.name).write_text(written.replace(MONDAYS, EVERY_MINUTE))
        airflow = Airflow(HOME, dags)
        airflow.logs.mkdir(exist_ok=True)
        airflow.environment |= {
            "AIRFLOW__PIPEHOOKS__HISTORY": str(HOME / "history"),
            "AIRFLOW__PIPEHOOKS__OUTBOX": str(HOME / "outbox"),
            # The demo's Airflow starts nothing by itself; here the schedule does.
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",
        }
        airflow.start_database()
        airflow.start(connections(standin, topic))
        airflow.wait_for_dags({DAG_ID})
        airflow.wait_until_healthy()
        found = list(wrong(airflow, topic))
    server.stop()
    for each in found or ["a run that the schedule started wrote its report and told the topic"]:
        print(f"{'WRONG' if found else 'ok   '} {each}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
