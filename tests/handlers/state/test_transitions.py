"""One transition, and one try, without Airflow; and what ``handlers.testing`` shows of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.handlers.dispatch import Hook
from airflow_provider_pipehooks.handlers.state.given import hooks_of
from airflow_provider_pipehooks.handlers.state.states import (
    Failed,
    Pending,
    Retrying,
    Running,
    State,
    Success,
)
from airflow_provider_pipehooks.handlers.state.transitions import Handlers, OnHandlerError
from airflow_provider_pipehooks.handlers.state_handlers import signals
from airflow_provider_pipehooks.handlers.testing import run_task
from benchmarks import hook_call


def fails() -> None:
    raise ValueError("boom")


def raising(error: BaseException) -> Callable[..., Any]:
    def handler(task: Any, old: State, new: State) -> None:
        raise error

    return handler


class Note:
    """Keeps (old, new)."""

    def __init__(self, answer: Any = None) -> None:
        self.told: list[tuple[State, State]] = []
        self.answer = answer

    def __call__(self, task: Any, old: State, new: State) -> Any:
        self.told.append((old, new))
        return self.answer


def test_the_next_handler_gets_the_returned_state_and_the_same_old_one() -> None:
    old, new, other = Pending(context={"k": 1}), Running(), Success("other")
    first, second = Note(other), Note()
    decision = Handlers(hooks_of([first, second])).decide("t", old, new)
    assert first.told == [(old, new)]
    ((seen_old, seen_new),) = second.told
    assert seen_old is old
    assert (repr(seen_new), repr(decision.state)) == (repr(other), repr(other))
    assert decision.state.context == {"k": 1}


def test_a_raised_signal_replaces_the_state_and_the_rest_is_not_called() -> None:
    signal, last = signals.SKIP("no need"), Note()
    decision = Handlers(hooks_of([raising(signal), last])).decide("t", Pending(), Running())
    assert (type(decision.state), decision.state.result) == (type(signal.state), signal)
    assert last.told == []


def test_a_raising_handler_is_recorded_and_the_rest_is_not_called() -> None:
    recorded: list[HookProgress] = []
    error, last = ValueError("x"), Note()
    handlers = Handlers(hooks_of([raising(error), last]), record=recorded.append)
    decision = handlers.decide("t", Pending(), Running())
    assert decision.state.message == "Unexpected error while calling state handlers: ValueError('x')"
    assert decision.state.result is error
    assert (last.told, [progress.error for progress in recorded]) == ([], [error])


class Unanswerable:
    """As a data frame: whether it is true cannot be said."""

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


def test_a_returned_thing_that_is_neither_true_nor_false_is_a_handlers_failure() -> None:
    decision = Handlers(hooks_of([Note(Unanswerable())])).decide("t", Pending(), Running())
    assert "ambiguous" in str(decision.state)


def test_one_state_object_may_be_returned_again_and_again() -> None:
    again = Retrying("again")
    counts: list[int | None] = []

    def handler(task: Any, old: State, new: State) -> Any:
        if isinstance(old, Retrying):
            counts.append(old.run_count)
        return again if new.is_failed() and len(counts) < 2 else None

    run_task(fails, state_handlers=[handler], context={"run": 1})
    run_task(fails, state_handlers=[handler], context={"run": 2})
    assert (counts, again.run_count, again.context) == ([1, 2], None, None)


def test_a_raising_handler_that_is_only_logged_lets_the_next_decide(caplog: pytest.LogCaptureFixture) -> None:
    handlers = Handlers(hooks_of([raising(ValueError("x")), Note(Success())]), on_handler_error="log")
    assert handlers.decide("t", Pending(), Running()).state.is_successful()
    assert "ValueError('x')" in caplog.text


def test_what_is_no_exception_leaves_the_task() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_task(fails, state_handlers=[raising(KeyboardInterrupt())])


def test_observing_tells_all_and_decides_nothing() -> None:
    last = Note(Failed())
    Handlers(hooks_of([raising(ValueError("x")), raising(signals.FAIL("y")), last])).tell(
        "t", Pending(), Running()
    )
    assert len(last.told) == 1


def test_a_word_that_means_nothing_is_refused() -> None:
    wrong: Any = "ignore"
    with pytest.raises(ValueError, match="'ignore'"):
        Handlers([Hook(fails)], on_handler_error=wrong)


def test_a_hundred_thousand_transitions_are_told_in_order_and_leave_nothing() -> None:
    in_order, left_bytes = hook_call.many_transitions()
    assert in_order
    assert left_bytes <= hook_call.BUDGET_LEFT_BYTES


# --- handlers.testing ---------------------------------------------------------------------------------------

FAILED_ONCE = ["Pending -> Running", "Running -> Failed", "Failed -> Retrying", "Retrying -> Running"]


def test_a_handler_is_tested_without_airflow() -> None:
    looks = (
        "import sys; from airflow_provider_pipehooks.handlers import state_handlers, testing;"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", looks], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_task_with_retries_is_told_as_prefect_tells_it() -> None:
    run = run_task(fails, retries=1)
    assert run.told == [*FAILED_ONCE, "Running -> Failed"]
    assert (run.bodies, run.state.is_failed()) == (2, True)


def test_a_handler_decides() -> None:
    run = run_task(
        fails, state_handlers=[lambda task, old, new: Success("fine", 1) if new.is_failed() else None]
    )
    assert (run.state.result, run.bodies) == (1, 1)


def test_the_context_is_in_both_states() -> None:
    note = Note()
    run_task(fails, state_handlers=[note], context={"ti": 1})
    assert all(state.context == {"ti": 1} for pair in note.told for state in pair)


@pytest.mark.parametrize(
    ("keeps", "policy", "tries"),
    [(True, "fail", 3), (False, "fail", 1), (True, "log", 1), (False, "log", 1)],
)
def test_whether_a_raising_handler_costs_the_retries(keeps: bool, policy: OnHandlerError, tries: int) -> None:
    starts = Note()
    run = run_task(
        lambda: 1,
        state_handlers=[starts, raising(ValueError("x"))],
        retries=2,
        on_handler_error=policy,
        handler_error_retries=keeps,
    )
    assert run.told.count("Pending -> Running") + run.told.count("Retrying -> Running") == tries
    assert run.state.is_failed() is (policy == "fail")


def test_garbage_is_told_as_a_failure_once() -> None:
    last = Note()
    run = run_task(lambda: 1, state_handlers=[Note("garbage"), last])
    assert run.told == ["Pending -> Running", "Pending -> Failed"]
    assert "'garbage'" in str(run.state)
    assert last.told == []


def test_a_retry_granted_by_a_handler_is_counted() -> None:
    granted: list[int | None] = []

    def once(task: Any, old: State, new: State) -> Any:
        if isinstance(old, Retrying):
            granted.append(old.run_count)
        return Retrying("again") if new.is_failed() and len(granted) < 2 else None

    assert run_task(fails, state_handlers=[once]).bodies == 3
    assert granted == [1, 2]


def test_a_hanging_handler_holds_the_task_until_it_is_done() -> None:
    """As in Prefect: handlers run inside the transition. In Airflow ``execution_timeout`` ends it."""
    entered, go_on = threading.Event(), threading.Event()

    def hangs(task: Any, old: State, new: State) -> None:
        entered.set()
        go_on.wait(60)

    ran: list[int] = []
    thread = threading.Thread(
        target=run_task, args=(lambda: ran.append(1),), kwargs={"state_handlers": [hangs]}
    )
    thread.start()
    assert entered.wait(60)
    assert ran == []
    go_on.set()
    thread.join(60)
    assert ran == [1]
