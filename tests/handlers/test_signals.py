"""Signals: the catalogue of Bamboo's events, and receivers of every temper."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.handlers.signal.event_types import EVENT_TYPES, node_event, prepare_data
from airflow_provider_pipehooks.handlers.signals import PipelineEvent, connect_later, pipeline_event, send

EVENT = PipelineEvent(event_type="node_enter", data={"dag_id": "d"})
RECORDS = Path(__file__).parent / "node" / "records"

#: Every type in the documentation of bamboo-pipeline's signals and in its record, with the keys of its
#: payload as the record has them, or the source.
BAMBOO = {
    "pre_prepare_run_pipeline": "pipeline root_pipeline_data root_pipeline_context subprocess_context",
    "post_prepare_run_pipeline": "pipeline root_pipeline_data root_pipeline_context subprocess_context",
    "pipeline_finish": "pipeline_id",
    "node_enter": "root_pipeline_id node_id",
    "pre_execute": "root_pipeline_id node_id",
    "post_execute": "root_pipeline_id node_id",
    "node_finish": "root_pipeline_id node_id",
    "node_execute_fail": "root_pipeline_id node_id",
    "node_execute_exception": "root_pipeline_id node_id ex_data",
    "pre_schedule": "root_pipeline_id node_id",
    "post_schedule": "root_pipeline_id node_id",
    "node_schedule_fail": "root_pipeline_id node_id",
    "node_schedule_exception": "root_pipeline_id node_id ex_data",
    "pre_callback": "node_id version data",
    "post_callback": "node_id version data",
    "pre_retry_node": "node_id data",
    "post_retry_node": "node_id data",
    "pre_skip_node": "node_id",
    "post_skip_node": "node_id",
    "pre_pause_node": "node_id",
    "post_pause_node": "node_id",
    "pre_resume_node": "node_id",
    "post_resume_node": "node_id",
    "pre_pause_pipeline": "pipeline_id",
    "post_pause_pipeline": "pipeline_id",
    "pre_resume_pipeline": "pipeline_id",
    "post_resume_pipeline": "pipeline_id",
    "pre_revoke_pipeline": "pipeline_id",
    "post_revoke_pipeline": "pipeline_id",
    "pre_forced_fail_activity": "node_id ex_data",
    "post_forced_fail_activity": "node_id ex_data old_version new_version",
    "pre_retry_subprocess": "node_id",
    "post_retry_subprocess": "node_id",
    "pre_skip_exclusive_gateway": "node_id flow_id",
    "post_skip_exclusive_gateway": "node_id flow_id",
    "pre_skip_conditional_parallel_gateway": "node_id flow_ids converge_gateway_id",
    "post_skip_conditional_parallel_gateway": "node_id flow_ids converge_gateway_id",
}


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No receivers but those of the test."""
    monkeypatch.setattr(pipeline_event, "receivers", {})
    monkeypatch.setattr(pipeline_event, "_by_receiver", defaultdict(set))
    monkeypatch.setattr(pipeline_event, "_by_sender", defaultdict(set))
    signals.recent_failures.clear()


@pytest.mark.parametrize("name", BAMBOO)
def test_every_type_of_bamboos_is_known_with_its_keys(name: str) -> None:
    assert EVENT_TYPES[name].keys == tuple(BAMBOO[name].split())


def test_two_things_are_added_to_bamboos_types() -> None:
    added = {name.split("_", 1)[1] for name in set(EVENT_TYPES) - set(BAMBOO)}
    assert added == {"delete_pipeline", "unread_operation"}


def test_the_records_of_bamboo_have_the_same_keys() -> None:
    recorded = {
        (event["name"], tuple(event["data"]))
        for path in RECORDS.glob("*.json")
        for event in json.loads(path.read_text())["events"]
        if event["channel"] == "signal"
    }
    assert recorded
    assert {(name, EVENT_TYPES[name].keys) for name, _ in recorded} == recorded


def test_an_event_of_a_task_carries_airflows_ids_and_bamboos() -> None:
    event = node_event("node_execute_exception", dag_id="d", run_id="r", task_id="t", ex_data="Traceback")
    assert event.as_dict() == {
        "event_type": "node_execute_exception",
        "data": {
            "dag_id": "d",
            "run_id": "r",
            "task_id": "t",
            "map_index": -1,
            "try_number": None,
            "node_id": "t",
            "root_pipeline_id": "r",
            "ex_data": "Traceback",
        },
    }


def test_the_payload_of_a_prepared_run_has_its_keys() -> None:
    kind = EVENT_TYPES["pre_prepare_run_pipeline"]
    assert set(prepare_data(dag_id="d", run_id="r", conf=None)) == {*kind.ids, *kind.keys}


def test_receivers_are_told_in_the_order_they_were_connected() -> None:
    told: list[str] = []
    receivers = [lambda sender, event, name=name: told.append(name) for name in "hgfedcba"]
    for receiver in receivers:
        pipeline_event.connect(receiver)
    send(EVENT, "d")
    assert "".join(told) == "hgfedcba"


def test_a_receiver_may_listen_to_one_dag() -> None:
    told: list[object] = []

    def receive(sender: object, event: PipelineEvent) -> None:
        told.append(sender)

    pipeline_event.connect(receive, sender="sales")
    for dag_id in ("other", "sales"):
        send(EVENT, dag_id)
    assert told == ["sales"]


def test_a_method_may_receive_and_is_forgotten_with_its_object() -> None:
    class Journal:
        told = 0

        def receive(self, sender: object, event: PipelineEvent) -> None:
            Journal.told += 1

    journal = Journal()
    pipeline_event.connect(journal.receive)
    send(EVENT, "d")
    del journal
    send(EVENT, "d")
    assert Journal.told == 1


# Receivers that misbehave; docs/signals.md has the same rows


class Unpicklable:
    """Holds what no process can send to another."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, sender: object, event: PipelineEvent) -> object:
        return self.lock


def raises(sender: object, event: PipelineEvent) -> None:
    raise ValueError("no")


def exits(sender: object, event: PipelineEvent) -> None:
    sys.exit(3)


def wrong_arguments() -> None:
    """Takes none."""


def garbage(sender: object, event: PipelineEvent) -> object:
    return object()


@pytest.mark.parametrize(
    ("receiver", "failure"),
    [
        (raises, "ValueError: no"),
        (exits, "RuntimeError: It called sys.exit(3)."),
        (wrong_arguments, "TypeError"),
        (garbage, None),
        (Unpicklable(), None),
    ],
)
def test_a_receiver_that_misbehaves_is_recorded_and_the_next_one_is_told(
    receiver: Any, failure: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[PipelineEvent] = []

    def next_one(sender: object, event: PipelineEvent) -> None:
        told.append(event)

    pipeline_event.connect(receiver)
    pipeline_event.connect(next_one)
    send(EVENT, "d")
    assert told == [EVENT]
    assert [str(failure) in str(each) for each in signals.recent_failures] == [True] * (failure is not None)
    name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
    assert (f"Hook {name} failed" in caplog.text) is (failure is not None)


def test_a_receiver_that_hangs_in_a_task_holds_it_up() -> None:
    """There it is called at once, so that what it does is done before the task goes on."""
    begun, go_on, told = threading.Event(), threading.Event(), []

    def hang(sender: object, event: PipelineEvent) -> None:
        begun.set()
        go_on.wait(60)

    def next_one(sender: object, event: PipelineEvent) -> None:
        told.append(event)

    pipeline_event.connect(hang)
    pipeline_event.connect(next_one)
    task = threading.Thread(target=send, args=(EVENT, "d"))
    task.start()
    assert begun.wait(10)
    assert task.is_alive()
    assert told == []
    go_on.set()
    task.join(10)
    assert told == [EVENT]


def test_only_the_last_failures_are_kept() -> None:
    pipeline_event.connect(raises)
    for _ in range(150):
        send(EVENT, "d")
    assert len(signals.recent_failures) == 100


# Receivers named in the options


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's, with a list of what its receiver was told."""
    mine = ModuleType("my_company_alerts")
    mine.told = []  # type: ignore[attr-defined]
    mine.tell = lambda sender, event: mine.told.append(event)  # type: ignore[attr-defined]
    mine.text = "no function"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_company_alerts", mine)
    return mine


@pytest.mark.parametrize(
    "bad", ["my_company_alerts.missing", "nowhere.tell", "tell", "", ".", "my_company_alerts.text"]
)
def test_a_bad_path_is_logged_and_the_other_receivers_are_connected(
    bad: str, module: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    connect_later([bad, "my_company_alerts.tell"])
    send(EVENT, "d")
    assert module.told == [EVENT]
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"Receiver {bad!r} of pipeline events is left out" in line.getMessage()


@pytest.mark.parametrize(
    ("module", "says"),
    [("raise OSError('no network')", "no network"), ("raise SystemExit(3)", "calls sys.exit(3)")],
)
def test_a_module_that_cannot_be_imported_is_logged(
    module: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken_alerts.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_alerts", raising=False)
    connect_later(["broken_alerts.tell"])
    send(EVENT, "d")
    assert says in caplog.text


def test_a_receiver_named_twice_is_told_once(module: ModuleType) -> None:
    """Airflow makes the plugin once for its core and once for its task SDK."""
    connect_later(["my_company_alerts.tell"])
    connect_later(["my_company_alerts.tell"])
    send(EVENT, "d")
    send(EVENT, "d")
    assert module.told == [EVENT, EVENT]
