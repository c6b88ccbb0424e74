"""Why something failed: the class says who has to act, the fingerprint what is the same trouble."""

from __future__ import annotations

import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.reasons import normalised
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask
from airflow_provider_pipehooks.notifications.reasons import class_of, fingerprint

RUN = Run(service="databricks_jobs", run_id=7, state=RunState.ERROR, status="TERMINATED FAILED", kind="user")


def failed(exception: str | None = None, run: Run | None = None, dag_id: str = "d") -> Alert:
    task = FailedTask(task_id="t", exception=exception, run=run)
    return Alert(dag_id=dag_id, dag_run_id="r", when=datetime.now(timezone.utc), tasks=(task,))


def cancelled(service: str, status: str, **more: Any) -> Run:
    return Run(service=service, run_id=1, state=RunState.CANCELLED, status=status, kind="cancelled", **more)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (FailedTask(task_id="t", run=RUN), "user"),
        (FailedTask(task_id="t", exception="ValueError: boom"), "user"),
        (FailedTask(task_id="t", exception="AirflowTaskTimeout: Timeout, PID: 7"), "ended_by_airflow"),
        (FailedTask(task_id="t", run=Run(service="x", run_id=1, state=RunState.RUNNING, status="r")),
         "ended_by_airflow"),
        (FailedTask(task_id="t"), "unknown"),
        (FailedTask(task_id="t", exception="AccessDenied: GET x answered 403"), "configuration"),
        (FailedTask(task_id="t", exception="RemoteCallError: GET x answered 503"), "platform"),
        (FailedTask(task_id="t", run=cancelled("databricks_jobs", "TERMINATED USER_CANCELED")),
         "cancelled_by_person"),
        (FailedTask(task_id="t", run=cancelled("databricks_jobs", "TERMINATED CANCELED")),
         "cancelled_by_platform"),
        (FailedTask(task_id="t", run=cancelled("dbt_cloud", "Cancelled", cancelled_by="Ada")),
         "cancelled_by_person"),
        (FailedTask(task_id="t", run=cancelled("dbt_cloud", "Cancelled")), "cancelled"),
    ],
)  # fmt: skip
def test_a_class_says_who_has_to_act(task: FailedTask, expected: str) -> None:
    assert class_of(task) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 17 of 93,001", "row 4 of 7"),
        ("at 2026-11-02T03:04:05.123Z", "at 2026-10-01 23:59:59,7"),
        ("run 01a220f6-a508-784c-9f58-d04ecc76f796", "run 7b0fabc1-53ed-46bc-a953-e7622d911cae"),
        ("cannot open /mnt/a/b.csv", "cannot open /mnt/c/d/e.parquet"),
        ("cannot open C:\\a\\b.csv", "cannot open D:\\x\\y"),
        ("column 'a' is null", "column 'b c' is null"),
        ("`main`.`raw`.`x` is gone", "`main`.`y` is gone"),
        ("commit 9f58d04ecc76f796", "commit 1bd04ecc"),
        ("GET https://a.example/x?y=1 failed", "GET https://b.example/ failed"),
        ("  Boom\nmore", "boom more"),
    ],
)
def test_what_differs_from_one_occurrence_to_the_next_does_not_count(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("disk is full", "disk is slow"),
        ("no such table", "no such column"),
        ("GET x answered 503", "GET x answered 404"),
        ("[Errno 28] it failed", "[Errno 13] it failed"),
        ("[TABLE_GONE] `a`", "[COLUMN_GONE] `a`"),
    ],
)
def test_what_says_something_else_is_something_else(one: str, other: str) -> None:
    assert fingerprint(failed(one)) != fingerprint(failed(other))


def _node(name: str, message: str) -> Run:
    return Run(
        service="dbt_cloud",
        run_id=1,
        state=RunState.ERROR,
        status="Error",
        kind="user",
        failures=(Failure(name=name, message=message),),
        failed=1,
    )


def _task(message: str, kind: str = "platform") -> Run:
    return Run(
        service="databricks_jobs",
        run_id=1,
        state=RunState.ERROR,
        status="TERMINATED",
        kind=kind,  # type: ignore[arg-type]
        failures=(Failure(name="load", message=message),),
    )


#: Ten troubles as they look in a hundred tasks: each text differs, the trouble is one.
CAUSES: dict[str, Callable[[random.Random], Alert]] = {
    "token expired": lambda r: failed(
        f"AccessDenied: GET https://dbc-{r.randrange(99)}.cloud.databricks.com/api/2.1/jobs/runs/get?run_id="
        f"{r.randrange(10**9)} answered 403: Invalid access token. "
        f"Request id {uuid.UUID(int=r.getrandbits(128))}"
    ),
    "workspace 503": lambda r: failed(
        f"RemoteCallError: POST /api/2.1/jobs/run-now answered 503: The service at /api/2.1/jobs/run-now is "
        f"temporarily unavailable after {r.random() * 90:.1f} s"
    ),
    "quota": lambda r: failed(
        run=_task(f"Cannot start {r.randrange(64)} VMs: quota of {r.randrange(900)} cores reached", "quota")
    ),
    "one model": lambda r: failed(
        run=_node(
            "model.shop.orders",
            f"Database Error in model orders (models/orders.sql) line {r.randrange(90)}: relation "
            f"\"tmp_{r.getrandbits(40):x}\" does not exist",
        )
    ),
    "cluster image": lambda r: failed(
        run=_task(
            f"Cluster {r.randrange(9999):04d}-{r.getrandbits(32):08x} failed to pull image "
            f"'acme/etl:{r.randrange(9)}'"
        )
    ),
    "table gone": lambda r: failed(
        run=_task(f"AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] `raw`.`shop_{r.randrange(99)}`", "user")
    ),
    "disk full": lambda r: failed(
        f"OSError: [Errno 28] No space left on device: '/tmp/spill/{r.getrandbits(64):x}'"
    ),
    "bad rows": lambda r: failed(
        run=_node("test.shop.amounts", f"Got {r.randrange(1, 9000)} results, configured to fail if != 0")
    ),
    "time limit": lambda r: failed(f"AirflowTaskTimeout: Timeout, PID: {r.randrange(99999)}"),
    "credentials": lambda r: failed(
        f"NoCredentialsError: Unable to locate credentials for s3://lake/day={r.randrange(2020, 2027)}-01-02"
    ),
}  # fmt: skip


def test_ten_troubles_of_five_hundred_tasks_are_ten() -> None:
    """Precision: what is together has one trouble. Recall: what has one trouble is together."""
    rng = random.Random(7)
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for cause, make in CAUSES.items():
        for _ in range(500):
            groups[fingerprint(make(rng))][cause] += 1
    together = sum(sum(n * (n - 1) for n in group.values()) for group in groups.values())
    in_one_group = sum(sum(group.values()) * (sum(group.values()) - 1) for group in groups.values())
    of_one_cause = len(CAUSES) * 500 * 499
    assert together / in_one_group >= 0.95, "precision"
    assert together / of_one_cause >= 0.95, "recall"
    biggest = {cause: max(group[cause] for group in groups.values()) for cause in CAUSES}
    assert min(biggest.values()) >= 499, "some hex has no digit in it, and looks like a word"
