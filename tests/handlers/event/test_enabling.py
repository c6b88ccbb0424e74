"""``pipehooks hooks enable``: what a person asks for reaches the state store of the task."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow._shared.state import TaskScope
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.state.metastore import MetastoreBackend

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.compat import database
from airflow_provider_pipehooks.handlers.event.enabling import ENABLE_KEY
from tests.dag_runs import Finished

Stored = list[tuple[tuple[Any, ...], str, Any]]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    """What is written, of which task; there is no other task than ``t``."""
    found: Stored = []

    def remember_for(*task: Any, key: str, record: Any) -> bool:
        found.append((task, key, record))
        return bool(task[2] == "t")

    monkeypatch.setattr(database, "remember_for", remember_for)
    return found


def test_hooks_are_named(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["hooks", "enable", "d", "r", "t", "--map-index", "2", "--hook", "a", "--hook", "b"]
    assert main(command) == 0
    assert stored == [(("d", "r", "t", 2), ENABLE_KEY, {"hooks": ["a", "b"]})]
    assert capsys.readouterr().out == "a, b: switched on when the task reads on in its event log.\n"


def test_without_a_name_all_are_meant(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hooks", "enable", "d", "r", "t"]) == 0
    assert stored == [(("d", "r", "t", -1), ENABLE_KEY, {"hooks": []})]
    assert "all hooks that are off" in capsys.readouterr().out


def test_a_task_that_does_not_exist_is_named(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hooks", "enable", "d", "r", "other"]) == 2
    assert "There is no task 'other' with index -1 in run 'r' of DAG 'd'." in capsys.readouterr().err


def test_the_state_store_of_a_real_task_has_it(run_dag: Callable[..., Finished]) -> None:
    with DAG("enabled", schedule=None) as dag:
        PythonOperator(task_id="t", python_callable=lambda: None)
    run_id = run_dag(dag).dag_run.run_id
    assert not database.remember_for("enabled", run_id, "u", -1, key=ENABLE_KEY, record={})
    for hooks in (["a"], ["b"]):
        assert database.remember_for("enabled", run_id, "t", -1, key=ENABLE_KEY, record={"hooks": hooks})
    of_task = TaskScope(dag_id="enabled", run_id=run_id, task_id="t", map_index=-1)
    assert json.loads(MetastoreBackend().get(of_task, ENABLE_KEY) or "") == {"hooks": ["b"]}
