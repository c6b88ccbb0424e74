"""What may be given as a handler, and what is made of it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.handlers.state.given import callback_factory, hooks_of, on_failure
from airflow_provider_pipehooks.handlers.state.states import (
    Failed,
    Retrying,
    State,
    Success,
    TimedOut,
    TriggerFailed,
    ValidationFailed,
)
from airflow_provider_pipehooks.handlers.state_handlers import signals

RECORDS = Path(__file__).parent / "records"


def handler(task: Any, old: State, new: State) -> None:
    pass


def callback(task: Any, state: State) -> None:
    pass


GIVEN: dict[str, Callable[[], Any]] = {
    "function": lambda: handler,
    "int": lambda: 5,
    "False": lambda: False,
    "None": lambda: None,
    "list": lambda: [handler],
    "tuple": lambda: (handler,),
    "set": lambda: {handler},
    "generator": lambda: (one for one in [handler]),
    "str": lambda: "handler",
}
NOTES = json.loads((RECORDS / "trans_24_bad_arguments.json").read_text())["notes"]
#: A tuple with ``on_failure`` works here; a text is refused at once, not when the task runs.
DIFFERS = {("Task+on_failure", "tuple"): True, ("Task", "str"): False, ("Flow", "str"): False}


@pytest.mark.parametrize("note", NOTES, ids=lambda note: f"{note['class']} {note['given']}")
def test_what_prefect_takes_is_taken_and_what_it_refuses_is_refused(note: dict[str, Any]) -> None:
    accepted = DIFFERS.get((note["class"], note["given"]), note["accepted"])
    failing = callback if "on_failure" in note["class"] else None
    if accepted:
        hooks_of(GIVEN[note["given"]](), failing)
        return
    with pytest.raises(TypeError, match=r"state_handlers should be iterable"):
        hooks_of(GIVEN[note["given"]](), failing)


def test_the_list_given_is_copied_and_on_failure_is_last() -> None:
    given = [handler, handler]
    hooks = hooks_of(given, callback)
    assert [hook.name for hook in hooks] == ["handler", "handler", "callback"]
    assert given == [handler, handler]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(3, "must be a function"), (lambda one: None, "must take"), (lambda a, b, c, d: None, "must take")],
)
def test_something_that_cannot_be_called_as_a_handler_is_refused_at_once(wrong: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        hooks_of([wrong])
    with pytest.raises(TypeError, match=message):
        hooks_of([], wrong)


class Method:
    def handle(self, task: Any, old: State, new: State, more: int = 1) -> None:
        pass


@pytest.mark.parametrize(
    "good", [Method().handle, lambda *args: None, print, max], ids=["method", "lambda", "print", "max"]
)
def test_everything_that_can_be_called_as_a_handler_is_taken(good: Any) -> None:
    assert len(hooks_of([good])) == 1


# --- callback_factory, on_failure ---------------------------------------------------------------------------

ANSWERS = {"True": True, "1": 1, "'yes'": "yes", "[1]": [1], "None": None, "False": False, "0": 0}


@pytest.mark.parametrize("answer", ANSWERS)
def test_only_true_fires_and_the_new_state_is_returned(answer: str) -> None:
    record = json.loads((RECORDS / "seed_07b_callback_factory_check_values.json").read_text())
    fired: list[State] = []
    new = Success("x")
    made = callback_factory(lambda task, state: fired.append(state), lambda state: ANSWERS[answer])
    assert made(None, State(), new) is new
    called = {event["handler"].removeprefix("check_returned_") for event in record["events"]}
    assert fired == ([new] if answer in called else [])


def test_a_made_handler_can_be_pickled_as_its_parts_can() -> None:
    """Prefect's own test does it with lambdas and cloudpickle; a closure could not be pickled here."""
    made = pickle.loads(pickle.dumps(callback_factory(callback, bool)))
    assert made(1, 2, 3) == 3
    assert pickle.loads(pickle.dumps(on_failure(callback)))(1, 2, Failed()).is_failed()


@pytest.mark.parametrize("kind", [Failed, TimedOut, TriggerFailed, ValidationFailed])
def test_on_failure_is_for_every_kind_of_failure(kind: type[State]) -> None:
    told: list[tuple[Any, State]] = []
    made = on_failure(lambda task, state: told.append((task, state)))
    made("t", State(), Success())
    made("t", State(), Retrying())
    failed = kind()
    assert made("t", State(), failed) is failed
    assert told == [("t", failed)]


class Notifier:
    """The shape of an Airflow notifier; renders itself in place, as those do."""

    text = "{{ key }}"

    def __init__(self) -> None:
        self.sent: list[str] = []

    def render_template_fields(self, context: dict[str, Any]) -> None:
        self.text = f"{context['key']} {context.get('exception')!r}"

    def notify(self, context: dict[str, Any]) -> None:
        self.sent.append(self.text)

    def __call__(self, context: dict[str, Any]) -> None:
        self.render_template_fields(context)
        self.notify(context)


def test_a_notifier_is_called_with_the_context_and_keeps_its_templates() -> None:
    notifier, error = Notifier(), ValueError("x")
    (hook,) = hooks_of([], notifier)
    for key in "ab":
        hook.function(None, State(), Failed("m", error, {"key": key}))
    hook.function(None, State(), Success("m", None, {"key": "c"}))
    assert notifier.sent == [f"a {error!r}", f"b {error!r}"]
    assert notifier.text == "{{ key }}"
    assert hook.name == "Notifier"


# --- signals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (signals.FAIL, "Failed"),
        (signals.TRIGGERFAIL, "TriggerFailed"),
        (signals.VALIDATIONFAIL, "ValidationFailed"),
        (signals.SUCCESS, "Success"),
        (signals.SKIP, "Skipped"),
        (signals.RETRY, "Retrying"),
        (signals.PAUSE, "Paused"),
    ],
)
def test_a_signal_is_the_result_of_its_state_and_carries_anything(kind: Any, state: str) -> None:
    signal = kind("a equaled b!", value=1)
    signal.flag = True
    assert type(signal.state).__name__ == state
    assert (signal.state.message, signal.state.result) == ("a equaled b!", signal)
    assert (signal.state.result.flag, signal.state.result.value) == (True, 1)
    assert repr(signal) == f"{kind.__name__}('a equaled b!')"


def test_a_signal_may_give_its_state_another_result() -> None:
    assert signals.SUCCESS("m", result=5).state.result == 5
    assert vars(signals.RETRY("m", run_count=3).state)["run_count"] == 3
    assert pickle.loads(pickle.dumps(signals.FAIL("m", flag=1))).flag == 1


def test_endrun_ends_in_the_state_given() -> None:
    state = Success("over")
    assert signals.ENDRUN(state).state is state
