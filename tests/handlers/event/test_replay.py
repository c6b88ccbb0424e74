"""``pipehooks hooks replay``: recorded events of every form, and hooks written for Databricks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from airflow_provider_pipehooks import __main__
from airflow_provider_pipehooks.handlers.event.replay import recorded
from tests.handlers.event.test_event_hooks import event

HOOKS = """
from {module} import {name}

@{decorator}(max_allowable_consecutive_failures=1)
def fails_on_errors(event):
    if event["level"] == "ERROR":
        raise ValueError(event["details"]["update_progress"]["state"])

@{decorator}
def fine(event):
    pass
"""
IMPORTS = [
    ("airflow_provider_pipehooks.handlers.event_hooks", "on_event_hook", "on_event_hook"),
    ("dlt", "on_event_hook", "on_event_hook"),
    ("pyspark", "pipelines as dp", "dp.on_event_hook"),
    ("pyspark.pipelines", "on_event_hook", "on_event_hook"),
]
EVENTS = [event(1), event(2, level="ERROR"), event(3, level="ERROR"), event(4, level="ERROR"), event(5)]
ROWS = [
    {**each, "details": json.dumps(each["details"]), "origin": json.dumps(each["origin"])} for each in EVENTS
]

FORMS = {
    "lines": "\n".join(map(json.dumps, EVENTS)) + "\n\n",
    "a list": json.dumps(EVENTS),
    "a list over many lines": json.dumps(EVENTS, indent=2),
    "a page": json.dumps({"events": EVENTS, "next_page_token": "t"}),
    "pages": "\n".join(json.dumps({"events": each}) for each in (EVENTS[:2], EVENTS[2:])),
    "rows of the table": "\n".join(map(json.dumps, ROWS)),
}


def replay(tmp_path: Path, events: str, *more: str, module: tuple[str, str, str] = IMPORTS[0]) -> int:
    hooks, log = tmp_path / "my_hooks.py", tmp_path / "events.json"
    hooks.write_text(HOOKS.format(module=module[0], name=module[1], decorator=module[2]))
    log.write_text(events)
    return __main__.main(["hooks", "replay", str(hooks), "--events", str(log), *more])


@pytest.mark.parametrize("form", FORMS)
def test_events_are_read_in_every_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text(FORMS[form])
    assert list(recorded(path)) == EVENTS


@pytest.mark.parametrize("module", IMPORTS, ids=lambda module: module[1])
def test_hooks_run_as_they_are_written_for_databricks(
    module: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(sys.modules)
    assert replay(tmp_path, FORMS["lines"], module=module) == 1
    assert capsys.readouterr().out.splitlines()[0].startswith("5 events, 2 hooks, 8 calls, 2 failures")
    assert not {"dlt", "pyspark"} & (set(sys.modules) - before)


def test_it_says_which_hook_failed_and_was_switched_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replay(tmp_path, FORMS["a list"])
    assert "fails_on_errors: 2 failures, switched off at the end" in capsys.readouterr().out


def test_with_a_filter_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(tmp_path, FORMS["a list"], "--level", "INFO", "--level", "WARN") == 0
    assert "5 events, 2 hooks, 4 calls, 0 failures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ("not json", "neither JSON nor lines of JSON"),
        (json.dumps(event()) + "\nnot json", "Line 2 of"),
        ("5", "something else than events"),
        ("[5]", "something else than events"),
        ('{"events": 5}', "something else than events"),
    ],
)
def test_what_is_no_recording_is_told(
    events: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(tmp_path, events) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["hooks", "events", "functions"])
def test_what_is_missing_is_told(missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hooks, events = tmp_path / "h.py", tmp_path / "e.json"
    if missing != "hooks":
        hook = "from dlt import on_event_hook\nf = on_event_hook(print)"
        hooks.write_text("x = 1" if missing == "functions" else hook)
    if missing != "events":
        events.write_text("[]")
    assert __main__.main(["hooks", "replay", str(hooks), "--events", str(events)]) == 2
    says = {"hooks": "no file", "events": "cannot be read", "functions": "no function under"}
    assert says[missing] in capsys.readouterr().err
