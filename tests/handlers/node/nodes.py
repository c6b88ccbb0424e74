"""Nodes that do as those of the records did, and write down every call; and a reader of the records."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_pipehooks.handlers.node.moments import MOMENTS
from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.signals import PipelineEvent, pipeline_event

RECORDS = Path(__file__).parent / "records"
#: What Bamboo counts that Airflow has not: a DAG has no loops.
LOOPS = ("_loop", "_inner_loop")
CALLED = [name for name, moment in MOMENTS.items() if moment.is_called]


class Told(list[dict[str, Any]]):
    """Everything that was called, in order."""

    def of(self, node: str) -> list[tuple[str, str]]:
        return [(event["channel"], event["name"]) for event in self if event["node"] == node]

    def hook(self, node: str, name: str) -> list[dict[str, Any]]:
        wanted = ("hook", node, name)
        return [event for event in self if (event["channel"], event["node"], event["name"]) == wanted]

    def note(self, channel: str, name: str, node: str, **more: Any) -> None:
        self.append({"channel": channel, "name": name, "node": node, **more})


TOLD = Told()


class NodeBoom(Exception):
    """The exception of the records."""


def _hook(name: str) -> Callable[..., Any]:
    def hook(self: Any, data: Any, parent_data: Any, **given: Any) -> Any:
        seen = {key: value.data for key, value in given.items()}
        TOLD.note(
            "hook",
            name,
            self.task_id,
            inputs=dict(data.inputs),
            outputs=dict(data.outputs),
            parent=dict(parent_data.inputs),
            **seen,
        )
        return self.act(name, data)

    return hook


class AllHooks(NodeHooks):
    """Has every hook that is ever called.

    :param act: what each hook does besides, and what it returns.
    """

    need_run_hook = True
    locals().update({name: _hook(name) for name in CALLED})

    def act(self, name: str, data: Any) -> Any:
        return True


class Node(AllHooks, BaseOperator):
    """A node that executes as its mode says."""

    template_fields = ("mode",)

    def __init__(self, *, mode: str = "ok", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = mode

    def execute(self, context: Any) -> Any:
        TOLD.note("body", "execute", self.task_id)
        ti = context["ti"]
        if self.mode == "raise":
            raise NodeBoom("execute of node")
        if self.mode == "false":
            ti.xcom_push("ex_data", "node says no")
            return False
        if self.mode == "none":
            return None
        ti.xcom_push("out", f"value of {self.task_id}")
        return self.go_on(context)

    def go_on(self, context: Any) -> Any:
        return True


class Poked(Node, BaseSensorOperator):
    """A node that is polled: three times, or until its mode ends it at the second."""

    def go_on(self, context: Any) -> Any:
        return super(Node, self).execute(context)

    def poke(self, context: Any) -> bool:
        TOLD.note("body", "schedule", self.task_id)
        polls = sum(event == ("body", "schedule") for event in TOLD.of(self.task_id))
        context["ti"].xcom_push("polls_done", polls)
        if polls == 2 and self.mode == "schedule_false":
            raise AirflowFailException("poll says no")
        if polls == 2 and self.mode == "schedule_raise":
            raise NodeBoom("schedule of node")
        return polls == 3


class Now(BaseTrigger):
    """Fires at once."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.answer = answer

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.Now", {"answer": self.answer}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(self.answer)


class Waiting(Node):
    """A node that waits for a callback."""

    answer: Any = None

    def go_on(self, context: Any) -> Any:
        self.defer(trigger=Now(self.answer), method_name="execute_complete")

    def execute_complete(self, context: Any, event: Any = None) -> Any:
        TOLD.note("body", "schedule", self.task_id, callback_data=event)
        context["ti"].xcom_push("polls_done", 1)
        return self.mode != "schedule_false"


STARTED = ["node_enter", "pre_execute"]
ENDED_WELL = ["post_execute", "node_finish"]


def hooks(told: Told, node: str = "t") -> list[str]:
    return [name for channel, name in told.of(node) if channel == "hook"]


def signals_of(told: Told, node: str = "t") -> list[str]:
    return [name for channel, name in told.of(node) if channel == "signal"]


class Python(AllHooks, PythonOperator):
    """A function of a test, as an operator with every hook."""


def a_dag(name: str, **kwargs: Any) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), **kwargs)


@contextmanager
def receivers(on: Callable[[PipelineEvent], None] | None = None) -> Iterator[None]:
    """Write down every signal, then do ``on``."""

    def receive(sender: object, event: PipelineEvent) -> None:
        TOLD.note("signal", event.event_type, event.data["task_id"], sender=sender, data=dict(event.data))
        if on:
            on(event)

    with pipeline_event.connected_to(receive):
        yield


class Record:
    """One record of Bamboo."""

    def __init__(self, name: str) -> None:
        self.data = json.loads((RECORDS / f"{name}.json").read_text())

    def of(self, node: str) -> list[dict[str, Any]]:
        """What was called for a node, in order."""
        return [
            event
            for event in self.data["events"]
            if event["channel"] in ("hook", "signal", "body")
            and node in (event.get("node"), event.get("data", {}).get("node_id"))
        ]

    def state(self, node: str) -> str | None:
        state: str | None = self.data["final"][node]["state"]
        return state


def without_loops(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in LOOPS}
