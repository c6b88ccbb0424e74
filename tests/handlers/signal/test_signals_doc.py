"""docs/signals.md tells the truth: its events, options, examples and tests exist."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.handlers.signal.event_types import EVENT_TYPES
from airflow_provider_pipehooks.options import OPTIONS, SECTION
from airflow_provider_pipehooks.plugins.rules import OF_RUNS, OF_TASKS, read_rules

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "signals.md").read_text()


def rows(header: str) -> list[list[str]]:
    """The cells of the table with a header line."""
    table = DOC.split(header, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    assert found
    return found[1]


def test_every_event_type_is_listed_with_its_keys() -> None:
    listed = {
        name: tuple(re.findall(r"`(\w+)`", keys))
        for names, keys, *_ in rows("| event | payload | sent when | by |")
        for name in re.findall(r"`(\w+)`", names)
    }
    assert listed == {name: kind.keys for name, kind in EVENT_TYPES.items()}


def test_what_nobody_tells_is_said_to_be_never_sent() -> None:
    never = {
        name
        for names, _, when, _ in rows("| event | payload | sent when | by |")
        for name in re.findall(r"`(\w+)`", names)
        if when.startswith("never")
    }
    assert never == {name for name, kind in EVENT_TYPES.items() if kind.told_by == "nobody"}


def test_every_option_exists() -> None:
    config = configparser.ConfigParser()
    config.read_string(block("ini"))
    assert set(config[SECTION]) <= set(OPTIONS)


def test_the_receiver_of_the_example_can_be_connected() -> None:
    names: dict[str, object] = {}
    exec(compile(block("python"), "signals.md", "exec"), names)
    signal: Any = names["pipeline_event"]
    assert names["tell"] in list(signal.receivers_for("sales"))
    assert names["tell"] not in list(signal.receivers_for("another DAG"))
    signal.disconnect(names["tell"])


def test_the_rules_of_the_example_hold(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(block("toml"))
    (rule,) = read_rules(path)
    assert rule.dags == ("sales_*",)
    assert re.findall(r"\w+", block("toml").split("#")[1].splitlines()[0]) == [*OF_TASKS, *OF_RUNS]


def test_every_row_of_misbehaviour_has_a_test_that_exists() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    table = rows("| it | in the API server and the scheduler | in a task's process | test |")
    assert len(table) >= 8
    for *_, named in table:
        for name in re.findall(r"`(\w+)`", named):
            assert f"def {name}(" in tests, name
