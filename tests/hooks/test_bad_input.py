"""Bad input -> one clear error: what happened, with which value, and what to do; never a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.core.errors import AccessDenied, ConfigurationError, PipehooksError
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.hooks.registry import open_service
from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.operators.job_group import job_group
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.task_context import Try, run

SECRET = "s3cret-value"
DBT = "dbt_cloud_default"
DATABRICKS = "databricks_default"
Action = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One row.

    :param fields: changes of the connection; None leaves a field out.
    :param says: parts of the error's text; ``{url}`` is the stand-in's.
    """

    given: str
    does: Action
    says: tuple[str, ...]
    conn_id: str = DBT
    fields: dict[str, Any] = field(default_factory=dict)
    error: type[PipehooksError] = ConfigurationError


def start_dbt(**given: Any) -> Action:
    arguments = {"job_id": 101, "check_interval": 0.01, **given}
    return lambda: run(DbtCloudRunJobOperator(task_id="t", **arguments), Try())


def start_databricks(**given: Any) -> Action:
    return lambda: run(DatabricksRunNowOperator(task_id="t", **(given or {"job_id": 1})), Try())


def submit(**given: Any) -> Action:
    return lambda: run(DatabricksSubmitRunOperator(task_id="t", **given), Try())


def join_dbt(run_id: Any) -> Action:
    return lambda: run(DbtCloudJobRunSensor(task_id="t", run_id=run_id), Try())


def join_databricks(**given: Any) -> Action:
    return lambda: run(DatabricksJobRunSensor(task_id="t", poke_interval=0.01, **given), Try())


def group(**given: Any) -> Action:
    def build() -> None:
        with DAG("bad_group", schedule=None):
            job_group("g", notify=None, **given)

    return build


NAMES = {"job_id": None, "project_name": "Analytics", "environment_name": "Production"}
PRINCIPAL = {"service_principal_oauth": True}
CONNECTIONS = [
    Bad(
        given="a connection that does not exist",
        does=start_dbt(dbt_cloud_conn_id="nowhere"),
        says=("'nowhere' does not exist", "airflow connections add nowhere"),
    ),
    Bad(
        given="a connection of another type",
        does=start_dbt(),
        fields={"conn_type": "ftp"},
        says=("'ftp'", "DbtCloudHook takes", "pipehooks_dbt_cloud, dbt_cloud, http"),
    ),
    Bad(
        given="no account id", does=start_dbt(), fields={"login": None}, says=("No dbt Cloud account id", DBT)
    ),
    Bad(
        given="an account id that is no number",
        does=start_dbt(),
        fields={"login": "acme"},
        says=("account id", DBT, "whole number", "'acme'"),
    ),
    Bad(
        given="an account_id argument that is no number",
        does=start_dbt(account_id="acme"),
        says=("account_id of task 't'", "'acme'"),
    ),
    Bad(given="no host", does=start_dbt(), fields={"host": ""}, says=("has no host", "Host")),
    Bad(
        given="a host with a path",
        does=start_dbt(),
        fields={"host": "https://ab1.us1.dbt.com/deploy/1"},
        says=("'https://ab1.us1.dbt.com/deploy/1'", "host only", "'https://ab1.us1.dbt.com'"),
    ),
    Bad(
        given="a host with a user and a password",
        does=start_dbt(),
        fields={"host": f"https://ada:{SECRET}@ab1.us1.dbt.com"},
        says=("host has a user in it",),
    ),
    Bad(
        given="a host with spaces",
        does=start_dbt(),
        fields={"host": "my company"},
        says=("'my company' is not an address",),
    ),
    Bad(
        given="a host of garbage",
        does=start_dbt(),
        fields={"host": "ht!tp://%%%"},
        says=("'ht!tp://%%%' is not an address",),
    ),
    Bad(
        given="a port that is no number",
        does=start_dbt(),
        fields={"host": "ab1.us1.dbt.com:https"},
        says=("'ab1.us1.dbt.com:https' is not an address",),
    ),
    Bad(
        given="no token",
        does=start_dbt(),
        fields={"password": None},
        says=("has no token", "Password", "SECRET_DBT_TOKEN"),
    ),
    Bad(
        given="a token cut by a line break",
        does=start_dbt(),
        fields={"password": f"{SECRET}\nrest"},
        says=("line break", DBT, "Copy it again"),
    ),
    Bad(
        given="proxies of a wrong shape",
        does=start_dbt(),
        fields={"extra": {"proxies": f"http://ada:{SECRET}@proxy:80"}},
        says=("extra 'proxies' must look like",),
    ),
    Bad(
        given="a proxy whose port is no number",
        does=start_dbt(),
        fields={"extra": {"proxies": {"http": f"http://ada:{SECRET}@proxy:99999"}}},
        says=("extra 'proxies' must look like",),
    ),
    Bad(
        given="a CA bundle that is not there",
        does=start_dbt(),
        fields={"extra": {"verify": "/nowhere/ca.pem"}},
        says=("'/nowhere/ca.pem' of extra 'verify'", "not on this machine"),
    ),
    Bad(
        given="an extra that is not JSON",
        does=start_dbt(),
        fields={"extra": f"{{token: {SECRET}"},
        says=(DBT, "extra is not JSON"),
    ),
    Bad(
        given="an extra that is a list",
        does=start_dbt(),
        fields={"extra": '["token"]'},
        says=("extra is a list", "JSON object"),
    ),
    Bad(
        given="managed identity",
        does=start_databricks(),
        conn_id=DATABRICKS,
        fields={"password": None, "extra": {"use_azure_managed_identity": True}},
        says=("'use_azure_managed_identity' is not supported", "azure_tenant_id"),
    ),
    Bad(
        given="a federated login",
        does=start_databricks(),
        conn_id=DATABRICKS,
        fields={"password": None, "login": "federated", "extra": {"federated_k8s": True}},
        says=("'federated_k8s' is not supported",),
    ),
    Bad(
        given="a service principal without a secret",
        does=start_databricks(),
        conn_id=DATABRICKS,
        fields={"login": "client", "password": None, "extra": PRINCIPAL},
        says=("client id in Login and its secret",),
    ),
    Bad(
        given="a user's name and password",
        does=lambda: DatabricksHook().get_run(1),
        conn_id=DATABRICKS,
        fields={"login": "ada@example.com", "password": SECRET},
        error=AccessDenied,
        says=("answered 401", "unsupported type for this API"),
    ),
]
ARGUMENTS = [
    Bad(
        given="a job id that is no number",
        does=start_dbt(job_id="nightly"),
        says=("job_id of task 't'", "'nightly'"),
    ),
    Bad(
        given="a job id that is a superscript",
        does=start_dbt(job_id="²"),
        says=("whole number above 0", "'²'"),
    ),
    Bad(
        given="a Databricks job id that is no number",
        does=start_databricks(job_id="nightly"),
        says=("job_id of task 't'", "'nightly'"),
    ),
    Bad(
        given="an unknown job name",
        does=start_dbt(**NAMES, job_name="nightly bild"),
        says=("No dbt Cloud job is named 'nightly bild'", "Near: 'nightly build'"),
    ),
    Bad(
        given="an unknown project name",
        does=start_dbt(**{**NAMES, "project_name": "Analytic"}, job_name="nightly build"),
        says=("No dbt Cloud project is named 'Analytic'", "'Analytics'"),
    ),
    Bad(
        given="several jobs of one name",
        does=start_dbt(**NAMES, job_name="twin"),
        says=("2 dbt Cloud jobs are named 'twin'", "Use job_id"),
    ),
    Bad(
        given="an unknown Databricks job name",
        does=start_databricks(job_name="twim"),
        says=("No Databricks job is named 'twim'", "Near: 'twin'"),
    ),
    Bad(
        given="several Databricks jobs of one name",
        does=start_databricks(job_name="twin"),
        says=("2 Databricks jobs are named 'twin'", "Use job_id"),
    ),
    Bad(
        given="no job at all",
        does=start_dbt(job_id=None, job_name="nightly build"),
        says=("'t' names no job", "project_name, environment_name and job_name"),
    ),
    Bad(given="an empty job id", does=start_dbt(job_id=""), says=("job_id of task 't'", "''")),
    Bad(
        given="neither job_id nor job_name",
        does=start_databricks(notebook_params={"a": "b"}),
        says=("'t' names no job", "job_id or job_name"),
    ),
    Bad(
        given="both job_id and job_name",
        does=start_databricks(job_id=1, job_name="twin"),
        says=("job_id or job_name, not both",),
    ),
    Bad(
        given="a json that is no object",
        does=start_databricks(json="[1]"),
        says=("json of task 't' must be an object", "a list"),
    ),
    Bad(
        given="a json of garbage",
        does=start_databricks(json="{job_id"),
        says=("json of task 't' must be an object, or its text as JSON or a Python literal",),
    ),
    Bad(
        given="retry_args that are none",
        does=lambda: DbtCloudHook(retry_args=3),  # type: ignore[arg-type]
        says=("retry_args must be an object", "not a int", "retry_limit"),
    ),
    Bad(
        given="a stop that is a number",
        does=lambda: DatabricksHook(retry_args={"stop": 3}),
        says=("'stop' of retry_args", "stop_after_attempt(5)", "not a int"),
    ),
    Bad(
        given="retry arguments that tenacity would not take",
        does=start_databricks(job_id=1, databricks_retry_args={"stop": 3}),
        says=("'stop' in retry_args of task 't' must be one of tenacity's", "stop_after_attempt(5)"),
    ),
    Bad(
        given="no try at all",
        does=lambda: DatabricksHook(retry_limit=0),
        says=("retry_limit must be a whole number above 0, not 0",),
    ),
    Bad(
        given="an unknown on_cancel",
        does=start_dbt(on_cancel="maybe"),
        says=("'cancel' or 'keep', not 'maybe'",),
    ),
    Bad(
        given="a dbt_task without git_source",
        does=submit(dbt_task={"commands": []}),
        says=("needs git_source",),
    ),
    Bad(
        given="a pipeline by name and by id",
        does=submit(pipeline_task={"pipeline_name": "p", "pipeline_id": "1"}),
        says=("pipeline_id or pipeline_name in pipeline_task, not both",),
    ),
    Bad(
        given="an unknown service in a group",
        does=group(service="airbyte", job_id=1),
        says=("'airbyte' is not a service", "dbt_cloud, databricks_jobs"),
    ),
    Bad(
        given="an unknown service in a stored trigger",
        does=lambda: open_service("airbyte", DBT),
        says=("'airbyte' is not a service", "dbt_cloud, databricks_jobs"),
    ),
    Bad(given="a run id that is a word", does=join_dbt("abc"), says=("run_id of task 't'", "'abc'")),
    Bad(
        given="a Databricks run id that is a word",
        does=join_databricks(run_id="abc"),
        says=("run_id", "'abc'"),
    ),
    Bad(given="a run id of 0", does=join_databricks(run_id=0), says=("run_id of task 't'", "not 0")),
    Bad(
        given="two ways to name a run",
        does=join_databricks(run_id=1, job_name="twin"),
        says=("give one of run_id, job_id and job_name", "run_id, job_name given"),
    ),
    Bad(given="no way to name a run", does=join_databricks(), says=("give one of", "none given")),
]


@pytest.fixture
def connect(standin: StandIn, connections: Callable[..., None]) -> Callable[[Bad], None]:
    """Make the connection of a row, and two jobs of one name."""
    standin.dbt_cloud.add_job("twin")
    standin.dbt_cloud.add_job("twin")
    standin.databricks_jobs.add_job("twin")
    standin.databricks_jobs.add_job("twin")
    usual = {
        DBT: {"conn_type": "pipehooks_dbt_cloud", "host": standin.url, "login": "1", "password": SECRET},
        DATABRICKS: {"conn_type": "pipehooks_databricks", "host": standin.url, "password": SECRET},
    }

    def change(row: Bad) -> None:
        fields = {**usual[row.conn_id], **row.fields}
        connections(row.conn_id, **{key: value for key, value in fields.items() if value is not None})

    return change


@pytest.mark.parametrize("row", CONNECTIONS + ARGUMENTS, ids=lambda row: row.given)
def test_bad_input_gives_one_clear_error(
    row: Bad, connect: Callable[[Bad], None], standin: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    connect(row)
    with pytest.raises(row.error) as raised:
        row.does()
    text = str(raised.value)
    for part in row.says:
        assert part in text
    assert SECRET not in text + "".join(capfd.readouterr())
    assert standin.journal.count("POST") == 0, "nothing was started"


@pytest.mark.parametrize(
    ("does", "conn_id", "status"),
    [(start_dbt(), DBT, 401), (start_databricks(job_id=1), DATABRICKS, 403)],
    ids=["dbt_cloud", "databricks_jobs"],
)
def test_a_token_that_expired_names_the_connection_and_the_host(
    does: Action, conn_id: str, status: int, connect: Callable[[Bad], None], standin: StandIn
) -> None:
    connect(Bad(given="", does=does, says=(), conn_id=conn_id))
    standin.dbt_cloud.tokens = standin.databricks_jobs.tokens = {"another"}
    with pytest.raises(AccessDenied) as raised:
        does()
    assert raised.value.status_code == status
    for part in (repr(conn_id), standin.url, "the wrong host answers like a wrong token"):
        assert part in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_secret_that_the_token_endpoint_refuses_names_the_client(
    connect: Callable[[Bad], None], standin: StandIn
) -> None:
    fields = {"login": "client", "extra": PRINCIPAL}
    connect(Bad(given="", does=start_dbt(), says=(), conn_id=DATABRICKS, fields=fields))
    standin.databricks_jobs.clients = {"client": "rotated"}
    with pytest.raises(
        AccessDenied, match=r"No token for client 'client': .*Client authentication failed"
    ) as raised:
        start_databricks(job_id=1)()
    assert SECRET not in str(raised.value)


def test_a_task_key_that_does_not_exist_lists_those_that_do(
    connect: Callable[[Bad], None], standin: StandIn
) -> None:
    connect(Bad(given="", does=start_dbt(), says=(), conn_id=DATABRICKS))
    run_id = standin.databricks_jobs.start(
        standin.databricks_jobs.add_job(tasks=("a", "b"), plan=Plan(polls=2))
    )
    with pytest.raises(ConfigurationError, match=rf"run {run_id} has no task 'c'. It has: 'a', 'b'"):
        join_databricks(run_id=run_id, task_key="c")()


def test_a_ca_bundle_of_the_environment_that_is_not_there_names_the_variable(
    connect: Callable[[Bad], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(CONNECTIONS[-1])
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    connect(Bad(given="", does=start_dbt(), says=()))
    with pytest.raises(ConfigurationError, match=r"'/nowhere/ca.pem' of SSL_CERT_FILE"):
        start_dbt()()


@pytest.mark.parametrize("value", ["not a uri at all {", "{'conn_type': 'dbt_cloud'}"])
def test_a_connection_that_airflow_cannot_read_is_not_said_to_be_missing(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_UNREADABLE", value)
    with pytest.raises(ConfigurationError) as raised:
        _ = DbtCloudHook("unreadable").target
    assert "does not exist" not in str(raised.value)
