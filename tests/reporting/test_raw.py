"""What is kept of what a remote told: all but secrets, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.raw import HIDDEN, LONGEST_RAW, kept
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.core.anything import bounded, values
from tests.reporting.conftest import a_row, rows

SECRET = "hunter2-Pa55"
AROUND = [
    {"job_parameters": [{"name": "day", "default": "", "value": SECRET}]},
    {"overriding_parameters": {"notebook_params": {"name": SECRET, "value": "x"}, "python_params": [SECRET]}},
    {"tasks": [{"task_key": "t", "notebook_task": {"base_parameters": {"p": SECRET}}}]},
    {"tasks": [{"spark_python_task": {"parameters": ["--password", SECRET]}}]},
    {"job_clusters": [{"new_cluster": {"spark_env_vars": {"A": SECRET}, "spark_conf": {"b": SECRET}}}]},
    {"tasks": [{"for_each_task": {"inputs": f'["{SECRET}"]'}}]},
    {"environment": [{"name": "DB_PASSWORD", "value": SECRET}]},
    {"parameters": {"a": {"b": [SECRET]}}, "config": {"configuration": {"c": SECRET}}},
    {"apiKey": SECRET, "client_secret": {"deep": SECRET}},
    {"trigger": {"steps_override": [f"dbt build --vars '{{day: {SECRET}}}' --select x"]}},
    {"job": {"execute_steps": [f"dbt run --vars={{k: {SECRET}}}"]}},
    {"status_message": f"login failed: password={SECRET}"},
    {"state": {"state_message": f"{{'access_key': '{SECRET}'}}"}},
    {"git_source": {"git_url": f"https://me:{SECRET}@git.example/repo"}},
    {"state": {"state_message": f"Authorization: Bearer {SECRET}-abcdefgh"}},
]


@pytest.mark.parametrize("raw", AROUND, ids=[str(raw)[:40] for raw in AROUND])
def test_no_secret_is_kept(raw: dict[str, Any]) -> None:
    text = kept({"run_id": 1, **raw})
    assert SECRET not in text
    assert HIDDEN in text
    assert json.loads(text)["run_id"] == 1


def test_names_of_parameters_are_kept() -> None:
    raw = {
        "job_parameters": [{"name": "day", "default": "", "value": "1"}],
        "params": {"name": "a", "x": None},
    }
    assert json.loads(kept(raw)) == {
        "job_parameters": [{"name": "day", "default": "", "value": HIDDEN}],
        "params": {"name": HIDDEN, "x": None},
    }


def test_all_else_is_kept_as_it_was_told() -> None:
    raw = {
        "run_id": 2**80,
        "state": {"life_cycle_state": "TERMINATED"},
        "name": "naïve \N{SNOWMAN}",
        "x": [1.5],
    }
    assert json.loads(kept(raw)) == raw


def test_what_no_file_can_hold_is_made_fit() -> None:
    told = json.loads(kept({"a": "\x00b\ud800", "\x00key": {"c\udfff": 1}}))
    assert told == {"a": "�b�", "�key": {"c�": 1}}


def test_a_run_of_ten_megabytes_loses_its_largest_members() -> None:
    told = json.loads(kept({"run_id": 1, "tasks": [{"log": "x" * 1_000}] * 10_000, "state": "ended"}))
    assert told == {"run_id": 1, "tasks": "[...]", "state": "ended"}
    assert len(kept({f"key {number}": "value" * 10 for number in range(100_000)})) <= LONGEST_RAW


def test_an_endless_nest_is_cut() -> None:
    nest: Any = "deep"
    for _ in range(100_000):
        nest = {"a": nest}
    assert len(kept({"run_id": 1, "b": nest})) < 1_000


@bounded
@given(values)
def test_anything_is_kept_as_json(value: Any) -> None:
    text = kept({"value": value, "params": value})
    assert text.isascii()
    json.loads(text)


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("service", ["dbt_cloud", "databricks_jobs"])
def test_no_secret_comes_into_a_file(standin: StandIn, history: History, service: str) -> None:
    """Neither one that the run was given nor one that stands in its message; nor the connection's own."""
    from airflow_provider_pipehooks.reporting.sync import sync_history

    world: Any = getattr(standin, service)
    message = f"password={SECRET} was refused, so was dapi-token"
    job_id = world.add_job("nightly", plan=Plan(outcome="error", message=message))
    if service == "dbt_cloud":
        world.start(job_id, "ui", steps_override=[f"dbt run --vars '{{a: {SECRET}}}'"])
    else:
        world.run_now({"job_id": job_id, "job_parameters": {"day": SECRET}, "python_params": [SECRET]})
    sync_history(service, history=history)
    told = str(rows(history, "*"))
    assert "was refused" in told
    assert SECRET not in told


def test_hostile_rows_are_read_as_they_were_written(history: History, tmp_path: Path) -> None:
    hostile: dict[str, Any] = {
        "job_name": "'; DROP TABLE runs; -- <script>\x1b[31m",
        "message": "x" * 5_000_000,
        "raw": kept({"number": 2**70, "text": "\x00\ud800", "big": "y" * 900_000}),
    }
    history.append([a_row(**hostile)])
    ((name, message, raw),) = rows(history, "job_name, message, raw")
    assert (name, len(message), json.loads(raw)["number"]) == (hostile["job_name"], 5_000_000, 2**70)
