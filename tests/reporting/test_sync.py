"""The history of runs: what the remote told is there once, as it was seen last, over crashes and repairs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn

pytestmark = pytest.mark.usefixtures("connections")
SERVICES = ["dbt_cloud", "databricks_jobs"]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(str(tmp_path / "history"))


def rows(history: History, what: str, **where: str) -> list[tuple[Any, ...]]:
    asked = " AND ".join(f"{name} = '{value}'" for name, value in where.items()) or "true"
    with history.open() as db:
        return db.execute(f"SELECT {what} FROM runs WHERE {asked} ORDER BY ALL").fetchall()


def files(history: History) -> list[Path]:
    return sorted(Path(str(history.root)).rglob("*.parquet"))


def make(standin: StandIn, service: str, *plans: Plan, **job: Any) -> list[int]:
    world: Any = getattr(standin, service)
    several: dict[str, Any] = (
        {"one_at_a_time": False} if service == "dbt_cloud" else {"max_concurrent_runs": 100}
    )
    made = []
    for plan in plans:
        made.append(world.start(world.add_job("nightly", plan=plan, **several, **job)))
    return made


@pytest.mark.parametrize("service", SERVICES)
def test_every_run_is_there_with_its_state_and_reason(
    standin: StandIn, history: History, service: str
) -> None:
    good, bad, going = make(
        standin,
        service,
        Plan(),
        Plan(outcome="error" if service == "dbt_cloud" else "failed"),
        Plan(hold=True),
    )
    done = sync_history(service, history=history)
    assert done.runs == 3
    assert rows(history, "run_id, state, class", task_key="") == sorted(
        [(str(good), "success", None), (str(bad), "error", "user"), (str(going), "running", None)]
    )
    ((fingerprint, name),) = rows(history, "fingerprint, job_name", run_id=str(bad), task_key="")
    assert fingerprint
    assert name == "nightly"


def test_tasks_have_rows_of_their_own(standin: StandIn, history: History) -> None:
    (run_id,) = make(standin, "databricks_jobs", Plan(outcome="failed"), tasks=["load", "clean"])
    sync_history("databricks_jobs", history=history)
    found = rows(history, "run_id, task_key, job_name")
    assert found == [(str(run_id), key, "nightly") for key in ("", "clean", "load")]


@pytest.mark.parametrize("service", SERVICES)
def test_a_second_sync_reads_what_is_new_and_what_had_not_ended(
    standin: StandIn, history: History, service: str
) -> None:
    (going,) = make(standin, service, Plan(hold=True))
    sync_history(service, history=history)
    getattr(standin, service).set_plan(going, Plan())
    (new,) = make(standin, service, Plan())
    asked = len(standin.journal.entries)
    sync_history(service, history=history)
    assert rows(history, "run_id, state", task_key="") == sorted(
        [(str(going), "success"), (str(new), "success")]
    )
    assert len(standin.journal.entries) - asked == 1


def test_a_run_that_had_not_ended_long_ago_is_read_alone(standin: StandIn, history: History) -> None:
    (going,) = make(standin, "databricks_jobs", Plan(hold=True))
    later = datetime.now(timezone.utc) + timedelta(days=30)
    sync_history("databricks_jobs", history=history)
    history.append(
        [
            {
                **dict.fromkeys(one_row(history)),
                **one_row(history),
                "run_id": "9",
                "created_at": later.isoformat(),
                "ended_at": later.isoformat(),
            }
        ]
    )
    standin.databricks_jobs.set_plan(going, Plan())
    sync_history("databricks_jobs", history=history, now=later)
    assert set(rows(history, "state", run_id=str(going))) == {("success",)}


def one_row(history: History) -> dict[str, Any]:
    with history.open() as db:
        result = db.execute("SELECT * FROM runs LIMIT 1")
        names = [column[0] for column in result.description]
        (values,) = result.fetchall()
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in zip(names, values, strict=True)
    }


def test_a_repair_is_seen(standin: StandIn, history: History) -> None:
    world = standin.databricks_jobs
    job_id = world.add_job("nightly", plans=[Plan(outcome="failed"), Plan()], tasks=["load"])
    run_id = world.start(job_id)
    sync_history("databricks_jobs", history=history)
    assert rows(history, "state", task_key="") == [("error",)]
    world.repair(run_id, {"run_id": run_id, "rerun_all_failed_tasks": True})
    sync_history("databricks_jobs", history=history)
    with history.open() as db:
        last = "SELECT state FROM runs WHERE task_key = '' ORDER BY attempt DESC, seen_at DESC LIMIT 1"
        assert db.execute(last).fetchall() == [("success",)]


def test_an_interrupted_sync_goes_on(
    standin: StandIn, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are written from the oldest on, so that what is missing is what is newer."""
    make(standin, "databricks_jobs", Plan())
    begun: list[datetime] = []

    def on_day(begin: datetime, count: int) -> None:
        begun.append(begin)
        if len(begun) == 20:
            standin.faults.add(Fault(path="runs/list", status=403))

    with pytest.raises(RemoteCallError):
        sync_history("databricks_jobs", history=history, on_day=on_day)
    standin.faults.clear()
    assert begun == sorted(begun)
    assert sync_history("databricks_jobs", history=history).runs == 1


def test_two_syncs_at_once_do_no_harm(standin: StandIn, history: History) -> None:
    made = make(standin, "dbt_cloud", Plan(), Plan(outcome="error"))
    first, second = (History(str(history.root)) for _ in range(2))

    def meanwhile(begin: datetime, count: int) -> None:
        if not files(history):
            sync_history("dbt_cloud", history=second)

    sync_history("dbt_cloud", history=first, on_day=meanwhile)
    assert len(rows(history, "run_id")) == len(made)


def test_a_file_that_cannot_be_read_is_left_out_and_named(
    standin: StandIn, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    make(standin, "dbt_cloud", Plan())
    sync_history("dbt_cloud", history=history)
    (file,) = files(history)
    (bad := file.with_name("bad.parquet")).write_bytes(file.read_bytes()[:-20])
    assert len(rows(history, "run_id")) == 1
    assert str(bad) in caplog.text


def test_a_file_of_before_a_column_was_added_is_read(standin: StandIn, history: History) -> None:
    import duckdb

    make(standin, "dbt_cloud", Plan())
    sync_history("dbt_cloud", history=history)
    (file,) = files(history)
    duckdb.execute(f"COPY (SELECT * EXCLUDE (raw, started_by) FROM '{file}') TO '{file}.old.parquet'")
    file.unlink()
    sync_history("databricks_jobs", history=history)
    assert len(rows(history, "run_id, state", service="dbt_cloud")) == 1


def test_a_hostile_name_is_text(standin: StandIn, history: History) -> None:
    world = standin.dbt_cloud
    name = "'; DROP TABLE runs; -- <script>\n\N{PILE OF POO}"
    world.start(world.add_job(name))
    sync_history("dbt_cloud", history=history)
    ((told,),) = rows(history, "job_name")
    assert "DROP TABLE" in told


def test_an_empty_history_has_no_rows(history: History) -> None:
    assert rows(history, "run_id, class, raw") == []
