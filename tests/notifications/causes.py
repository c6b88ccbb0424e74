"""Ten labelled troubles, as they look in hundreds of tasks: what the grouping of alerts was made to fit.

Each makes one :class:`Alert` of its trouble: ids, times, hosts, paths, sizes, retries and what stands in
quotes differ from one to the next, the trouble does not. Texts are cut and joined as ``services`` and
``failed_tasks`` do it. Alerts are one trouble when one and the same thing that a person does ends them.
"""

from __future__ import annotations

import random
import string
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone

from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.texts import shorten
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask

Rng = random.Random
Maker = Callable[[Rng], Alert]

DAGS = 40
#: All that one trouble breaks, breaks within this: less than ``group_wait``.
WITHIN_S = 20.0
BEGAN = datetime(2026, 11, 2, 3, 0, tzinfo=timezone.utc)

_ALPHABET = string.ascii_lowercase + string.digits
_TABLES = ("orders", "customers", "refunds", "stock_levels", "Page Views", "clicks_2024", "fx_rates")
_VERBS = ("load", "transform", "publish", "verify", "ingest_raw", "export")


# What differs from one occurrence to the next


def uid(rng: Rng) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def word(rng: Rng, length: int, alphabet: str = _ALPHABET) -> str:
    """Some letters and digits, as services make names of."""
    return "".join(rng.choices(alphabet, k=length))


def hexed(rng: Rng, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def cluster_id(rng: Rng) -> str:
    """As Databricks writes it: ``1102-043337-1ju7tror``."""
    return f"11{rng.randrange(1, 29):02d}-{rng.randrange(10**6):06d}-{word(rng, 8)}"


def instance(rng: Rng) -> str:
    return f"i-{hexed(rng, 17)}"


def address(rng: Rng) -> str:
    return f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def size(rng: Rng) -> str:
    return rng.choice(
        (f"{rng.randrange(1, 1024)} KiB", f"{rng.uniform(1, 900):.1f} MiB", f"{rng.random() * 9:.2f} GB")
    )


def duration(rng: Rng) -> str:
    minutes, seconds = rng.randrange(1, 60), rng.randrange(60)
    return rng.choice(
        (
            f"{seconds} seconds",
            f"{minutes} minutes, {seconds} seconds",
            f"{minutes}m {seconds}s",
            "1 hour",
            f"{seconds}.25 s",
        )
    )


def clock(rng: Rng) -> str:
    return f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"


def day(rng: Rng) -> str:
    return f"2026-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"


def lake_file(rng: Rng) -> str:
    """A file as Spark names it."""
    return (
        f"s3://acme-lake/{rng.choice(_TABLES).replace(' ', '_')}/day={day(rng)}/"
        f"part-{rng.randrange(400):05d}-{uid(rng)}-c000.snappy.parquet"
    )


# Alerts


def alert(rng: Rng, task: FailedTask) -> Alert:
    """One of a DAG among :data:`DAGS`, within :data:`WITHIN_S`."""
    number = rng.randrange(DAGS)
    return Alert(
        dag_id=f"{rng.choice(('sales', 'finance', 'ops'))}_{number}",
        dag_run_id=rng.choice((f"scheduled__{day(rng)}T03:00:00+00:00", f"manual__{uid(rng)}")),
        when=BEGAN + timedelta(seconds=rng.uniform(0, WITHIN_S)),
        tasks=(task,),
    )


def raised(rng: Rng, error: str, run: Run | None = None) -> Alert:
    """A task that ended with an exception; its run may have gone on.

    :param error: ``Type: text``, of any number of lines.
    """
    return alert(
        rng, FailedTask(task_id=_task_id(rng), exception=error, run=run, map_index=_index(rng), try_number=1)
    )


def ended(rng: Rng, run: Run) -> Alert:
    """A task whose run ended badly; such an error says nothing that the run does not."""
    return alert(
        rng, FailedTask(task_id=_task_id(rng), run=run, map_index=_index(rng), try_number=rng.randrange(1, 4))
    )


def _task_id(rng: Rng) -> str:
    return f"{rng.choice(_VERBS)}_{rng.choice(_TABLES).lower().replace(' ', '_')}"


def _index(rng: Rng) -> int:
    return rng.choice((-1, rng.randrange(300)))


# Runs


def job_run(rng: Rng, kind: str, message: str, *, code: str = "RUN_EXECUTION_ERROR", keys: int = 1) -> Run:
    """A run of a Databricks job, with what its failed tasks printed.

    :param keys: how many of its tasks failed, each for the same reason; 0 for a run that never had tasks.
    """
    names = rng.sample([f"{verb}_{table}" for verb in _VERBS for table in ("eu", "us", "apac")], keys)
    run_id = rng.randrange(10**15)
    return Run(
        service="databricks_jobs",
        run_id=run_id,
        state=RunState.ERROR,
        status=f"TERMINATED {code}",
        job_id=rng.randrange(10**12),
        name=f"{rng.choice(_VERBS)}_{rng.randrange(99):02d}",
        url=f"https://adb-{rng.randrange(10**16)}.{rng.randrange(20)}.azuredatabricks.net/?o=1#job/1/run/{run_id}",
        message=message if not keys else "Workload failed, see run output for details",
        kind=kind,  # type: ignore[arg-type]
        failures=tuple(Failure(name=name, message=shorten(message)) for name in names),
        failed=keys,
    )


def dbt_run(rng: Rng, failures: Iterable[tuple[str, str]]) -> Run:
    """A run of a dbt Cloud job.

    :param failures: the failed nodes, or steps, with what each said.
    """
    found = tuple(Failure(name=name, message=shorten(message)) for name, message in failures)
    run_id = rng.randrange(70_403_000_000_000, 70_404_000_000_000)
    return Run(
        service="dbt_cloud",
        run_id=run_id,
        state=RunState.ERROR,
        status="Error",
        job_id=rng.randrange(10**14),
        url=f"https://ab{rng.randrange(999)}.us1.dbt.com/deploy/1/projects/2/runs/{run_id}/",
        message=f"step {rng.randrange(3, 9)}, Invoke dbt with `dbt build`, failed",
        kind="user",
        failures=found,
        failed=len(found),
    )


def update(rng: Rng, message: str, flow: str | None = None) -> Run:
    """An update of a Databricks pipeline that failed.

    :param flow: which of its flows did; None for the update itself.
    """
    failures = (Failure(name=flow, message=message),) if flow else ()
    return Run(
        service="databricks_pipelines",
        run_id=uid(rng),
        state=RunState.ERROR,
        status="FAILED",
        job_id=uid(rng),
        message=message,
        kind="user",
        failures=failures,
        failed=len(failures),
    )


def going_on(rng: Rng) -> Run | None:
    """The run of a task that ended before it: most left a record when they began to wait, some did not."""
    message = rng.choice(
        (
            None,
            "In run",
            f"Waiting for cluster {cluster_id(rng)}",
            "Queued due to reaching maximum concurrent runs",
        )
    )
    run = Run(
        service=rng.choice(("databricks_jobs", "databricks_pipelines")),
        run_id=rng.randrange(10**12),
        state=rng.choice((RunState.RUNNING, RunState.STARTING, RunState.QUEUED)),
        status="RUNNING",
        message=message,
    )
    return rng.choice((run, run, None))


def call(rng: Rng) -> str:
    """One of the calls that jobs and pipelines are started and watched with."""
    pipeline = f"/api/2.0/pipelines/{uid(rng)}"
    return rng.choice(
        (
            "POST /api/2.2/jobs/run-now",
            "GET /api/2.2/jobs/runs/get",
            "GET /api/2.2/jobs/runs/list",
            "POST /api/2.2/jobs/runs/submit",
            f"POST {pipeline}/updates",
            f"GET {pipeline}/updates/{uid(rng)}",
        )
    )


def wrong_token(text: str, conn_id: str, host: str) -> str:
    """A refused call, as ``hooks.remote`` tells it."""
    return (
        f"AccessDenied: {text}. Check the token of connection {conn_id!r}, and that its host {host} is the "
        "one of this account: the wrong host answers like a wrong token."
    )


# The ten


def token_expired(rng: Rng) -> Alert:
    """One token, of jobs and pipelines; it expires before some start, and while others wait."""
    text = f"{call(rng)} answered 403: Invalid access token. [ReqId: {uid(rng)}]"
    return raised(
        rng, wrong_token(text, "databricks_default", "https://adb-71.11.azuredatabricks.net"), going_on(rng)
    )


def workspace_503(rng: Rng) -> Alert:
    made = call(rng)
    text = (
        f"RemoteCallError: {made} answered 503: TEMPORARILY_UNAVAILABLE: The service at {made.split()[1]} is "
        f"temporarily unavailable. Please try again later. [TraceId: {hexed(rng, 32)}]"
    )
    return raised(rng, text, going_on(rng))


def cores_quota(rng: Rng, family: str = "standardFFamily") -> Alert:
    """No machines left of one kind, in the words of Azure; they are longer than what is kept of them."""
    cluster, used, more = cluster_id(rng), rng.randrange(100, 250), 4 * rng.randrange(2, 60)
    limit = rng.choice((96, 250, 1000))
    text = (
        f"Unexpected failure while waiting for the cluster ({cluster}) to be ready: Cluster {cluster} is in "
        "unexpected state Terminated: AZURE_QUOTA_EXCEEDED_EXCEPTION(CLIENT_ERROR): azure_error_code:"
        "QuotaExceeded,azure_error_message:Operation could not be completed as it results in exceeding "
        f"approved {family} Cores quota. Additional details - Deployment Model: Resource Manager, "
        f"Location: westeurope, Current Limit: {limit}, Current Usage: {used}, Additional Required: {more}, "
        f"(Minimum) New Limit Required: {used + more}. Submit a request for Quota increase at "
        f"https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/{hexed(rng, 40)}"
    )
    return ended(rng, job_run(rng, "platform", text, code="CLOUD_FAILURE", keys=rng.randrange(1, 4)))


def one_model(rng: Rng, name: str = "fct_orders", says: str | None = None) -> Alert:
    """A column is gone, and the model that reads it is part of forty DAGs; tests fail beside it in some."""
    says = says or (
        f"000904 (42000): {uid(rng)}: SQL compilation error: error line {rng.randrange(9, 80)} at position 4 "
        "invalid identifier 'AMOUNT_EUR'"
    )
    file = f"models/marts/{name}.sql"
    text = (
        f"Database Error in model {name} ({file})\n  {says}\n  compiled code at target/run/analytics/{file}"
    )
    failed = [(f"model.analytics.{name}", text)]
    for _ in range(rng.randrange(3)):
        count = rng.randrange(1, 900)
        failed.append(
            (
                f"test.analytics.not_null_{rng.choice(('stock', 'refunds'))}_id.{hexed(rng, 10)}",
                f"Got {count} result{'s' if count > 1 else ''}, configured to fail if != 0",
            )
        )
    rng.shuffle(failed)
    return ended(rng, dbt_run(rng, failed))


def cluster_image(rng: Rng) -> Alert:
    """The image that the clusters of all jobs begin from is not in the registry."""
    cluster = cluster_id(rng)
    text = (
        f"Unexpected failure while waiting for the cluster ({cluster}) to be ready: Cluster {cluster} is in "
        f"unexpected state Terminated: DOCKER_IMAGE_PULL_FAILURE(CLIENT_ERROR): instance_id:{instance(rng)},"
        f"databricks_error_message:Failed to launch container with container id container-{hexed(rng, 16)} "
        f"on instance {address(rng)} after {duration(rng)}: Cannot pull acme.azurecr.io/etl/base:2026."
        f"{rng.randrange(1, 12)}: manifest unknown"
    )
    return ended(rng, job_run(rng, "platform", text, code="CLUSTER_ERROR", keys=rng.randrange(3)))


def table_gone(rng: Rng) -> Alert:
    """A schema was dropped. The tables differ, and so do the ways in which it is read."""
    schema, table = rng.choice(("raw", "raw_v2")), rng.choice(_TABLES)
    text = (
        f"[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`{schema}`.`{table}` cannot be found. Verify "
        "the spelling and correctness of the schema and catalog. If you did not qualify the name with a "
        "schema, verify the current_schema() output, or qualify the name with the correct schema and catalog."
        f"{rng.choice(('', ' SQLSTATE: 42P01'))}; line {rng.randrange(90)} pos {rng.randrange(60)}"
    )
    if rng.random() < 0.3:
        return raised(rng, f"AnalysisException: {text};\n'Project [*]\n+- 'UnresolvedRelation [{table}]")
    text = f"{rng.choice(('', 'AnalysisException: '))}{text}"
    return ended(rng, job_run(rng, "user", text, keys=rng.randrange(1, 3)))


def disk_full(rng: Rng) -> Alert:
    """The disk of the workers. Not every call knows which file it was about."""
    file = rng.choice(
        (
            "",
            f": '/tmp/spill/{hexed(rng, 8)}'",
            f": b'/opt/airflow/logs/dag_{rng.randrange(99)}/{word(rng, 9)}.log'",
        )
    )
    return raised(rng, f"OSError: [Errno 28] No space left on device{file}")


def no_connections_left(rng: Rng) -> Alert:
    """Every model of a warehouse fails, whichever it is."""
    name = f"stg_{rng.choice(_TABLES).lower().replace(' ', '_')}"
    text = (
        f"Database Error in model {name} (models/staging/{name}.sql)\n  connection to server at "
        f'"dwh.acme.internal" ({address(rng)}), port 5432 failed: FATAL:  remaining connection slots are '
        "reserved for roles with the SUPERUSER attribute"
    )
    return ended(rng, dbt_run(rng, [(f"model.{rng.choice(('shop', 'finance'))}.{name}", text)]))


def task_timeout(rng: Rng) -> Alert:
    """The time limit of the tasks; what their runs last said about themselves is not why they ended."""
    return raised(rng, f"AirflowTaskTimeout: Timeout, PID: {rng.randrange(10, 99_999)}", going_on(rng))


def rates_api(rng: Rng, host: str = "api.rates.example") -> Alert:
    """Another company's service, asked by Python tasks."""
    path = f"/v2/{rng.choice(('rates', 'currencies', 'history/daily'))}"
    query = f"?base={rng.choice(('EUR', 'USD', 'PLN'))}&day={day(rng)}"
    return raised(
        rng,
        f"ConnectionError: HTTPSConnectionPool(host='{host}', port=443): Max retries exceeded with url: "
        f"{path}{query} (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at "
        f"0x7f{hexed(rng, 10)}>: Failed to establish a new connection: [Errno 111] Connection refused'))",
    )


CAUSES: Mapping[str, Maker] = {
    "token expired": token_expired,
    "workspace 503": workspace_503,
    "quota of cores": cores_quota,
    "one model": one_model,
    "cluster image": cluster_image,
    "table gone": table_gone,
    "disk full": disk_full,
    "no connections left": no_connections_left,
    "task timeout": task_timeout,
    "rates api": rates_api,
}


# How good a grouping is


def pairs(alerts: Iterable[tuple[str, str]]) -> tuple[float, float]:
    """Pairwise precision and recall of a grouping.

    :param alerts: the label, and the group, of each.
    :return: of the pairs in one group, the share with one label; of the pairs with one label, the share in
        one group.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    labels = Counter[str]()
    for label, group in alerts:
        groups[group][label] += 1
        labels[label] += 1
    together = sum(_pairs(count) for group in groups.values() for count in group.values())
    in_a_group = sum(_pairs(group.total()) for group in groups.values())
    of_a_label = sum(map(_pairs, labels.values()))
    return together / in_a_group, together / of_a_label


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
