"""One run for each intent, whatever happened to the tries before; without an operator and without Airflow."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.intent import Intent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.tasks.once import Once
from tests.core.anything import a_run

FIRST = Intent(
    dag_id="dag", run_id="manual", task_id="t", map_index=-1, generation=0, service="dbt_cloud", job="5"
)
STARTED = FIRST.at(100).answered(101)
LOST = FIRST.at(100)


@dataclass
class Remote:
    """A remote with some runs, as an operator asks for them; ``did`` is what was done there, in order."""

    runs: dict[int | str, Run] = field(default_factory=dict)
    can_continue: bool = False
    going_on: Run | None = None
    unanswered: Run | None = None
    did: list[str] = field(default_factory=list)

    def baseline(self) -> int:
        return 100

    def find(self, run_id: int | str) -> Run | None:
        return self.runs.get(run_id)

    def find_unanswered(self, intent: Intent) -> Run | None:
        return self.unanswered

    def to_adopt(self) -> Run | None:
        return self.going_on

    def start(self, intent: Intent) -> Run:
        self.did.append(f"start attempt {intent.attempt}")
        return a_run(RunState.QUEUED, run_id=200 + intent.attempt)

    def continue_run(self, run: Run) -> Run | None:
        self.did.append(f"continue {run.run_id}")
        return a_run(RunState.QUEUED, run_id=run.run_id, attempt=2)

    def cancel(self, run_id: int | str, why: str) -> None:
        self.did.append(f"cancel {run_id}")


@dataclass
class Store:
    """The notes of a task, and all that was ever written there."""

    key = "intent"

    intent: Intent | None = None
    written: list[Intent] = field(default_factory=list)

    def recall(self) -> Intent | None:
        return self.intent

    def remember(self, intent: Intent) -> None:
        self.intent = intent
        self.written.append(intent)


def runs_of(*runs: Run) -> dict[int | str, Run]:
    return {run.run_id: run for run in runs}


GOES_ON = a_run(run_id=101)
ENDED_BADLY = a_run(RunState.ERROR, run_id=101)
ENDED_WELL = a_run(RunState.SUCCESS, run_id=101)
CANCELLED = a_run(RunState.CANCELLED, run_id=101)

#: What an earlier try left, what the remote has -> the run that is taken, and what was done for it.
STORIES = {
    "nothing was written down": (None, Remote(), 201, ["start attempt 1"]),
    "its run goes on": (STARTED, Remote(runs_of(GOES_ON)), 101, []),
    "its run has succeeded": (STARTED, Remote(runs_of(ENDED_WELL)), 101, []),
    "its run failed": (STARTED, Remote(runs_of(ENDED_BADLY)), 202, ["start attempt 2"]),
    "its run is gone": (STARTED, Remote(), 202, ["start attempt 2"]),
    "its run failed and is continued": (
        STARTED,
        Remote(runs_of(ENDED_BADLY), can_continue=True),
        101,
        ["continue 101"],
    ),
    "its run was cancelled, so it is not continued": (
        STARTED,
        Remote(runs_of(CANCELLED), can_continue=True),
        202,
        ["start attempt 2"],
    ),
    "the answer was lost, and the run is there": (LOST, Remote(unanswered=GOES_ON), 101, []),
    "the answer was lost, and no run is there": (LOST, Remote(), 201, ["start attempt 1"]),
    "cleared while it went on": (
        replace(STARTED, generation=-1),
        Remote(runs_of(GOES_ON)),
        201,
        ["cancel 101", "start attempt 1"],
    ),
    "cleared while a run of somebody else's went on": (
        replace(STARTED, generation=-1, adopted=True),
        Remote(runs_of(GOES_ON)),
        201,
        ["start attempt 1"],
    ),
    "cleared after its end": (
        replace(STARTED, generation=-1),
        Remote(runs_of(ENDED_WELL)),
        201,
        ["start attempt 1"],
    ),
    "its run goes on, but is of another job": (
        replace(STARTED, service="dbt_cloud", job="1"),
        Remote(runs_of(GOES_ON)),
        202,
        ["cancel 101", "start attempt 2"],
    ),
    "its run is of another service, where nobody looks": (
        replace(STARTED, service="databricks_jobs"),
        Remote(runs_of(GOES_ON)),
        202,
        ["start attempt 2"],
    ),
    "a run of somebody else's is taken": (None, Remote(going_on=a_run(run_id=7)), 7, []),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_try_finds_or_starts_its_run(story: str) -> None:
    left, remote, run_id, did = STORIES[story]
    remote, store = replace(remote, did=[]), Store(left)
    once = Once(remote, store, FIRST)
    assert once.run().run_id == run_id
    assert remote.did == did
    assert store.intent is not None
    assert store.intent.remote_run_id == run_id
    assert store.intent == once.intent


@pytest.mark.parametrize("story", STORIES)
def test_a_second_try_after_a_crash_starts_nothing_more(story: str) -> None:
    left, remote, run_id, _ = STORIES[story]
    remote, store = replace(remote, did=[]), Store(left)
    Once(remote, store, FIRST).run()
    remote.did.clear()
    remote.runs = runs_of(a_run(run_id=run_id))
    assert Once(remote, store, FIRST).run().run_id == run_id
    assert remote.did == []


def test_an_intent_is_written_down_before_the_start_and_its_run_after() -> None:
    store = Store()

    class Watching(Remote):
        def start(self, intent: Intent) -> Run:
            assert store.written == [FIRST.at(100)]
            return super().start(intent)

    Once(Watching(), store, FIRST).run()
    assert store.written == [FIRST.at(100), FIRST.at(100).answered(201)]


def test_what_is_written_down_already_is_not_written_again() -> None:
    store = Store(STARTED)
    Once(Remote(runs_of(GOES_ON)), store, FIRST).run()
    assert store.written == []


def test_a_run_of_somebody_elses_is_known_as_such_in_every_process() -> None:
    store = Store()
    once = Once(Remote(going_on=GOES_ON), store, FIRST)
    assert not once.adopted
    once.run()
    resumed = Once(Remote(), store, FIRST)
    resumed.resume()
    assert (once.adopted, resumed.adopted) == (True, True)


def test_a_kill_while_starting_finds_the_run_by_its_mark() -> None:
    once = Once(Remote(unanswered=GOES_ON), Store(), FIRST)
    assert once.find_pending() is None, "nothing is written down"
    once.intent = LOST
    assert once.find_pending() == 101
    once.intent = STARTED
    assert once.find_pending() == 101
    once.starts = Remote()
    once.intent = LOST
    assert once.find_pending() is None


def test_a_kill_that_cannot_reach_the_remote_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Away(Remote):
        def find_unanswered(self, intent: Intent) -> Run | None:
            raise RemoteCallError("no answer", retryable=True)

    once = Once(Away(), Store(), FIRST)
    once.intent = LOST
    with caplog.at_level(logging.ERROR):
        assert once.find_pending() is None
    assert "could not look whether a run was started: no answer" in caplog.text
