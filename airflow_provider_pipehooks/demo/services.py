"""What the demo's Airflow talks to: dbt Cloud and Databricks of the stand-in, and moto's Amazon SNS."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

from airflow_provider_pipehooks.demo.processes import CannotStart
from airflow_provider_pipehooks.standin import databricks_jobs, databricks_pipelines
from airflow_provider_pipehooks.standin.command import EXAMPLE_PROJECT
from airflow_provider_pipehooks.standin.databricks_jobs import answers
from airflow_provider_pipehooks.standin.dbt_cloud.answers import HUMANIZED
from airflow_provider_pipehooks.standin.plan import Plan
from airflow_provider_pipehooks.standin.server import LOOPBACK, StandIn

REGION = "eu-central-1"
PIPELINE_ID = "2f8c1f0e-5a3b-4a0e-9a52-0d8c9b6f7a11"
SUBSCRIBER = "data-team@example.com"
#: The alert names its DAG run on a line of its own.
_DAG_RUN = re.compile(r"^DAG run: +(\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A message as a subscriber of the topic gets it.

    :param run_id: of the DAG run it is about; None when the body does not say.
    """

    subject: str
    body: str
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemoteRun:
    """A run on a remote, as its own web page would show it.

    :param job_id: or a pipeline's; None for a one-time run.
    :param noun: what the service calls it.
    """

    service: str
    run_id: int | str
    name: str
    job_id: int | str | None
    status: str
    url: str
    noun: str = "run"


class Services:
    """The stand-in and the topic, with what Airflow and the view need of them."""

    def __init__(self, standin: StandIn, moto_url: str) -> None:
        self.standin = standin
        self.moto_url = moto_url
        self._sqs = client("sqs", moto_url)
        self.topic_arn, self._queue_url = make_topic(moto_url, self._sqs)
        define_dbt_jobs(standin)
        define_databricks_jobs(standin.databricks_jobs)
        define_pipeline(standin.databricks_pipelines)

    def connections(self) -> dict[str, str]:
        """Connections and the Variable, as the environment variables that Airflow reads."""
        port = urlsplit(self.standin.url).port
        aws = {"region_name": REGION, "endpoint_url": self.moto_url}
        rows: dict[str, dict[str, Any]] = {
            "DBT_CLOUD_DEFAULT": {
                "conn_type": "pipehooks_dbt_cloud",
                "login": "1",
                "password": "a-demo-token",
            },
            "DATABRICKS_DEFAULT": {"conn_type": "pipehooks_databricks", "password": "a-demo-token"},
        }
        for row in rows.values():
            row |= {"host": f"http://{LOOPBACK}", "port": port}
        rows["AWS_DEFAULT"] = {"conn_type": "aws", "login": "demo", "password": "demo", "extra": aws}
        found = {f"AIRFLOW_CONN_{name}": json.dumps(row) for name, row in rows.items()}
        return {**found, "AIRFLOW_VAR_SNS_ARN": self.topic_arn}

    def remote_runs(self) -> list[RemoteRun]:
        """All runs there are; looking here moves none of them on."""
        dbt, databricks = self.standin.dbt_cloud, self.standin.databricks_jobs
        with dbt.lock:
            found = [self._dbt_run(run) for run in dbt.runs.values()]
        with databricks.lock:
            found += [databricks_run(databricks, run) for run in databricks.runs.values()]
        pipelines = self.standin.databricks_pipelines
        with pipelines.lock:
            return found + [self._update(update) for update in pipelines.updates.values()]

    def _update(self, update: Any) -> RemoteRun:
        pipeline = update.pipeline
        return RemoteRun(
            service="Databricks pipeline",
            noun="update",
            run_id=update.update_id,
            name=pipeline.name,
            job_id=pipeline.pipeline_id,
            status=update.state.replace("_", " ").capitalize(),
            url=f"{self.standin.url}/pipelines/{pipeline.pipeline_id}/updates/{update.update_id}",
        )

    def _dbt_run(self, run: Any) -> RemoteRun:
        return RemoteRun(
            service="dbt Cloud",
            run_id=run.id,
            name=self.standin.dbt_cloud.jobs[run.job_id].name,
            job_id=run.job_id,
            status=HUMANIZED.get(run.status, str(run.status)),
            url=f"{self.standin.url}/deploy/{run.account_id}/projects/{run.project_id}/runs/{run.id}/",
        )

    def cancel_newest(self, job_ids: frozenset[int | str], by: str) -> int | None:
        """Cancel what goes on of some dbt jobs, as a person would on dbt Cloud's own page.

        :return: the run's id; None while there is nothing to cancel.
        """
        dbt = self.standin.dbt_cloud
        with dbt.lock:
            active = [run for run in dbt.runs.values() if run.job_id in job_ids and not run.is_terminal]
            if not active:
                return None
            dbt.cancel(active[-1].id, by=by)
            return active[-1].id

    def new_alerts(self) -> list[Alert]:
        """What has come to the subscription since the last call, oldest first."""
        found: list[Alert] = []
        while True:
            answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(alert_of(json.loads(message["Body"])))
            if not messages:
                return found


@contextlib.contextmanager
def running() -> Iterator[Services]:
    """The services, until the end of the block.

    :raises CannotStart: the stand-in cannot begin; dbt is not installed, for one.
    """
    # It would print every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    moto.start()
    standin = StandIn(dbt_project=EXAMPLE_PROJECT)
    try:
        try:
            standin.start()
        except (OSError, RuntimeError) as err:
            raise CannotStart(str(err)) from err
        host, port = moto.get_host_and_port()
        yield Services(standin, f"http://{host}:{port}")
    finally:
        standin.stop()
        moto.stop()


def client(service: str, moto_url: str) -> Any:
    """A client of moto; the credentials are made up, and none of the user's are read."""
    session = boto3.Session(aws_access_key_id="demo", aws_secret_access_key="demo", region_name=REGION)
    return session.client(service, endpoint_url=moto_url)


def make_topic(moto_url: str, sqs: Any) -> tuple[str, str]:
    """A topic with an e-mail subscription, and a queue that gets the same messages, since moto sends no mail.

    :return: the topic's ARN and the queue's URL.
    """
    sns = client("sns", moto_url)
    arn: str = sns.create_topic(Name="pipeline-alerts")["TopicArn"]
    queue_url: str = sqs.create_queue(QueueName="copy-of-the-mailbox")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=SUBSCRIBER)
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
    return arn, queue_url


def alert_of(envelope: dict[str, Any]) -> Alert:
    """Read SNS's envelope: ``{"Subject": str, "Message": str, ...}``; a topic may get any text."""
    body = str(envelope["Message"])
    named = _DAG_RUN.search(body)
    return Alert(subject=str(envelope.get("Subject") or ""), body=body, run_id=named and named.group(1))


def define_dbt_jobs(standin: StandIn) -> None:
    """Six jobs on dbt Cloud; those of the cancelled run are played, the others really run dbt."""
    staging, marts = ("dbt build --select +staging",), ("dbt build",)
    bad = ("dbt build --vars '{bad_rows: true}'",)
    add = standin.dbt_cloud.add_job
    add("staging", id=111, execute_steps=staging)
    add("marts", id=112, execute_steps=marts)
    add("staging", id=121, execute_steps=staging)
    add("marts", id=122, execute_steps=bad)
    add("staging", id=131, execute_steps=staging, plan=Plan(seconds=8, details={"simulate": True}))
    # Goes on until somebody cancels it.
    add("marts", id=132, execute_steps=marts, plan=Plan(hold=True, details={"simulate": True}))


def define_databricks_jobs(world: databricks_jobs.World) -> None:
    """A one-time run, two nightly jobs of which one needs a repair, and twenty of which two fail.

    They take some seconds: Airflow 3.3 fails a deferred task ("state mismatch") whose trigger fires before
    the scheduler has heard that the task was deferred.
    """
    world.submit_plan = Plan(seconds=4)
    world.add_job("ingest", id=201, plan=Plan(seconds=10))
    rounds = (Plan(outcome="failed", seconds=4), Plan(seconds=4))
    lost = "SparkException: executor lost, the spot instance was taken back"
    world.add_job("report", id=202, tasks=({"task_key": "publish", "error": lost},), plans=rounds)
    broken = {
        307: "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] raw.shop_07 cannot be found",
        315: "ValueError: 31 rows of shop_15 have no order date",
    }
    for job_id in range(301, 321):
        plan = Plan(outcome="failed" if job_id in broken else "success", seconds=8 + job_id % 4)
        task = {"task_key": "load", "error": broken.get(job_id)}
        world.add_job(f"load_{job_id - 300:02}", id=job_id, tasks=(task,), plan=plan)


def define_pipeline(world: databricks_pipelines.World) -> None:
    """A pipeline of two tables, whose expectation drops some rows."""
    bad = {"dataset": "orders", "name": "order_has_a_date", "passed_records": 4_969, "failed_records": 31}
    states = (
        "WAITING_FOR_RESOURCES",
        "INITIALIZING",
        "SETTING_UP_TABLES",
        "RUNNING",
        "STOPPING",
        "COMPLETED",
    )
    plan = Plan(states=states, seconds=10, details={"expectations": [bad], "dropped_records": 31})
    world.add_pipeline("shop orders", id=PIPELINE_ID, flows=("orders", "order_items"), plan=plan)


def databricks_run(world: databricks_jobs.World, run: Any) -> RemoteRun:
    """A run as the runs page shows it: its result once it has one, until then where it is."""
    shown = answers.run_json(world, run, world.look(run), tasks=False)
    state = shown["state"]
    return RemoteRun(
        service="Databricks",
        run_id=run.run_id,
        name=run.run_name,
        job_id=run.job_id if run.job is not None else None,
        status=str(state.get("result_state") or state["life_cycle_state"]).capitalize(),
        url=shown["run_page_url"],
    )
