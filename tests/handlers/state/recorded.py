"""The records of real Prefect runs (``records/``, Prefect 1.4.1), and the same lines written by our handlers.

A line is ``handler: Old('message') -> New('message') = result``; lines are kept by subject, since tasks that
do not depend on each other run in any order here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import get_current_context

from airflow_provider_pipehooks.handlers.state_handlers import State, state_handlers, stateful

RECORDS = Path(__file__).parent / "records"
Lines = dict[str, list[str]]

#: Prefect's words where Airflow has its own for the same thing.
_WORDS = {
    '"all_successful"': '"all_success"',
    "`skip_on_upstream_skip=False` for this task": "`trigger_rule` for this task",
}
#: The message is told, the result is another exception.
_OTHER_RESULT = ("TimedOut",)
#: Handlers of Prefect's runner classes, and the parent of mapped tasks: Airflow has neither.
_NOT_IN_AIRFLOW = ("runner", "task_runner")


class Boom(Exception):
    pass


def load(case: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RECORDS / f"{case}.json").read_text())
    return record


def expected(record: dict[str, Any], *, part: str | None = None) -> Lines:
    """The lines of a record, by subject.

    :param part: the sub-case, for a record that has some.
    """
    lines: Lines = defaultdict(list)
    current = None
    for event in record["events"]:
        if event["what"] == "sub_case":
            current = event.get("value") or event.get("when")
        elif current == part and event.get("handler") not in _NOT_IN_AIRFLOW:
            line = _line(event)
            if "Mapped(" not in line:
                lines[_subject(event)].append(line)
    return dict(lines)


def _subject(event: dict[str, Any]) -> str:
    if event.get("obj_kind") == "Flow":
        return "flow"
    return str(event.get("task_full_name") or event.get("obj_name") or event["task"])


def _line(event: dict[str, Any]) -> str:
    if event["what"] == "task_body":
        return "body"
    flow = event.get("obj_kind") == "Flow"
    if event["what"] == "callback":
        return f"{event['handler']}: {_state(event['state'], flow)}"
    return f"{event['handler']}: {_state(event['old'], flow)} -> {_state(event['new'], flow)}"


def _state(state: dict[str, Any], flow: bool) -> str:
    if "type" not in state:
        return str(state["not_a_state"])
    result = state.get("result")
    shown = result["repr"] if isinstance(result, dict) and "repr" in result else repr(result)
    return _shown(state["type"], state["message"], None if flow or result is None else shown)


def _shown(kind: str, message: str | None, result: str | None) -> str:
    text = f"{kind}({message!r})"
    if result is not None and kind not in _OTHER_RESULT:
        text += f" = {result.removesuffix('.0')}"  # a float comes out of XCom as a whole number
    for prefect, airflow in _WORDS.items():
        text = text.replace(prefect, airflow)
    return text


def show(state: State) -> str:
    result = None if state.result is None else repr(state.result)
    return _shown(type(state).__name__, state.message, result)


class Recorder:
    """Makes handlers, callbacks and bodies that write lines; and tasks that have them."""

    def __init__(self, *, decide: bool = True) -> None:
        self.lines: Lines = defaultdict(list)
        self.decide = decide

    def note(self, state: State, line: str) -> None:
        context = state.context or {}
        task: Any = (
            context.get("task") if "map_index" in context else getattr(context.get("ti"), "task", None)
        )
        index = context.get("map_index", getattr(context.get("ti"), "map_index", -1))
        self.lines[f"{task.task_id}[{index}]" if index >= 0 else task.task_id].append(line)

    def handler(self, name: str, act: Callable[..., Any] = lambda task, old, new: None) -> Callable[..., Any]:
        """A handler that writes a line, then does ``act``."""

        def handler(task: Any, old: State, new: State) -> Any:
            self.note(new, f"{name}: {show(old)} -> {show(new)}")
            return act(task, old, new)

        return handler

    def callback(
        self, name: str, act: Callable[..., Any] = lambda task, state: None
    ) -> Callable[[Any, State], Any]:
        def callback(task: Any, state: State) -> Any:
            self.note(state, f"{name}: {show(state)}")
            return act(task, state)

        return callback

    def flow(
        self, name: str = "", *, on_failure: str = "", of_tasks: dict[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        """Arguments of the DAG, whose handler writes the lines of tasks that never started, too.

        :param of_tasks: what the record calls the handlers of such a task, and its callback at the end.
        """

        def handler(subject: Any, old: State, new: State) -> None:
            if not hasattr(subject, "task_id"):
                if name:
                    self.lines["flow"].append(f"{name}: {show(old)} -> {show(new)}")
                return
            for of_task in (of_tasks or {}).get(subject.task_id, ()):
                before = "" if of_task.endswith("on_failure") else f"{show(old)} -> "
                self.note(new, f"{of_task}: {before}{show(new)}")

        def callback(subject: Any, state: State) -> None:
            self.lines["flow"].append(f"{on_failure}: {show(state)}")

        return state_handlers(handler, on_failure=callback if on_failure else None, of="dag")

    def body(self, does: Callable[..., Any] = lambda: None) -> Callable[..., Any]:
        def body(*args: Any) -> Any:
            ti = get_current_context()["ti"]
            name = (
                f"{ti.task_id}[{ti.map_index}]"
                if ti.map_index is not None and ti.map_index >= 0
                else ti.task_id
            )
            self.lines[name].append("body")
            return does(*args)

        return body

    def task(
        self,
        task_id: str,
        does: Callable[..., Any] | None = None,
        *handlers: Any,
        on_failure: Any = None,
        writes_body: bool = True,
        **arguments: Any,
    ) -> Any:
        """A task with state handlers: deciding ones, or, the other way, observing ones."""
        does = does or (lambda: None)
        arguments = {
            "task_id": task_id,
            "python_callable": self.body(does) if writes_body else does,
            "retry_delay": timedelta(0),
            **arguments,
        }
        if self.decide:
            made = stateful(PythonOperator)
            return made(state_handlers=list(handlers), on_failure=on_failure, **arguments)
        return PythonOperator(**arguments, **state_handlers(*handlers, on_failure=on_failure))


def fails(text: str = "body") -> Any:
    raise Boom(text)


def boom() -> Any:
    return fails("boom")


def fails_times(times: int) -> Callable[[], str]:
    """``Boom('attempt failed, 1 left')``, ``Boom('attempt failed, 0 left')``, ``'ok'``."""
    left = [times]

    def body() -> str:
        if left[0]:
            left[0] -= 1
            raise Boom(f"attempt failed, {left[0]} left")
        return "ok"

    return body
