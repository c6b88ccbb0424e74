"""The history of runs: what the remote told is there once, as it was seen last, over crashes and repairs."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.reporting import listing
from airflow_provider_pipehooks.reporting.coverage import Coverage
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import Fault, PastRun, Plan, StandIn
from tests.reporting.conftest import files, rows

pytestmark = pytest.mark.usefixtures("connections")
SERVICES = ["dbt_cloud", "databricks_jobs"]
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


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


def test_a_hostile_name_is_text(standin: StandIn, history: History) -> None:
    world = standin.dbt_cloud
    name = "'; DROP TABLE runs; -- <script>\n\N{PILE OF POO}"
    world.start(world.add_job(name))
    sync_history("dbt_cloud", history=history)
    ((told,),) = rows(history, "job_name")
    assert "DROP TABLE" in told


def test_an_empty_history_has_no_rows(history: History) -> None:
    assert rows(history, "run_id, class, raw") == []
    assert rows(history, "event_id", "events") == []


# --- what is asked for ------------------------------------------------------------------------------------


def past(standin: StandIn, service: str, *days_ago: float, **more: Any) -> list[str]:
    """Runs that were made so long ago, the oldest first."""
    world: Any = getattr(standin, service)
    several: dict[str, Any] = (
        {"one_at_a_time": False} if service == "dbt_cloud" else {"max_concurrent_runs": 100}
    )
    job_id = world.add_job("past", **several)
    made = [PastRun(job_id=job_id, made_at=(NOW - DAY * days).timestamp(), **more) for days in days_ago]
    return list(map(str, world.add_past_runs(made)))


def asked(standin: StandIn) -> list[Any]:
    """The requests since the last call."""
    entries = standin.journal.entries
    standin.journal.clear()
    return entries


def test_many_runs_that_had_not_ended_long_ago_take_few_requests(standin: StandIn, history: History) -> None:
    """Thirty go on, and are two pages; two have ended, and are asked for one by one."""
    run_ids = past(standin, "databricks_jobs", *(20 + number / 10 for number in range(32)), run_s=None)
    past(standin, "databricks_jobs", *(10 + number / 100 for number in range(300)))
    sync_history("databricks_jobs", history=history, days=40)
    for run_id in run_ids[:2]:
        standin.databricks_jobs.set_plan(int(run_id), Plan())
    asked(standin)
    done = sync_history("databricks_jobs", history=history, days=40)
    paths = [entry.path.rpartition("/")[2] for entry in asked(standin)]
    assert sorted(paths) == ["get"] * 2 + ["list"] * 3
    assert done.runs == 32 + 25
    assert rows(history, "count(*)", state="running", task_key="") == [(30,)]


def test_runs_that_went_on_are_listed_where_that_takes_fewer_requests(
    standin: StandIn, history: History
) -> None:
    """Sixty of the last seventy: three pages."""
    past(standin, "databricks_jobs", *(0.9 + number / 1_000 for number in range(10)))
    run_ids = past(standin, "databricks_jobs", *(0.8 + number / 1_000 for number in range(60)), run_s=None)
    sync_history("databricks_jobs", history=history, days=2)
    for run_id in run_ids:
        standin.databricks_jobs.set_plan(int(run_id), Plan())
    asked(standin)
    sync_history("databricks_jobs", history=history, days=2)
    assert len(asked(standin)) == 3
    assert rows(history, "count(*)", state="running", task_key="") == [(0,)]


def test_dbt_cloud_is_asked_for_a_hundred_that_went_on_at_once(standin: StandIn, history: History) -> None:
    past(standin, "dbt_cloud", *(100 + number / 100 for number in range(150)), run_s=None)
    sync_history("dbt_cloud", history=history, days=110)
    asked(standin)
    assert sync_history("dbt_cloud", history=history, days=110).runs == 150
    queries = [entry.query for entry in asked(standin)]
    assert sorted("pk__in" in query for query in queries) == [False, True, True]


@pytest.mark.parametrize("service", SERVICES)
def test_a_run_that_the_remote_has_forgotten_is_not_asked_for_for_ever(
    standin: StandIn, history: History, service: str
) -> None:
    (run_id,) = past(standin, service, 20, run_s=None)
    sync_history(service, history=history, days=30)
    world: Any = getattr(standin, service)
    if service == "dbt_cloud":
        del world.known_runs[int(run_id)]
        world._active.clear()
        world._by_time.clear()
    else:
        world.run_ids.discard(int(run_id))
        world.active_ids.discard(int(run_id))
        world.jobs[next(iter(world.jobs))].run_ids.discard(int(run_id))
        del world.runs[int(run_id)]
    sync_history(service, history=history, days=30)
    ((state, gone),) = rows(history, "state, gone_at IS NOT NULL", task_key="")
    assert (state, gone) == ("running", True), "it stays as it was seen"
    asked(standin)
    sync_history(service, history=history, days=30)
    assert len(asked(standin)) == 2, "the remote may have been in trouble"
    sync_history(service, history=history, days=30, now=NOW + 2 * DAY)
    assert [entry for entry in asked(standin) if "pk__in" in entry.query or entry.path.endswith("get")] == []


def test_a_run_without_an_end_is_asked_for_as_long_as_the_remote_keeps_it(
    standin: StandIn, history: History
) -> None:
    past(standin, "databricks_jobs", 59, run_s=None)
    sync_history("databricks_jobs", history=history)
    asked(standin)
    sync_history("databricks_jobs", history=history, days=1)
    assert len(asked(standin)) == 2
    sync_history("databricks_jobs", history=history, days=1, now=NOW + 2 * DAY)
    assert all(entry.path.endswith("list") for entry in asked(standin))
    assert rows(history, "state", task_key="") == [("running",)]


def test_the_last_days_are_read_again_when_they_were_not_read_for_a_day(
    standin: StandIn, history: History
) -> None:
    """A run that is not among the newest is repaired, and the repair has ended before anybody looks."""
    world = standin.databricks_jobs
    (run_id,) = past(standin, "databricks_jobs", 1.5, outcome="failed")
    past(standin, "databricks_jobs", *(1 + number / 1_000 for number in range(30)))
    sync_history("databricks_jobs", history=history, days=3)
    world.repair(int(run_id), {"run_id": int(run_id), "rerun_all_failed_tasks": True})
    world.set_plan(int(run_id), Plan())
    world.look(world.runs[int(run_id)])
    sync_history("databricks_jobs", history=history, days=3)
    assert rows(history, "attempt, state", run_id=run_id, task_key="") == [(1, "error")]
    sync_history("databricks_jobs", history=history, days=3, again_hours=0)
    assert rows(history, "attempt, state", run_id=run_id, task_key="") == [(1, "error"), (2, "success")]
    sync_history("databricks_jobs", history=history, days=3, again_hours=0)
    assert len(rows(history, "attempt, state", run_id=run_id, task_key="")) == 2


def test_a_sync_that_reaches_further_back_reads_what_is_not_there(standin: StandIn, history: History) -> None:
    past(standin, "dbt_cloud", 9, 5, 1)
    assert sync_history("dbt_cloud", history=history, days=3).runs == 1
    asked(standin)
    assert sync_history("dbt_cloud", history=history, days=10).runs == 2
    assert len(asked(standin)) <= 10


# --- bad days ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_an_interrupted_sync_goes_on_where_something_is_missing(
    standin: StandIn, history: History, service: str
) -> None:
    """Also in the middle: several days are read at once."""
    made = past(standin, service, *(number + 0.5 for number in reversed(range(20))))
    day = (NOW - 10 * DAY).date().isoformat()
    ms = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1000)
    needle = f"%5B%22{day}" if service == "dbt_cloud" else f"start_time_from={ms - 5}"
    standin.faults.add(Fault(path=needle, status=403))
    with pytest.raises(RemoteCallError):
        sync_history(service, history=history, days=21)
    standin.faults.clear()
    there = len(rows(history, "run_id", task_key=""))
    assert 5 <= there < 20
    asked(standin)
    sync_history(service, history=history, days=21)
    assert len(asked(standin)) < 20, "not all of it again"
    assert sorted(run_id for (run_id,) in rows(history, "run_id", task_key="")) == sorted(made)


@pytest.mark.parametrize("jump_days", [400, 2, -2, -400])
@pytest.mark.parametrize("service", SERVICES)
def test_a_clock_that_jumps_hides_no_run(
    standin: StandIn, history: History, service: str, jump_days: int
) -> None:
    past(standin, service, *(2 + number / 100 for number in range(25)))
    sync_history(service, history=history, days=4)
    sync_history(service, history=history, days=4, now=datetime.now(timezone.utc) + jump_days * DAY)
    make(standin, service, Plan(outcome="error" if service == "dbt_cloud" else "failed"))
    sync_history(service, history=history, days=4)
    assert rows(history, "count(*)", state="error", task_key="") == [(1,)]


def test_a_remote_whose_clock_is_ahead_hides_no_run(
    standin: StandIn, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "date_of", lambda answer: datetime.now(timezone.utc) + 30 * DAY)
    for _ in range(2):
        make(standin, "dbt_cloud", Plan())
        sync_history("dbt_cloud", history=history, days=1)
    assert len(rows(history, "run_id")) == 2


@pytest.mark.parametrize("service", SERVICES)
def test_what_was_seen_last_counts_though_the_clock_went_back(
    standin: StandIn, history: History, service: str
) -> None:
    (run_id,) = make(standin, service, Plan(hold=True))
    sync_history(service, history=history, days=2, now=datetime.now(timezone.utc) + DAY / 2)
    getattr(standin, service).set_plan(run_id, Plan())
    sync_history(service, history=history, days=2)
    assert rows(history, "state", task_key="") == [("success",)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_run_from_the_future_hides_no_run(standin: StandIn, history: History, service: str) -> None:
    past(standin, service, -700, run_s=None)
    sync_history(service, history=history, days=2)
    past_world: Any = getattr(standin, service)
    if service == "databricks_jobs":
        past_world.runs[next(iter(past_world.runs))].started_ms = int((NOW + 700 * DAY).timestamp() * 1000)
    make(standin, service, Plan())
    sync_history(service, history=history, days=2)
    assert ("success",) in rows(history, "state", task_key="")


def test_what_was_told_while_a_list_was_read_is_asked_for_again(standin: StandIn, history: History) -> None:
    """What was read ends when the list began, by the remote's clock, not when it was read to its end."""
    past(standin, "dbt_cloud", 0.5)
    sync_history("dbt_cloud", history=history, days=1)
    until = Coverage(history.root, "dbt_cloud", "1").until
    assert until is not None
    assert until <= datetime.now(timezone.utc)
    sync_history("dbt_cloud", history=history, days=1)
    entry = asked(standin)[-1]
    assert entry.query["created_at__range"].startswith(f'["{(until - timedelta(minutes=5)).isoformat()}')


def test_two_syncs_at_once_do_no_harm(standin: StandIn, history: History) -> None:
    made = past(standin, "dbt_cloud", *(number / 10 for number in range(30)), outcome="error")
    first, second = (History(str(history.root)) for _ in range(2))
    other = threading.Thread(target=sync_history, args=("dbt_cloud",), kwargs={"history": second, "days": 4})

    def meanwhile(begin: datetime, count: int) -> None:
        if other.ident is None:
            other.start()

    sync_history("dbt_cloud", history=first, on_day=meanwhile, days=4)
    other.join()
    assert len(rows(history, "run_id")) == len(made)
    asked(standin)
    sync_history("dbt_cloud", history=first, days=4)
    assert len(asked(standin)) == 1


def test_a_sync_within_a_sync_does_no_harm(standin: StandIn, history: History) -> None:
    """From a callback, which runs in an event loop."""
    make(standin, "dbt_cloud", Plan())
    done: list[int] = []

    def meanwhile(begin: datetime, count: int) -> None:
        if not done:
            done.append(1)
            sync_history("dbt_cloud", history=History(str(history.root)), days=1)

    sync_history("dbt_cloud", history=history, on_day=meanwhile, days=1)
    assert len(rows(history, "run_id")) == 1


def test_a_damaged_file_is_put_aside_and_its_day_read_again(standin: StandIn, history: History) -> None:
    made = past(standin, "dbt_cloud", 3.5, 2.5, 1.5)
    sync_history("dbt_cloud", history=history, days=5)
    bad = files(history)[1]
    bad.write_bytes(bad.read_bytes()[:-1])
    assert sync_history("dbt_cloud", history=history, days=5).runs == 1
    assert sorted(run_id for (run_id,) in rows(history, "run_id")) == sorted(made)
    assert not bad.exists()
    assert bad.with_name(f"{bad.name}.damaged").exists()


def test_what_was_read_is_read_again_where_it_is_not_told(standin: StandIn, history: History) -> None:
    past(standin, "dbt_cloud", 1.5)
    sync_history("dbt_cloud", history=history, days=2)
    (told,) = (history.root.path / "read").rglob("*.json")
    told.write_text("{")
    assert sync_history("dbt_cloud", history=history, days=2).runs == 1
    assert len(rows(history, "run_id")) == 1


def test_garbage_among_runs_is_left_out(
    standin: StandIn, history: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_provider_pipehooks.standin.dbt_cloud import answers

    make(standin, "dbt_cloud", Plan(), Plan())
    whole = answers.run_json
    monkeypatch.setattr(
        answers,
        "run_json",
        lambda run, *given, **named: {**whole(run, *given, **named), **({"id": "x"} if run.id % 2 else {})},
    )
    sync_history("dbt_cloud", history=history, days=1)
    assert len(rows(history, "run_id")) == 1
    assert "Left out: GET runs/ did not answer with a run" in caplog.text


def test_old_days_are_deleted_by_a_sync(standin: StandIn, history: History) -> None:
    past(standin, "dbt_cloud", 8, 1)
    sync_history("dbt_cloud", history=history, days=10)
    assert len(rows(history, "run_id")) == 2
    sync_history("dbt_cloud", history=history, days=10, retention_days=5)
    assert len(rows(history, "run_id")) == 1
    asked(standin)
    sync_history("dbt_cloud", history=history, days=10, retention_days=5)
    assert len(asked(standin)) == 1, "what nobody wants to keep is not read"
