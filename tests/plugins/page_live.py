"""The page on a whole Airflow, looked at by real users in a real Chromium: alone, and inside Airflow's UI.

``python -m tests.plugins.page_live`` lets DAGs of two teams run against the stand-in, so that there are good
and failed runs, one that goes on, alerts that wait, hooks that are off, and a history; then it clicks. Prints
a line for each check and exits with 1 when one is wrong; screenshots are in ``.demo/page/screens``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from airflow_provider_pipehooks.demo.airflow import DATABASE, Airflow
from airflow_provider_pipehooks.demo.processes import folder, free_port, keep_to_this_machine, start
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.plugins.page_browser import CHECKS, PREFIXED, Stage, browser

HOME = Path.cwd() / ".demo" / "page"
DAGS = Path(__file__).parent / "page_dags"
#: Their passwords are their names.
USERS = {"root": "admin", "ann": "viewer", "bob": "viewer"}
#: ``base_url`` of the second API server: behind a proxy that serves Airflow below a path.
PREFIX = "/air/flow"
PATIENCE_S = 300.0
LOOK_S = 0.5


def define(standin: StandIn) -> str:
    """The jobs.

    :return: the pipeline.
    """
    add = standin.dbt_cloud.add_job
    simulated = {"simulate": True}
    add("nightly build", id=11, plan=Plan(seconds=2, details=simulated))
    add("nightly test", id=12, plan=Plan(outcome="error", seconds=2, details=simulated))
    jobs = standin.databricks_jobs
    lost = "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view raw.shop_07 cannot be found"
    broken = ({"task_key": "load", "error": lost},)
    jobs.add_job("<script>alert(1)</script>", id=201, tasks=broken, plan=Plan(outcome="failed", seconds=2))
    jobs.add_job("count", id=202, plan=Plan(seconds=1))
    jobs.add_job("load one", id=203, plan=Plan(seconds=1))
    jobs.add_job("load another", id=204, tasks=broken, plan=Plan(outcome="failed", seconds=1))
    jobs.add_job("bob's own", id=205, plan=Plan(outcome="failed", seconds=1))
    return standin.databricks_pipelines.add_pipeline("streams", plan=Plan(seconds=3_600), flows=("orders",))


@contextmanager
def running() -> Iterator[tuple[Airflow, StandIn]]:
    with folder(HOME), StandIn() as standin:
        airflow = Airflow(HOME, DAGS)
        airflow.logs.mkdir(exist_ok=True)
        nowhere = {"conn_type": "aws", "login": "a", "password": "b"}
        # Nobody answers there, so alerts stay in the outbox.
        nowhere["extra"] = {  # type: ignore[assignment]
            "region_name": "eu-central-1",
            "endpoint_url": f"http://127.0.0.1:{free_port()}",
            "config_kwargs": {"retries": {"max_attempts": 1}},
        }
        dbt = {"conn_type": "pipehooks_dbt_cloud", "host": standin.url, "login": "1", "password": "t"}
        bricks = {"conn_type": "pipehooks_databricks", "host": standin.url, "password": "t"}
        airflow.environment |= {
            "AIRFLOW__PIPEHOOKS__PAGE": "True",
            "AIRFLOW__CORE__AUTH_MANAGER": "tests.plugins.by_name.ByName",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{n}:{r}" for n, r in {**USERS, "admin": "admin"}.items()
            ),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PAGE_PIPELINE": define(standin),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(nowhere),
            "AIRFLOW_CONN_DBT_CLOUD_DEFAULT": json.dumps(dbt),
            "AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps(bricks),
            "AIRFLOW_VAR_SNS_ARN": "arn:aws:sns:eu-central-1:123456789012:alerts",
        }
        airflow.start_database()
        passwords = HOME / "passwords.json"
        passwords.write_text(json.dumps({"admin": airflow.password, **{name: name for name in USERS}}))
        airflow.start({})
        yield airflow, standin


def until(airflow: Airflow, is_so: object, what: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        airflow.check()
        try:
            if is_so():  # type: ignore[operator]
                return
        except requests.RequestException:
            pass  # SQLite has one lock
        if time.monotonic() > give_up:
            raise SystemExit(f"WRONG: waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(LOOK_S)


def let_run(airflow: Airflow) -> None:
    """One run of each DAG; that of ``ann_streams`` goes on."""
    dags = {"ann_shops", "ann_streams", "bob_shops"}
    airflow.wait_for_dags(dags)
    airflow.wait_until_healthy()
    call = airflow.client.call
    for dag_id in sorted(dags):
        call("POST", f"dags/{dag_id}/dagRuns", {"dag_run_id": "first", "logical_date": None})
    for dag_id in ("ann_shops", "bob_shops"):
        path = f"dags/{dag_id}/dagRuns/first"
        until(airflow, lambda path=path: call("GET", path)["state"] == "failed", f"the end of {dag_id}")
    store = "dags/ann_streams/dagRuns/first/taskInstances/update/state-store/pipehooks_events"
    until(airflow, lambda: "count_rows" in json.dumps(call("GET", store)), "a hook that is off")


def remember(airflow: Airflow) -> None:
    """Bring the history up to date."""
    command = [sys.executable, "-m", "airflow_provider_pipehooks", "history", "sync"]
    for service in ("databricks_jobs", "dbt_cloud"):
        environment = {**os.environ, **airflow.environment}
        subprocess.run([*command, service], env=environment, check=True, stdout=subprocess.DEVNULL)


def behind_a_path(airflow: Airflow) -> str:
    """A second API server on the same database, whose address has a path.

    :return: that.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}{PREFIX}"
    environment = {**airflow.environment, "AIRFLOW__API__BASE_URL": url, "AIRFLOW__API__PORT": str(port)}
    log = airflow.logs / "prefixed.log"
    start(HOME, (sys.executable, "-m", "airflow", "api-server"), environment, log)
    until(airflow, lambda: requests.get(f"{url}/api/v2/version", timeout=5).ok, f"{url}, see {log}")
    return url


def main() -> int:
    keep_to_this_machine(os.environ)
    bad = 0
    with running() as (airflow, _standin), browser(HOME / "screens") as chromium:
        let_run(airflow)
        remember(airflow)
        for checks, url in ((CHECKS, airflow.url), (PREFIXED, behind_a_path(airflow))):
            stage = Stage(chromium, url, HOME / "screens")
            for name, check in checks.items():
                wrong = list(check(stage)) + stage.complaints()
                bad += bool(wrong)
                print(f"{'WRONG' if wrong else 'ok   '} {name:<28} {'; '.join(wrong)}", flush=True)
            stage.close()
        if not (HOME / DATABASE).exists():
            raise SystemExit("WRONG: this was no SQLite")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
