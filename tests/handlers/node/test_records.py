"""Every shared record of Bamboo, run by Airflow: the same calls in the same order, with the same outputs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session

from airflow_provider_pipehooks.handlers.signals import PipelineEvent
from tests.dag_runs import Finished
from tests.handlers.node.differences import DIFFERENCES, Difference
from tests.handlers.node.nodes import (
    RECORDS,
    TOLD,
    Node,
    NodeBoom,
    Poked,
    Record,
    Told,
    Waiting,
    a_dag,
    receivers,
    without_loops,
)

RunDag = Callable[..., Finished]
pytestmark = pytest.mark.usefixtures("signals")

STATES = {"FINISHED": "success", "FAILED": "failed", None: "upstream_failed"}


class Raising(Node):
    def act(self, name: str, data: Any) -> None:
        raise NodeBoom(f"hook {name}")


class ReturningFalse(Node):
    def act(self, name: str, data: Any) -> bool:
        return False


class SettingOutputs(Waiting):
    def act(self, name: str, data: Any) -> bool:
        data.set_outputs(f"set_by_{name}", True)
        return True


class MarkedFailed(Node):
    """A user marks it failed while it runs; its supervisor then ends the process."""

    def go_on(self, context: Any) -> None:
        ti = context["ti"]
        with create_session() as session:
            session.query(TaskInstance).filter_by(id=ti.id).update({"state": "failed"})
        os.kill(os.getpid(), signal.SIGTERM)
        raise NodeBoom("what ends the process, in place of SIGKILL")


#: What B is in each record, and how it is built.
CASES: dict[str, tuple[type[Node], dict[str, Any]]] = {
    "callback_01_success": (Waiting, {}),
    "callback_02_success_hooks_take_callback": (Waiting, {}),
    "hook_01_raising": (Raising, {}),
    "hook_03_returns_false": (ReturningFalse, {}),
    "hook_04_sets_outputs": (SettingOutputs, {}),
    "op_01_retry_success": (
        Node,
        {"mode": "{{ 'false' if ti.try_number == 1 else 'ok' }}", "retries": 1, "retry_delay": timedelta(0)},
    ),
    "op_04_skip": (Node, {}),
    "op_07_pause_pipeline": (Waiting, {}),
    "op_09_forced_fail": (MarkedFailed, {}),
    "run_01_success": (Node, {}),
    "run_02_execute_false": (Node, {}),
    "run_03_execute_raises": (Node, {}),
    "run_04_execute_none": (Node, {}),
    "run_05_execute_false_ignorable": (Node, {}),
    "run_06_execute_raises_ignorable": (Node, {}),
    "run_07_poll_success": (Poked, {"poke_interval": 0}),
    "run_08_poll_false": (Poked, {"poke_interval": 0}),
    "run_09_poll_raises": (Poked, {"poke_interval": 0}),
}


@dataclass
class Ran:
    """A record, and the same nodes run by Airflow."""

    record: Record
    finished: Finished
    told: Told

    def hooks_of_b(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each hook call of B, ours and the record's."""
        recorded = [event for event in self.record.of("B") if event["channel"] == "hook"]
        ours = [event for event in self.told if event["channel"] == "hook" and event["node"] == "B"]
        called = {event["name"] for event in ours}
        return list(zip(ours, (event for event in recorded if event["name"] in called), strict=False))


_RAN: dict[str, Ran] = {}


def run_case(name: str, run_dag: RunDag) -> Ran:
    """Run B of a record, between A and C; once for all tests."""
    if name not in _RAN:
        record = Record(name)
        kind, arguments = CASES[name]
        mode = next(event for event in record.of("B") if event["channel"] == "hook")["inputs"]["mode"]
        with a_dag(name) as dag:
            b = kind(task_id="B", **{"mode": mode, **arguments})
            b.error_ignorable = name.endswith("ignorable")
            b.answer = next((e["args"]["data"] for e in record.data["events"] if is_callback(e)), None)
            Node(task_id="A") >> b >> Node(task_id="C")
        _RAN[name] = Ran(record, run_dag(dag), Told(TOLD))
    return _RAN[name]


def is_callback(event: dict[str, Any]) -> bool:
    return event["name"] == "callback" and event.get("phase") == "call"


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_record_has_its_test() -> None:
    apart = {"receiver_03_node_enter"}
    assert {path.stem for path in RECORDS.glob("*.json")} == {*CASES, *apart}


def test_the_calls_are_those_of_the_record(case: str, run_dag: RunDag) -> None:
    ran = run_case(case, run_dag)
    difference = DIFFERENCES.get(case, Difference("none"))
    expected = [(event["channel"], event["name"]) for event in ran.record.of("B")]
    expected = [call for call in expected if call not in difference.missing]
    assert ran.told.of("B") == [*expected, *difference.added_at_the_end]
    assert ran.told.of("A") == [(event["channel"], event["name"]) for event in ran.record.of("A")]
    states = {node: STATES[ran.record.state(node)] for node in "ABC"}
    assert ran.finished.tasks == {**states, **difference.states}


def test_hooks_see_the_outputs_of_the_record(case: str, run_dag: RunDag) -> None:
    for ours, recorded in run_case(case, run_dag).hooks_of_b():
        seen = {key: value for key, value in ours["outputs"].items() if key != "return_value"}
        wanted = without_loops(recorded["outputs"])
        if case == "op_09_forced_fail":
            # Ours runs when it is marked failed, and has no result yet; Bamboo's waits.
            wanted["ex_data"] = seen.get("ex_data", "")
            wanted.pop("_result", None)
        assert same(seen, wanted), ours["name"]


def same(ours: dict[str, Any], recorded: dict[str, Any]) -> bool:
    """Equal, a traceback by its last line."""
    ours_ex, recorded_ex = (str(outputs.get("ex_data", "")) for outputs in (ours, recorded))
    last_line = recorded_ex.removeprefix("<traceback ending: ").removesuffix(">")
    return {**ours, "ex_data": ""} == {**recorded, "ex_data": ""} and ours_ex.strip().endswith(last_line)


def test_hooks_see_the_inputs_of_the_record(case: str, run_dag: RunDag) -> None:
    for ours, recorded in run_case(case, run_dag).hooks_of_b():
        if not ours["name"].endswith("_retry_node"):
            assert ours["inputs"]["mode"] == recorded["inputs"]["mode"]
        assert ours["parent"] == recorded["parent_inputs"]


def test_hooks_are_given_the_callback_of_the_record(run_dag: RunDag) -> None:
    for ours, recorded in run_case("callback_02_success_hooks_take_callback", run_dag).hooks_of_b():
        given = (recorded["callback_data"] or {}).get("CallbackData.data")
        assert ours.get("callback_data") == given


def test_signals_carry_the_keys_of_the_record(case: str, run_dag: RunDag) -> None:
    ran = run_case(case, run_dag)
    recorded = {event["name"]: event["data"] for event in ran.record.of("B") if event["channel"] == "signal"}
    for event in ran.told:
        if event["channel"] == "signal" and event["node"] == "B":
            assert recorded[event["name"]].keys() <= event["data"].keys()
            assert event["data"].get("root_pipeline_id") in (None, ran.finished.dag_run.run_id)
            assert event["sender"] == case


def test_what_hooks_set_is_an_xcom_unless_they_are_read_only(run_dag: RunDag) -> None:
    ran = run_case("hook_04_sets_outputs", run_dag)
    kept = {key for key in ran.record.data["final"]["B"]["outputs"] if not key.startswith("_")}
    assert ran.finished.xcom_keys("B") - {"return_value"} == kept
    assert ran.finished.xcom("B", "set_by_node_finish") is True


def test_a_raising_receiver_does_not_hang_what_hangs_in_bamboo(run_dag: RunDag) -> None:
    """In the record the Celery task dies of it, and the node stays RUNNING for ever."""
    assert Record("receiver_03_node_enter").state("A") == "RUNNING"
    told_otherwise = [(event["channel"], event["name"]) for event in Record("run_01_success").of("A")]

    def boom(event: PipelineEvent) -> None:
        if event.event_type == "node_enter":
            raise NodeBoom("receiver of node_enter")

    with a_dag("receiver_03") as dag:
        Node(task_id="A") >> Node(task_id="B")
    with receivers(boom):
        finished = run_dag(dag)
    assert finished.tasks == {"A": "success", "B": "success"}
    # Both receivers, the one of the fixture and this one, write it down.
    assert list(dict.fromkeys(TOLD.of("A"))) == told_otherwise


def test_each_difference_is_on_the_page_of_node_hooks() -> None:
    page = (Path(__file__).parents[3] / "docs" / "node_hooks.md").read_text()
    for case, difference in DIFFERENCES.items():
        assert difference.reason in page, case
