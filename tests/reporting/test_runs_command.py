"""``pipehooks runs``."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.reporting.listed import safe
from airflow_provider_pipehooks.reporting.runs_command import run
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn

pytestmark = pytest.mark.usefixtures("connections")
SERVICES = ["dbt_cloud", "databricks_jobs"]
HOSTILE = "\x1b[31mred\x1b]0;title\x07 [bold]x[/]\n\u202egnp.exe\x00"


def fill(standin: StandIn, service: str, name: str = "nightly") -> list[str]:
    """A run that succeeds, one that fails, one that goes on; the oldest first."""
    world: Any = getattr(standin, service)
    several: dict[str, Any] = (
        {"one_at_a_time": False} if service == "dbt_cloud" else {"max_concurrent_runs": 100}
    )
    bad = "error" if service == "dbt_cloud" else "failed"
    plans = (Plan(), Plan(outcome=bad, message="no such table; password=hunter2"), Plan(hold=True))
    job_id = world.add_job(name, plans=plans, **several)
    return [str(world.start(job_id)) for _ in plans]


def lines(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert main(["runs", *argv]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("service", SERVICES)
def test_the_newest_runs_are_lines(
    standin: StandIn, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = fill(standin, service)
    found = [line.split() for line in lines(capsys, service)]
    assert [(words[0], words[1], words[2]) for words in found] == [
        ("running", made[2], "nightly"),
        ("error", made[1], "nightly"),
        ("success", made[0], "nightly"),
    ]
    assert "password=***" in found[1]
    assert [line.split()[1] for line in lines(capsys, service, "--limit", "1")] == made[2:]


def test_what_is_logged_is_not_among_the_lines(standin: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    fill(standin, "dbt_cloud")
    standin.faults.add(Fault(path="/runs", status=500, times=1))
    assert main(["runs", "dbt_cloud", "--json"]) == 0
    told = capsys.readouterr()
    assert [json.loads(line)["state"] for line in told.out.splitlines()] == ["running", "error", "success"]
    assert "Try 2" in told.err


@pytest.mark.parametrize("service", SERVICES)
def test_runs_are_filtered(standin: StandIn, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = fill(standin, service)
    other = fill(standin, service, "other")

    def ids(*argv: str) -> list[str]:
        return [line.split()[1] for line in lines(capsys, service, *argv)]

    assert ids("--state", "error") == [other[1], made[1]]
    assert ids("--state", "running", "--state", "success", "--job", "other") == [other[2], other[0]]
    (told,) = [json.loads(line) for line in lines(capsys, service, "--json", "--limit", "1")]
    assert str(told["run_id"]) == other[2]
    assert ids("--job", str(told["job_id"])) == other[::-1]
    assert len(ids("--since", "2h")) == 6
    assert ids("--since", "2999-01-01") == []


def test_json_is_a_line_for_each_run(standin: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    fill(standin, "dbt_cloud", HOSTILE)
    found = [json.loads(line) for line in lines(capsys, "dbt_cloud", "--json")]
    assert [each["state"] for each in found] == ["running", "error", "success"]
    assert {each["job_name"] for each in found} == {safe(HOSTILE)}
    assert found[1]["message"] == "no such table; password=***"
    assert found[1]["seconds"] is not None


def test_the_latest_updates_of_pipelines_are_runs(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    world = standin.databricks_pipelines
    first = world.start(shop := world.add_pipeline("shop", plan=Plan(outcome="failed")))
    second = world.start(world.add_pipeline("web", plan=Plan(hold=True)))
    found = [line.split()[:3] for line in lines(capsys, "databricks_pipelines")]
    assert sorted(found) == sorted([["error", first, "shop"], ["running", second, "web"]])
    for named in (shop, "shop"):
        assert [line.split()[1] for line in lines(capsys, "databricks_pipelines", "--job", named)] == [first]


def test_nothing_that_a_terminal_obeys_is_shown(standin: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    fill(standin, "databricks_jobs", HOSTILE)
    found = lines(capsys, "databricks_jobs")
    assert len(found) == 3
    assert not {"\x1b", "\x07", "\x00", "\u202e"} & set("".join(found))
    assert "red" in found[0]


def test_what_cannot_be_is_said(standin: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "dbt_cloud", "--since", "soon"]) == 1
    assert "since is 'soon'. Give 2d" in capsys.readouterr().err
    fill(standin, "databricks_jobs")
    assert main(["runs", "databricks_jobs", "--job", "nigthly"]) == 1
    assert "Near: 'nightly'" in capsys.readouterr().err
    standin.faults.add(Fault(path="/runs", status=403))
    assert main(["runs", "dbt_cloud"]) == 1
    assert "answered 403" in capsys.readouterr().err
    with pytest.raises(SystemExit) as exit_:
        main(["runs", "dbt_cloud", "--limit", "1001"])
    assert exit_.value.code == 2


def test_a_filter_that_is_ours_looks_at_a_bounded_number(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    world = standin.databricks_jobs
    job_id = world.add_job("nightly", max_concurrent_runs=2_000)
    for _ in range(1_100):
        world.start(job_id)
    assert lines(capsys, "databricks_jobs", "--state", "error", "--limit", "1") == []
    assert standin.journal.count("GET", "runs/list") == 1_000 / 25


def stop_after(looks: int, then: Callable[[int], None] = lambda number: None) -> Callable[[float], None]:
    """Ctrl-C comes after some looks."""
    number = 0

    def sleep(seconds: float) -> None:
        nonlocal number
        number += 1
        if number == looks:
            raise KeyboardInterrupt
        then(number)

    return sleep


def test_what_is_followed_is_told_when_it_changes(
    standin: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    made = fill(standin, "dbt_cloud")

    def meanwhile(number: int) -> None:
        if number == 2:
            standin.faults.add(Fault(path="/runs", status=500, times=3))
            standin.dbt_cloud.set_plan(int(made[2]), Plan())

    sleep = stop_after(5, meanwhile)
    assert run(["dbt_cloud", "--follow"], sleep=sleep) == 0
    told = capsys.readouterr()
    assert [line.split()[:2] for line in told.out.splitlines()] == [
        ["success", made[0]],
        ["error", made[1]],
        ["running", made[2]],
        ["success", made[2]],
    ]
    assert "answered 500" in told.err


def test_a_remote_that_refuses_ends_it(standin: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    standin.faults.add(Fault(path="/runs", status=403))
    assert run(["dbt_cloud", "--follow"], sleep=stop_after(5)) == 1
    assert "answered 403" in capsys.readouterr().err


# --- as processes -----------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "airflow_provider_pipehooks", "runs", "dbt_cloud"]


def test_a_pipe_that_is_closed_early_is_no_error(standin: StandIn) -> None:
    world = standin.dbt_cloud
    job_id = world.add_job("x" * 200, one_at_a_time=False)
    for _ in range(1_000):
        world.start(job_id)
    shell = f"{' '.join(COMMAND)} --limit 1000 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 1, "")


def drained(terminal: int) -> None:
    """Read until nobody writes any more."""
    with suppress(OSError):
        while os.read(terminal, 65_536):
            pass


def test_ctrl_c_in_a_terminal_leaves_no_trace(standin: StandIn) -> None:
    """A table that is drawn anew, in a real terminal, ended as people end it."""
    made = fill(standin, "dbt_cloud", HOSTILE)
    main_end, their_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    with subprocess.Popen(
        [*COMMAND, "--follow"],
        stdout=their_end,
        stdin=their_end,
        stderr=subprocess.PIPE,
        env=environment,
        # What a shell runs in the background ignores Ctrl-C, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        os.close(their_end)
        shown = b""
        while made[0].encode() not in shown:
            shown += os.read(main_end, 65_536)
        # A terminal that nobody reads fills up, and holds up whoever draws a last time.
        rest = Thread(target=drained, args=(main_end,))
        rest.start()
        process.send_signal(2)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait() == 0
    rest.join()
    os.close(main_end)
    assert "Traceback" not in said
    assert b"\x1b]0;" not in shown
    assert b"[bold]x" in shown
