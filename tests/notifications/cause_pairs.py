"""Pairs of alerts that are easily got wrong: those that are one trouble, and those that are not.

What decides is what a person has to do: where one and the same thing ends both, they are one message.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications.message import Alert
from tests.notifications.causes import (
    Rng,
    cores_quota,
    dbt_run,
    ended,
    going_on,
    job_run,
    lake_file,
    one_model,
    raised,
    rates_api,
    uid,
    update,
    wrong_token,
)


def of_error(error: str, run: Run | None = None) -> Alert:
    return raised(Rng(1), error, run)


def of_job(message: str, kind: str = "user", *, keys: int = 1, seed: int = 1) -> Alert:
    return ended(Rng(seed), job_run(Rng(seed), kind, message, keys=keys))


def of_node(name: str, message: str, *others: tuple[str, str]) -> Alert:
    return ended(Rng(1), dbt_run(Rng(1), [*others, (name, message)]))


def of_model(name: str, message: str) -> Alert:
    """As dbt tells of a model that failed."""
    return of_node(f"model.shop.{name}", f"Database Error in model {name} (models/{name}.sql)\n  {message}")


def of_update(message: str, seed: int = 1) -> Alert:
    return ended(Rng(seed), update(Rng(seed), message))


def cancelled(status: str) -> Alert:
    run = Run(
        service="databricks_jobs",
        run_id=1,
        state=RunState.CANCELLED,
        status=status,
        kind="cancelled",
        message="Run cancelled.",
    )
    return ended(Rng(1), run)


def refused(
    status: int,
    words: str,
    conn_id: str = "databricks_default",
    call: str = "GET /api/2.2/jobs/runs/get",
) -> Alert:
    text = wrong_token(f"{call} answered {status}: {words}", conn_id, "https://adb-7.11.azuredatabricks.net")
    return of_error(text)


_GONE = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`raw`.`{}` cannot be found."
_PY4J = (
    "Py4JJavaError: An error occurred while calling o{}.save.\n: org.apache.spark.SparkException: Job "
    "aborted due to stage failure: {}"
)
_COLUMN = 'column "amount_eur" does not exist'
_LOGIN = "250001 (08001): None: Failed to connect to DB: acme.snowflakecomputing.com:443. Incorrect username"
_HTTPS = (
    "ConnectionError: HTTPSConnectionPool(host='{}', port=443): Max retries exceeded with url: /v1/x (Caused "
    "by {})"
)
_EXIT = "AirflowException: Bash command failed. The command returned a non-zero exit code {}."

#: Alerts that are not one trouble: what ends the first leaves the second.
_NO_MACRO = (
    "'{}' is undefined. This can happen when calling a macro that does not exist. Check for typos and/or "
    'install package dependencies with "dbt deps".'
)

APART: Mapping[str, tuple[Alert, Alert]] = {
    "two macros that are missing": (
        of_model("orders", _NO_MACRO.format("surrogate_key")),
        of_model("orders", _NO_MACRO.format("cents_to_euros")),
    ),
    "401 needs a new token, 403 a permission": (
        refused(401, "no reason given"),
        refused(403, "no reason given"),
    ),
    "two tokens are renewed one by one": (
        refused(401, "Invalid token.", "databricks_eu"),
        refused(401, "Invalid token.", "databricks_us"),
    ),
    "the token of dbt Cloud is another one": (
        refused(401, "Invalid token.", "dbt_cloud_default", "GET /api/v2/accounts/1/runs/7/"),
        refused(401, "Invalid token."),
    ),
    "an expired token, and a permission of a job": (
        refused(403, "Invalid access token."),
        refused(403, "PERMISSION_DENIED: a@acme.com does not have Manage Run on job 7."),
    ),
    "a quota of cores is raised by the cloud's owner, one of runs by another schedule": (
        cores_quota(Rng(1)),
        of_job("The workspace has reached the limit of 2000 concurrent active runs.", "quota", keys=0),
    ),
    "two models are two files": (of_model("orders", _COLUMN), of_model("refunds", _COLUMN)),
    "a version of a model is another file": (of_model("fct_v1", _COLUMN), of_model("fct_v2", _COLUMN)),
    "two models with one error class are two files": (
        of_model("orders", _GONE.format("a")),
        of_model("refunds", _GONE.format("a")),
    ),
    "a column that is named as a trouble of the database is": (
        of_model("orders", 'column "login" does not exist'),
        of_model("users", 'column "login" does not exist'),
    ),
    "one model, two mistakes": (
        one_model(Rng(1)),
        one_model(Rng(1), says=f"001003 (42000): {uid(Rng(1))}: SQL compilation error: syntax error line 3"),
    ),
    "two keys are missing in two programs": (
        of_error("KeyError: 'price'"),
        of_error("KeyError: 'customer_id'"),
    ),
    "two packages are installed one by one": (
        of_error("ModuleNotFoundError: No module named 'pandas'"),
        of_error("ModuleNotFoundError: No module named 'pyarrow'"),
    ),
    "two connections are made one by one": (
        of_error("ConfigurationError: Connection 'dbt_a' does not exist. Add it: airflow connections add x"),
        of_error("ConfigurationError: Connection 'dbt_b' does not exist. Add it: airflow connections add x"),
    ),
    "the status after the words status code": (
        of_error("HTTPError: the request failed with status code 503"),
        of_error("HTTPError: the request failed with status code 404"),
    ),
    "137 is memory, 1 is the program's own": (of_error(_EXIT.format(137)), of_error(_EXIT.format(1))),
    "two hosts are two services": (rates_api(Rng(1)), rates_api(Rng(1), "sftp-gateway.acme.example")),
    "refused, and slow": (
        of_error(_HTTPS.format("a.example", "NewConnectionError('<x object at 0x7f>: refused')")),
        of_error(_HTTPS.format("a.example", 'ReadTimeoutError("<x object at 0x7f>: Read timed out.")')),
    ),
    "what a Python error of a pipeline is about": (
        of_update(
            "Update 4518bf has failed. [PYTHON.EXCEPTION] (SQLSTATE P0001) ValueError: no such currency"
        ),
        of_update(
            "Update 4518bf has failed. [PYTHON.EXCEPTION] (SQLSTATE P0001) ImportError: no such library"
        ),
    ),
    "what ended a stream": (
        of_job("[STREAM_FAILED] Query [id = 1] terminated with exception: [DELTA_SOURCE_IGNORE_CHANGES] x"),
        of_job("[STREAM_FAILED] Query [id = 1] terminated with exception: [CAST_INVALID_INPUT] x"),
    ),
    "what is behind Py4J's first line": (
        of_error(
            _PY4J.format(7, "Task 3 in stage 7.0 failed 4 times: java.lang.OutOfMemoryError: heap space")
        ),
        of_error(_PY4J.format(7, "ShuffleMapStage 9 has failed the maximum allowable number of times: 4")),
    ),
    "a table that is gone, and a schema": (
        of_job(_GONE.format("orders")),
        of_job("[SCHEMA_NOT_FOUND] The schema `main`.`raw` cannot be found."),
    ),
    "an image that is not there, and one that is too large": (
        of_job("DOCKER_IMAGE_PULL_FAILURE(CLIENT_ERROR): manifest unknown", "platform"),
        of_job("DOCKER_IMAGE_TOO_LARGE_FOR_INSTANCE_EXCEPTION(CLIENT_ERROR): 7 GB", "platform"),
    ),
    "a disk that is full, and a file that may not be read": (
        of_error("OSError: [Errno 28] x: '/tmp/a/b'"),
        of_error("OSError: [Errno 13] x: '/tmp/a/b'"),
    ),
    "cancelled by a person, and by the platform": (
        cancelled("TERMINATED USER_CANCELED"),
        cancelled("TERMINATED CANCELED"),
    ),
    "the task's own time limit, and that of our wait": (
        of_error("AirflowTaskTimeout: Timeout, PID: 7"),
        of_error("WaitTimedOut: Databricks run 7: it has not ended after 3600 s", going_on(Rng(2))),
    ),
}

#: Alerts that are one trouble, however different they look.
TOGETHER: Mapping[str, tuple[Alert, Alert]] = {
    "one macro that two models miss": (
        of_model("orders", _NO_MACRO.format("surrogate_key")),
        of_model("customers", _NO_MACRO.format("surrogate_key")),
    ),
    # What made them vanish is one thing, a schema dropped or a load that did not run. Told one by one they
    # would be a storm, and the message names each task.
    "two tables that are gone": (of_job(_GONE.format("orders")), of_job(_GONE.format("customers"), seed=2)),
    # One request to the cloud, by one person; and the name is beyond what is compared of the message.
    "two families of cores": (cores_quota(Rng(1)), cores_quota(Rng(2), "standardDSv3Family")),
    "one token, when starting and when watching": (
        refused(401, "Invalid token.", call="POST /api/2.2/jobs/run-now"),
        refused(401, "Invalid token.", call=f"GET /api/2.0/pipelines/{uid(Rng(1))}/updates/{uid(Rng(2))}"),
    ),
    "a run that goes on, and none": (
        of_error("RemoteCallError: GET /api/2.2/jobs/runs/get answered 503: x", going_on(Rng(2))),
        of_error("RemoteCallError: GET /api/2.2/jobs/runs/get answered 503: x"),
    ),
    "tasks of two jobs on one kind of cluster": (
        of_job("Cluster 1102-043337-1ju7tror is gone", "platform", seed=1),
        of_job("Cluster 0917-120000-abcdefgh is gone", "platform", seed=2),
    ),
    "one row, and many": (
        of_node("test.shop.a", "Got 1 result, configured to fail if != 0"),
        of_node("test.shop.a", "Got 312 results, configured to fail if != 0"),
    ),
    "models that cannot log in": (of_model("orders", _LOGIN), of_model("refunds", _LOGIN)),
    "a test that failed beside the model": (
        of_node("model.shop.a", _COLUMN),
        of_node("model.shop.a", _COLUMN, ("test.shop.b", "Got 2 results"), ("snapshot.shop.c", "x")),
    ),
    "sizes in other units": (
        of_error("MemoryError: 1.5 GiB of 2 GB physical memory used"),
        of_error("MemoryError: 980 MiB of 1 GB physical memory used"),
    ),
    "times in other units": (
        of_error("TimeoutError: no answer after 2 minutes, 3 seconds"),
        of_error("TimeoutError: no answer after 1 hour"),
    ),
    "a day and hours, and minutes": (
        of_error("SensorError: waited 1 day, 2:00:00 for the file"),
        of_error("SensorError: waited 0:05:00 for the file"),
    ),
    "an apostrophe before a name": (
        of_error("ValueError: couldn't read 'orders' of the day"),
        of_error("ValueError: couldn't read 'page views' of the day"),
    ),
    "pods of Kubernetes": (
        of_error("AirflowException: Pod sales-load-x7k2mfqz returned a failure."),
        of_error("AirflowException: Pod ops-publish-bqqwzttr returned a failure."),
    ),
    "two files of a lake": (
        of_job(f"FileReadException: Error while reading file {lake_file(Rng(1))}. It is truncated."),
        of_job(f"FileReadException: Error while reading file {lake_file(Rng(2))}. It is truncated."),
    ),
    "objects of Py4J": (of_error(_PY4J.format(123, "x")), of_error(_PY4J.format(9, "x"))),
    "one column, and three": (
        of_error("ValueError: missing columns ['a'] in the file"),
        of_error("ValueError: missing columns ['a', 'b c', 'd'] in the file"),
    ),
    "a file that is named, and none": (
        of_error("OSError: [Errno 28] No space left on device"),
        of_error("OSError: [Errno 28] No space left on device: '/tmp/a/b'"),
    ),
    "a text that is cut here, and there": (
        of_job(f"The run ended. Its executors {'10.1.2.3, ' * 30}were lost to the cloud"),
        of_job(f"The run ended. Its executors {'10.101.112.113, ' * 30}were lost to the cloud"),
    ),
    "two updates of a pipeline": (
        of_update("Update 4518bf has failed. Failed to resolve the flow."),
        of_update("Update dafbec has failed. Failed to resolve the flow.", seed=2),
    ),
    "a step of dbt, run twice": (
        of_node(
            "Invoke dbt with `dbt build --select a`", "10:31:08  Encountered an error: | Runtime Error | x"
        ),
        of_node(
            "Invoke dbt with `dbt build --select b`", "23:59:59  Encountered an error: | Runtime Error | x"
        ),
    ),
    "a request of S3": (
        of_error("ClientError: Denied (Request ID: 7BQ3TX0RZ5CW0DSE; S3 Extended Request ID: v8/Y+ab==; x)"),
        of_error("ClientError: Denied (Request ID: ABCDTX0RZ5CW0DSE; S3 Extended Request ID: z1/PPP+0=; x)"),
    ),
    "what SQLAlchemy adds": (
        of_error('ProgrammingError: relation "a" does not exist\nLINE 1: SELECT 1\n[SQL: SELECT 1]'),
        of_error('ProgrammingError: relation "b" does not exist\nLINE 9: JOIN b\n[SQL: SELECT 2]'),
    ),
}
