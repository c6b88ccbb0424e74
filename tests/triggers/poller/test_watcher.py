"""One poller for all waits: few requests, every run reported once, nothing left behind."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given

from airflow_provider_pipehooks.core.errors import AccessDenied, ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.events import StateChanged, StillWaiting, WaitEnded
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.hooks.registry import calls_of
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.services.base import Request, Service
from airflow_provider_pipehooks.triggers.poller import watcher as run_watcher
from airflow_provider_pipehooks.triggers.poller.paced_log import Trickle
from airflow_provider_pipehooks.triggers.poller.watcher import RunWatcher, watcher_of
from tests import virtual_time
from tests.core.anything import a_run, bounded
from tests.core.observations import observations, walk, watches
from tests.triggers.worlds import DatabricksWorld, DbtWorld, World

WORLDS: dict[str, type[World]] = {"dbt_cloud": DbtWorld, "databricks_jobs": DatabricksWorld}
HOOKS: dict[str, type[RemoteHook]] = {"dbt_cloud": DbtCloudHook, "databricks_jobs": DatabricksHook}
Clock = Callable[[], float]


def nobody(_: Any) -> None:
    """Hears the events of a wait, and does nothing."""


class Waiting:
    """A watcher on a world, and the waits in it."""

    def __init__(self, name: str, clock: Clock, **world: Any) -> None:
        self.name, self.clock = name, clock
        self.world = WORLDS[name](clock, rates=HOOKS[name].rates(), **world)
        self.watcher = RunWatcher(name, cast("RemoteHook", self.world), clock=clock, steady=clock)

    def run(self, run_id: int, lasts_s: float, *, ago_s: float = 0.0) -> int:
        self.world.runs[run_id] = (self.clock() - ago_s, self.clock() + lasts_s)
        return run_id

    async def wait(
        self,
        run_id: int | str,
        *,
        poll: float = 5.0,
        deadline: float | None = None,
        tell: Any = nobody,
        **options: Any,
    ) -> WaitEnded:
        watch = Watch(
            poll_interval_s=poll,
            since_s=self.clock(),
            deadline_s=None if deadline is None else self.clock() + deadline,
        )
        return await self.watcher.wait(calls_of(self.name, options), run_id, watch, tell)

    async def all(self, waits: list[Any]) -> list[Any]:
        return await asyncio.gather(*waits)


@pytest.fixture(params=WORLDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_thousand_waits_take_few_requests_and_hear_of_the_end_soon(name: str) -> None:
    """The official triggers need 5,594 and 10,343 for this; the budget is a 40th and a 10th."""
    late: list[float] = []

    async def work(clock: Clock) -> int:
        here = Waiting(name, clock)

        async def one(number: int) -> None:
            await asyncio.sleep(number / 1000)
            end = await here.wait(here.run(number, 40 + (number * 7 % 1000) / 50))
            late.append(clock() - here.world.runs[number][1])
            assert end.reason == "run_ended"

        await here.all([one(number) for number in range(1, 1001)])
        return len(here.world.journal)

    requests = virtual_time.run(work)
    assert requests <= {"dbt_cloud": 5594 / 40, "databricks_jobs": 10343 / 10}[name]
    assert sorted(late)[500] <= 2.6
    assert max(late) < 8


def test_a_service_that_keeps_finer_times_than_it_shows_takes_no_more_requests() -> None:
    """Runs of the last millisecond of a window are left out there: each would be read alone, late."""

    async def work(clock: Clock, *, finer: bool) -> tuple[int, list[float]]:
        here, late = Waiting("databricks_jobs", clock, finer=finer), list[float]()

        async def one(number: int) -> None:
            await asyncio.sleep(number / 1000)
            await here.wait(here.run(number, 40 + (number * 7 % 1000) / 50))
            late.append(clock() - here.world.runs[number][1])

        await here.all([one(number) for number in range(1, 1001)])
        return len(here.world.journal), sorted(late)

    shown, late_shown = virtual_time.run(partial(work, finer=False))
    finer, late_finer = virtual_time.run(partial(work, finer=True))
    assert finer <= shown * 1.1
    assert late_finer[500] <= late_shown[500] * 1.1
    assert late_finer[-1] < 8


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0], ids=["back an hour", "an hour ahead"])
def test_a_clock_that_is_set_changes_when_nothing_is_looked_at(name: str, jump_s: float) -> None:
    """An hour back, no look was taken for an hour: what is due went by the clock on the wall."""

    async def work(clock: Clock) -> list[float]:
        jumped = [0.0]
        here = Waiting(name, clock)
        here.watcher = RunWatcher(
            name, cast("RemoteHook", here.world), clock=lambda: clock() + jumped[0], steady=clock
        )
        late: list[float] = []

        async def one(number: int) -> None:
            end = await here.wait(here.run(number, 30 + number % 20))
            assert end.reason == "run_ended"
            late.append(clock() - here.world.runs[number][1])

        async def jump() -> None:
            await asyncio.sleep(20)
            jumped[0] = jump_s

        await here.all([*(one(number) for number in range(1, 51)), jump()])
        return late

    assert max(virtual_time.run(work)) < 8


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_run_is_reported_once_while_requests_fail_and_waits_come_and_go(name: str, count: int) -> None:
    reported: Counter[int] = Counter()
    left: set[int] = set()

    async def work(clock: Clock) -> None:
        here = Waiting(name, clock, faults=0.05)

        async def one(number: int) -> None:
            await asyncio.sleep(number % 97)
            waiting = asyncio.ensure_future(here.wait(here.run(number, 20 + number % 131)))
            if number % 10 == 0:
                await asyncio.sleep(number % 15)
                waiting.cancel()
                left.add(number)
                return
            end = await waiting
            assert end.reason == "run_ended"
            assert clock() >= here.world.runs[number][1]
            reported[number] += 1

        await here.all([one(number) for number in range(1, count + 1)])

    virtual_time.run(work)
    assert set(reported) == set(range(1, count + 1)) - left
    assert set(reported.values()) == {1}


def test_a_run_that_a_batch_does_not_tell_is_asked_for_alone_before_it_is_doubted(name: str) -> None:
    async def work(clock: Clock) -> list[str]:
        here = Waiting(name, clock)
        for number in (1, 2, 3):
            here.run(number, 8)
        hide = here.world.answer
        batch = ("runs/", "runs/list")

        def without_two(request: Request) -> dict[str, Any]:
            body = hide(request)
            if request.path.endswith(batch):
                for key in ("data", "runs"):
                    body[key] = [r for r in body.get(key, []) if 2 not in (r.get("id"), r.get("run_id"))]
            return body

        here.world.answer = without_two  # type: ignore[method-assign]
        return [end.reason for end in await here.all([here.wait(number) for number in (1, 2, 3)])]

    assert virtual_time.run(work) == ["run_ended"] * 3


def test_a_wait_hears_of_its_run_before_the_last_page_of_its_batch_has_come() -> None:
    heard_s: list[float] = []

    async def work(clock: Clock) -> None:
        here, begin_s = Waiting("databricks_jobs", clock), clock()

        def tell(event: Any) -> None:
            heard_s.append(clock() - begin_s)

        runs = [here.run(number, 100, ago_s=2000 - number) for number in range(1, 1001)]
        await here.all([here.wait(run_id, tell=tell) for run_id in runs])

    virtual_time.run(work)
    first_looks_s = sorted(heard_s)[:1000]
    assert first_looks_s[0] < 1.5  # of which one second is for gathering
    assert 4 < first_looks_s[-1] < 10


def test_a_new_wait_joins_the_next_round_instead_of_starting_its_own() -> None:
    async def work(clock: Clock) -> int:
        here = Waiting("dbt_cloud", clock)

        async def one(number: int) -> None:
            await asyncio.sleep(number / 50)  # a new one 50 times a second, for two seconds
            await here.wait(here.run(number, 30))

        await here.all([one(number) for number in range(1, 101)])
        return len(here.world.journal)

    assert virtual_time.run(work) <= 25


def test_a_single_new_wait_beside_known_ones_is_read_at_once(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(clock: Clock) -> list[WaitEnded]:
        here = Waiting(name, clock)

        async def late() -> WaitEnded:
            await asyncio.sleep(10)
            return await here.wait(here.run(9, 10))

        return await here.all([late(), *(here.wait(here.run(number, 30)) for number in (1, 2, 3))])

    assert [end.reason for end in virtual_time.run(work)] == ["run_ended"] * 4
    assert not caplog.records


def test_two_waits_for_the_same_run_are_both_told() -> None:
    async def work(clock: Clock) -> list[WaitEnded]:
        here = Waiting("dbt_cloud", clock)
        here.run(1, 8), here.run(2, 8)
        return await here.all([here.wait(1), here.wait("1"), here.wait(2)])

    assert [end.reason for end in virtual_time.run(work)] == ["run_ended"] * 3


def test_a_task_of_a_databricks_run_is_looked_at_alone() -> None:
    async def work(clock: Clock) -> set[str]:
        here = Waiting("databricks_jobs", clock)
        waits = [here.wait(here.run(number, 8), task_key="load", deadline=20) for number in (1, 2, 3)]
        await here.all(waits)
        return {request.path for request in here.world.journal}

    assert virtual_time.run(work) == {"/api/2.2/jobs/runs/get"}


class SlowLog:
    """As the socket of a triggerer's log: it holds some lines, and a few of them are read each moment."""

    HOLDS, READ_PER_S = 200, 150

    def __init__(self, clock: Clock) -> None:
        self.clock, self.begin_s = clock, clock()
        self.lines: list[float] = []
        self.blocked = 0

    def unread(self) -> int:
        now_s = self.clock()
        unread, last_s = 0.0, self.begin_s
        for at_s in [*self.lines, now_s]:
            unread, last_s = max(0.0, unread - self.READ_PER_S * (at_s - last_s)) + 1, at_s
        return int(unread)

    def has_room(self) -> bool:
        return self.unread() < self.HOLDS / 4

    def write(self, _: Any) -> None:
        self.blocked += self.unread() > self.HOLDS
        self.lines.append(self.clock())


def test_a_thousand_waits_in_trouble_do_not_flood_the_log(name: str) -> None:
    async def work(clock: Clock) -> tuple[SlowLog, list[WaitEnded]]:
        here, slow = Waiting(name, clock), SlowLog(clock)
        here.watcher._trickle = Trickle(slow.has_room)
        here.world.faults = 1.0
        runs = [here.run(number, 15) for number in range(1, 1001)]
        waits = [asyncio.ensure_future(here.wait(run_id, tell=slow.write)) for run_id in runs]
        await asyncio.sleep(4)
        here.world.faults = 0.0
        return slow, await asyncio.gather(*waits)

    slow, ends = virtual_time.run(work)
    assert {end.reason for end in ends} == {"run_ended"}
    assert len(slow.lines) >= 2000
    assert not slow.blocked


def test_what_a_wait_had_to_tell_is_told_before_it_is_over(name: str) -> None:
    async def work(clock: Clock) -> list[str]:
        here, told = Waiting(name, clock), list[str]()
        await here.wait(here.run(1, 10), tell=lambda event: told.append(type(event).__name__))
        return told

    assert virtual_time.run(work) == ["StateChanged", "StateChanged"]


def test_a_crash_while_it_is_told_costs_nobody_else(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work(clock: Clock) -> list[WaitEnded]:
        here = Waiting(name, clock)

        def crash(_: Any) -> None:
            raise RuntimeError("no log")

        return await here.all([here.wait(here.run(1, 10), tell=crash), here.wait(here.run(2, 10))])

    assert [end.reason for end in virtual_time.run(work)] == ["run_ended"] * 2
    assert {record.getMessage() for record in caplog.records} == {"What a wait had to tell was lost"}


def test_events_are_told_in_the_context_of_their_wait() -> None:
    """Airflow finds a task's log by the context of its trigger."""
    from contextvars import ContextVar

    whose: ContextVar[int] = ContextVar("whose")
    told: dict[int, list[str]] = {1: [], 2: []}

    def tell(event: Any) -> None:
        if isinstance(event, StateChanged):
            told[whose.get()].append(f"{event.new.run_id} {event.new.status}")

    async def work(clock: Clock) -> None:
        here = Waiting("dbt_cloud", clock)

        async def one(number: int) -> None:
            whose.set(number)
            await here.wait(here.run(number, 8), tell=tell)

        await here.all([one(1), one(2)])

    virtual_time.run(work)
    assert told == {1: ["1 Running", "1 Success"], 2: ["2 Running", "2 Success"]}


def test_a_look_that_crashes_is_logged_and_the_next_round_runs(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(clock: Clock) -> list[str]:
        here = Waiting(name, clock)

        def crash(request: Request) -> None:
            if len(here.world.journal) < 4:
                raise ZeroDivisionError("bug")

        here.world.before = crash
        return [end.reason for end in await here.all([here.wait(here.run(n, 20)) for n in (1, 2, 3)])]

    assert virtual_time.run(work) == ["run_ended"] * 3
    assert "crashed; they are looked at again" in caplog.text
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


def test_a_round_that_crashes_is_logged_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(clock: Clock) -> list[str]:
        here = Waiting("dbt_cloud", clock)
        real = here.watcher._sharing.split
        calls: list[int] = []

        def once(*due: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise ZeroDivisionError("bug")
            return real(*due)

        monkeypatch.setattr(here.watcher._sharing, "split", once)
        return [end.reason for end in await here.all([here.wait(here.run(1, 8))])]

    assert virtual_time.run(work) == ["run_ended"]
    assert "A round of looks at dbt_cloud failed; the next one runs" in caplog.text


def test_rounds_that_end_for_good_tell_every_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody would look any more: without a word, each wait would hang until its deadline, or for ever."""

    async def work(clock: Clock) -> list[WaitEnded]:
        here = Waiting("dbt_cloud", clock)

        def crash() -> float:
            raise ZeroDivisionError("bug")

        monkeypatch.setattr(here.watcher, "_gap_s", crash)
        return await here.all([here.wait(here.run(n, 20)) for n in (1, 2)])

    ends = virtual_time.run(work)
    assert [end.reason for end in ends] == ["refused"] * 2
    assert all("stopped looking at the run" in str(end.message) for end in ends)
    assert "The rounds of looks at dbt_cloud have ended; all its waits are told" in caplog.text


@pytest.mark.parametrize("poll", [0.0, -5.0, 1e-9])
def test_an_interval_of_nothing_leaves_the_event_loop_to_others(poll: float) -> None:
    async def work(clock: Clock) -> tuple[str, int]:
        here = Waiting("dbt_cloud", clock)
        end = await here.wait(here.run(1, 20), poll=poll)
        return end.reason, len(here.world.journal)

    reason, requests = virtual_time.run(work)
    assert reason == "run_ended"
    assert requests < 500


def test_a_crash_in_every_look_still_lets_the_deadline_end_the_wait(name: str) -> None:
    async def work(clock: Clock) -> list[str]:
        here = Waiting(name, clock)

        def crash(request: Request) -> None:
            raise ZeroDivisionError("bug")

        here.world.before = crash
        ends = await here.all([here.wait(here.run(number, 99), deadline=60) for number in (1, 2)])
        return [end.reason for end in ends]

    assert virtual_time.run(work) == ["deadline", "deadline"]


def test_a_refused_token_is_read_again_once_for_all_waits(name: str) -> None:
    async def work(clock: Clock) -> tuple[list[str], int]:
        here = Waiting(name, clock)

        def refuse(request: Request) -> None:
            if not here.world.reread:
                raise AccessDenied("answered 401", status_code=401)

        here.world.before = refuse
        ends = await here.all([here.wait(here.run(number, 30)) for number in range(1, 301)])
        return [end.reason for end in ends], here.world.reread

    reasons, reread = virtual_time.run(work)
    assert set(reasons) == {"run_ended"}
    assert reread == 1


def test_a_token_that_stays_refused_ends_every_wait(name: str) -> None:
    async def work(clock: Clock) -> set[str]:
        here = Waiting(name, clock)

        def refuse(request: Request) -> None:
            raise AccessDenied("answered 401", status_code=401)

        here.world.before = refuse
        return {end.reason for end in await here.all([here.wait(here.run(n, 30)) for n in range(1, 31)])}

    assert virtual_time.run(work) == {"access_denied"}


def test_wrong_settings_end_every_wait_with_their_reason(name: str) -> None:
    async def work(clock: Clock) -> list[WaitEnded]:
        here = Waiting(name, clock)

        def refuse(request: Request) -> None:
            raise ConfigurationError("Connection 'c' has no token.")

        here.world.before = refuse
        return await here.all([here.wait(here.run(n, 30)) for n in (1, 2)])

    ends = virtual_time.run(work)
    assert {(end.reason, end.message) for end in ends} == {("refused", "Connection 'c' has no token.")}


def test_a_retry_after_is_heeded_by_all_waits_of_the_batch() -> None:
    async def work(clock: Clock) -> list[float]:
        here, asked = Waiting("dbt_cloud", clock), list[float]()

        def refuse(request: Request) -> None:
            asked.append(clock())
            if len(asked) == 1:
                raise RemoteCallError("429", status_code=429, retryable=True, retry_after_s=40.0)

        here.world.before = refuse
        await here.all([here.wait(here.run(n, 10)) for n in range(1, 51)])
        return asked

    asked = virtual_time.run(work)
    assert asked[1] - asked[0] >= 40


def test_where_batches_tell_nothing_the_runs_are_read_one_by_one(name: str) -> None:
    """A remote, or something before it, that does not heed the filters of a list."""

    async def work(clock: Clock) -> Counter[bool]:
        here = Waiting(name, clock)
        answer = here.world.answer

        def unfiltered(request: Request) -> dict[str, Any]:
            return answer(request) if alone(request) else {"data": [], "runs": []}

        here.world.answer = unfiltered  # type: ignore[method-assign]
        await here.all([here.wait(here.run(number, 300)) for number in range(1, 51)])
        return Counter(alone(request) for request in here.world.journal)

    def alone(request: Request) -> bool:
        return request.path.endswith("/get") or ("pk__in" not in request.params and name == "dbt_cloud")

    asked = virtual_time.run(work)
    assert asked[False] < asked[True] / 20


# --- one watcher for all, and nothing left behind ---------------------------------------------------------


@pytest.mark.usefixtures("connections")
def test_waits_on_one_connection_share_a_watcher_and_the_last_one_ends_it(standin: Any) -> None:
    other = {"timeout_seconds": 3}

    async def work() -> tuple[Any, ...]:
        def wait_on(watcher: RunWatcher) -> Any:
            run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("j"))
            watch = Watch(poll_interval_s=0.01, since_s=0.0)
            return watcher.wait(calls_of("dbt_cloud"), run_id, watch, nobody)

        one = await watcher_of("dbt_cloud", "dbt_cloud_default")
        same = await watcher_of("dbt_cloud", "dbt_cloud_default")
        different = await watcher_of("dbt_cloud", "dbt_cloud_default", hook_params=other)
        assert one is same
        assert one is not different
        waits = asyncio.gather(wait_on(one), wait_on(one), wait_on(different))
        await asyncio.sleep(0)
        session: Any = None
        while session is None:
            await asyncio.sleep(0)
            session = one.hook._async_sender and one.hook._async_sender._session
        await waits
        watchers = run_watcher._WATCHERS[asyncio.get_running_loop()]
        return len(watchers), len(asyncio.all_tasks()), session.closed

    assert asyncio.run(work()) == (0, 1, True)


def test_a_watcher_whose_last_wait_has_ended_begins_again_with_the_next(name: str) -> None:
    async def work(clock: Clock) -> list[str]:
        here = Waiting(name, clock)
        return [(await here.wait(here.run(number, 10))).reason for number in (1, 2)]

    assert virtual_time.run(work) == ["run_ended", "run_ended"]


def test_a_cancel_keeps_its_connections_though_the_last_other_wait_ends(name: str) -> None:
    async def work(clock: Clock) -> tuple[int, str]:
        here = Waiting(name, clock)
        waiting = asyncio.ensure_future(here.wait(here.run(1, 300)))
        await asyncio.sleep(10)

        def end_the_other(request: Request) -> None:
            if request.method == "POST":
                waiting.cancel()
                here.world.runs[2] = (clock() - 10, clock())

        here.run(2, 300)
        here.world.before = end_the_other
        end = await here.watcher.cancel(calls_of(name), 2, nobody)
        return here.world.closed, end.reason

    assert virtual_time.run(work) == (1, "run_ended")


def test_a_wait_that_is_cancelled_again_and_again_still_closes_what_is_open(name: str) -> None:
    async def work(clock: Clock) -> int:
        here = Waiting(name, clock)
        here.world.aclose = slow_close = SlowClose()  # type: ignore[method-assign]
        task = asyncio.ensure_future(here.wait(here.run(1, 300)))
        await asyncio.sleep(10)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        assert task.cancelled()
        return slow_close.done

    assert virtual_time.run(work) == 1


class SlowClose:
    """What closes connections, in more than one step of the event loop."""

    done = 0

    async def __call__(self) -> None:
        await asyncio.sleep(0.01)
        self.done += 1


# --- the same wait as in a worker -------------------------------------------------------------------------


class Scripted:
    """A hook and a service in one: each look gives the next observation, at last that the run has ended."""

    name, runs_a_page = "scripted", 1

    def key_of(self, run_id: int | str) -> None: ...

    def __init__(self, observed: list[Any]) -> None:
        self._script = iter([*observed, a_run(RunState.SUCCESS)])

    def get_run(self, run_id: int | str) -> Any:
        return next(self._script)

    async def acall(self, seen: Any, *, tries: int) -> Any:
        if isinstance(seen, Exception):
            raise seen
        return seen

    async def areread(self) -> None: ...

    async def aclose(self) -> None: ...


@bounded
@given(watches, observations)
def test_a_wait_in_the_triggerer_ends_as_the_same_wait_in_a_worker(watch: Watch, observed: list[Any]) -> None:
    async def work(clock: Clock) -> tuple[WaitEnded, list[Any]]:
        here, events = Scripted(observed), list[Any]()
        watcher = RunWatcher("dbt_cloud", cast("RemoteHook", here), clock=clock, steady=clock)
        begun = replace(watch, since_s=clock(), deadline_s=None)
        end = await watcher.wait(cast("Service", here), 42, begun, events.append)
        return end, [event for event in events if not isinstance(event, StillWaiting)]

    end, events = virtual_time.run(work)
    steps = [
        look.step for look in walk(replace(watch, deadline_s=None), [*observed, a_run(RunState.SUCCESS)])
    ]
    wanted = [event for step in steps for event in step.events if not isinstance(event, StillWaiting)]
    assert end.reason == steps[-1].end.reason  # type: ignore[union-attr]
    assert [type(event) for event in events] == [type(event) for event in wanted]
    assert end.run == steps[-1].end.run  # type: ignore[union-attr]
