"""Numbers in a submitted task become texts where the API wants texts, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.services.databricks_bodies import TEXTS, write_texts


@pytest.mark.parametrize(
    ("part", "field"), [(part, field) for part, fields in TEXTS.items() for field in fields]
)
def test_numbers_and_flags_become_texts(part: str, field: str) -> None:
    task: dict[str, Any] = {part: {field: {"n": 3, "f": 0.5, "b": True, "t": "x"}, "other": 3}, "timeout": 3}
    write_texts(task)
    assert task == {part: {field: {"n": "3", "f": "0.5", "b": "true", "t": "x"}, "other": 3}, "timeout": 3}
    task = {part: {field: [1, "x"]}}
    write_texts(task)
    assert task == {part: {field: ["1", "x"]}}


@pytest.mark.parametrize(
    "task", [{}, {"notebook_task": None}, {"notebook_task": {"base_parameters": "{{ x }}"}}]
)
def test_what_is_not_there_or_of_another_kind_stays(task: dict[str, Any]) -> None:
    before = dict(task)
    write_texts(task)
    assert task == before
