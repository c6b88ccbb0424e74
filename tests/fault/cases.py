"""The cases of the fault lane, as data: what is armed before, and what is done while tasks wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_pipehooks.standin import Fault

#: A start of either service, told apart by its intent.
START = r"/jobs/(\d+/run/|run-now)|/updates$"
EACH_START = r'pipehooks:(\w+)|"idempotency_token": ?"(\w+)"'
#: A look at one run of either service, told apart by the run.
LOOK = r"/runs/\d+/$|/runs/\d+/\?|/runs/get\?|/updates/[0-9a-f-]{36}"
EACH_RUN = r"/runs/(\d+)/|run_id=(\d+)|/updates/([0-9a-f-]{36})"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way things go wrong, tried many times.

    :param faults: armed before the DAG runs start.
    :param kill_at: the point at which the first try of each task dies.
    :param meanwhile: a method of the lane, called once all tasks have a remote run and wait for it.
    :param outcome: of the first remote run of each task; the later ones succeed.
    :param remote: how the remote runs of each task end, in the order of their start.
    :param state: of each task in the end; None where the task may be gone or any.
    """

    name: str
    faults: Sequence[Fault] = ()
    kill_at: str | None = None
    meanwhile: str | None = None
    dag_id: str = "fault_lane"
    outcome: str = "success"
    remote: tuple[str, ...] = ("success",)
    state: str | None = "success"


def at_start(**what: object) -> tuple[Fault, ...]:
    """The first start of each intent goes wrong."""
    return (Fault(path=START, method="POST", times=1, each=EACH_START, **what),)  # type: ignore[arg-type]


def at_looks(times: int | None, **what: object) -> tuple[Fault, ...]:
    """The first looks at each run go wrong."""
    return (Fault(path=LOOK, method="GET", times=times, each=EACH_RUN, **what),)  # type: ignore[arg-type]


NO_FAULT = "no fault"
FAULTS: tuple[Case, ...] = (
    Case(name=NO_FAULT),
    Case(name="reply lost after accept", faults=at_start(reset="after")),
    Case(name="503 after accept", faults=at_start(status=503, after_accept=True)),
    Case(name="504 after accept", faults=at_start(status=504, after_accept=True)),
    Case(name="reset before accept", faults=at_start(reset="before")),
    Case(name="garbage reply to the start", faults=at_start(body="garbage")),
    Case(name="SIGKILL, intent written", kill_at="intent_written"),
    Case(name="SIGKILL, POST sent", kill_at="post_sent"),
    Case(name="SIGKILL, reply received", kill_at="reply_received"),
    Case(name="SIGKILL, id stored", kill_at="id_stored"),
    Case(name="SIGKILL, waiting or resuming", kill_at="waiting"),
    Case(name="triggerer killed, another starts", meanwhile="replace_triggerer"),
    Case(name="trigger moved between triggerers", meanwhile="move_triggers"),
    Case(name="API server restarted", meanwhile="restart_api_server"),
    Case(name="404 for the first three looks", faults=at_looks(3, status=404)),
    Case(name="60 s of 429 with Retry-After", meanwhile="too_many_requests"),
    Case(name="30 s outage", meanwhile="outage"),
    Case(name="truncated JSON", faults=at_looks(3, body="truncated")),
    Case(name="HTML body", faults=at_looks(3, body="html")),
    Case(name="empty 200", faults=at_looks(3, body="empty")),
    Case(name="token rotated while waiting", meanwhile="rotate_tokens"),
    Case(name="triggerer's clock back an hour", meanwhile="set_the_clock_back"),
)


def cancelled(name: str, meanwhile: str, *, dag_id: str = "fault_lane", state: str | None = None) -> Case:
    """An exit: the remote run has to be cancelled, and seen cancelled."""
    return Case(name=name, meanwhile=meanwhile, dag_id=dag_id, remote=("cancelled",), state=state)


EXITS: tuple[Case, ...] = (
    cancelled("marked failed", "mark_failed", state="failed"),
    cancelled("marked success", "mark_success", state="success"),
    cancelled("DAG run deleted", "delete_dag_runs"),
    cancelled("execution_timeout", "await_the_end", dag_id="execution_timeout", state="failed"),
    cancelled("DAG run timeout", "await_the_end", dag_id="dagrun_timeout"),
    cancelled("fail_fast", "fail_one", dag_id="fail_fast"),
)
#: Airflow ends a try that no person has ended: its run is not cancelled, and the next try joins it.
CUT_OFF: tuple[Case, ...] = (
    Case(name="task processes get SIGTERM", meanwhile="terminate_tasks"),
    Case(name="worker frozen until the next try runs", meanwhile="freeze_workers"),
    Case(name="API server away for 90 s", meanwhile="take_the_api_server_away", dag_id="patient"),
)
RERUNS: tuple[Case, ...] = (
    Case(name="cleared while waiting", meanwhile="clear", remote=("cancelled", "success")),
    Case(name="DAG run made anew under its id", meanwhile="make_anew", remote=("success", "success")),
    Case(name="cleared after success", meanwhile="finish_and_clear", remote=("success", "success")),
    Case(name="retry after failure", outcome="error", remote=("error", "success")),
    Case(name="retry after a crash", kill_at="waiting", remote=("success",)),
)
CASES = (*FAULTS, *EXITS, *CUT_OFF, *RERUNS)
#: Where a process dies with an event in hand; a pipeline's tasks only.
TOLD = Case(name="SIGKILL, event told", kill_at="event_told")
#: What cannot be for a pipeline: the failing task of this DAG is one of dbt Cloud.
PIPELINE_CASES = (*(case for case in CASES if case.dag_id != "fail_fast"), TOLD)
