"""An install does nothing until it is switched on; each switch adds its part, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_pipehooks.options import OPTIONS, read
from airflow_provider_pipehooks.plugins.plugin import PipehooksPlugin
from airflow_provider_pipehooks.process_wide import forget

#: What Airflow's own two plugin managers have found, in a fresh process.
PROGRAM = """
import json, sys
from airflow import plugins_manager
from airflow.listeners.listener import get_listener_manager as of_core
from airflow.sdk.listener import get_listener_manager as of_sdk
from airflow_provider_pipehooks.handlers import signals

plugins, errors = plugins_manager._get_plugins()
by_then = [name for name in sys.modules if "pipehooks.plugins" in name]
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins if plugin.name == "pipehooks"],
    "errors": errors,
    "listeners": [of_core().has_listeners, of_sdk().has_listeners],
    "apps": [each["url_prefix"] for each in plugins_manager.get_fastapi_plugins()[0]],
    "views": [each["url_route"] for each in plugins_manager._get_ui_plugins()[0]],
    "middlewares": [each["middleware"].__name__ for each in plugins_manager.get_fastapi_plugins()[1]],
    "receivers": sorted(set(signals._named)),
    "by_then": by_then,
    "loaded": [name for name in sys.modules if "pipehooks.plugins" in name],
}))
"""
OFF = {"listeners": [False, False], "apps": [], "views": [], "middlewares": [], "receivers": []}
PAGE = {"apps": ["/pipehooks"], "views": ["pipehooks", "pipehooks-dag"]}
SIGNALS = {"enable_pipeline_event_signals": "True", "pipeline_event_receivers": "a.b, c.d,"}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, OFF),
        (SIGNALS, {**OFF, "receivers": ["a.b", "c.d"]}),
        ({"pipeline_event_receivers": "a.b"}, OFF),
        ({"enable_listener": "True"}, {**OFF, "listeners": [True, True]}),
        ({"enable_control_plane": "True"}, OFF),
        (
            {**SIGNALS, "enable_control_plane": "True"},
            {**OFF, "receivers": ["a.b", "c.d"], "middlewares": ["ControlPlane"]},
        ),
        ({"page": "True"}, {**OFF, **PAGE}),
    ],
    ids=["nothing", "signals", "receivers only", "listener", "control plane only", "control plane", "page"],
)
def test_only_what_is_switched_on_is_there(
    options: dict[str, str], found: dict[str, object], tmp_path: Path
) -> None:
    """Found by the package's entry point; elsewhere, where no metadata left by a build is in the way."""
    env = {f"AIRFLOW__PIPEHOOKS__{name.upper()}": value for name, value in options.items()}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, **env},
    )
    seen = json.loads(run.stdout.splitlines()[-1])
    loaded, by_then = seen.pop("loaded"), seen.pop("by_then")
    assert seen == {"plugins": ["pipehooks"], "errors": {}, **found}
    # The scheduler, the triggerer and each task have it, too; only the API server asks for applications.
    assert not [name for name in by_then if ".page" in name or ".shown" in name]
    if found == OFF:
        parts = ("listener", "control_plane", "background", "page")
        assert not [name for name in loaded if name.endswith(parts) or ".shown" in name]


def test_every_switch_is_off_by_default() -> None:
    switches = [name for name in OPTIONS if name.startswith("enable_") or name == "page"]
    assert len(switches) >= 4
    assert not any(read(name) for name in switches)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"enable_control_plane": "True"}, "enable_control_plane is set, but nobody can be told"),
        (
            {"pipeline_event_receivers": "a.b"},
            "receivers is set, but nobody can be told: set enable_pipeline",
        ),
        (
            {"listener_rules": "rules.toml"},
            "listener_rules is set, but nobody can be told: set enable_listener",
        ),
        ({"enable_lisener": "True"}, "enable_lisener is not an option. Do you mean enable_listener?"),
        ({"colour": "red"}, "colour is not an option. Known are dbt_cloud_requests_per_minute, "),
        ({"pipeline_event_queue_size": "-5"}, "pipeline_event_queue_size is -5, taken for 1"),
    ],
)
def test_what_is_set_without_effect_is_told_once(
    options: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__PIPEHOOKS__{name.upper()}", value)
    forget()
    for _ in ("core", "task SDK"):
        PipehooksPlugin()
    (record,) = caplog.records
    assert says in record.getMessage()


def test_an_option_that_cannot_be_read_takes_nothing_else_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__PIPELINE_EVENT_QUEUE_SIZE", "many")
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ENABLE_LISTENER", "True")
    forget()
    assert len(PipehooksPlugin().listeners) == 1
    assert "options cannot be read" in caplog.text
    forget()


def test_what_has_an_effect_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {**SIGNALS, "enable_listener": "True", "listener_rules": "rules.toml"}.items():
        monkeypatch.setenv(f"AIRFLOW__PIPEHOOKS__{name.upper()}", value)
    forget()
    PipehooksPlugin()
    assert not caplog.records
    forget()
