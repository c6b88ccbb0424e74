"""What Airflow sees of the package: metadata, connection forms, the command line, the cost of an import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_pipehooks import __main__, __version__
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.provider_info import get_provider_info

INFO = get_provider_info()
HEAVY = ("requests", "aiohttp", "boto3", "moto", "pandas", "airflow.providers.amazon")


def dotted(value: Any, key: str = "") -> Iterator[str]:
    """Every module or class that the metadata names."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from dotted(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from dotted(item, key)
    elif isinstance(value, str) and value.startswith("airflow_provider_pipehooks."):
        yield value


def test_the_metadata_fits_airflows_own_schema() -> None:
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    checker = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in checker.iter_errors(INFO)] == []


def test_airflow_finds_the_provider() -> None:
    (entry,) = [each for each in entry_points(group="apache_airflow_provider") if "pipehooks" in each.value]
    assert entry.load()() == INFO
    provider = ProvidersManager().providers["airflow-provider-pipehooks"]
    assert provider.version == __version__


@pytest.mark.parametrize("name", sorted(set(dotted(INFO))))
def test_everything_the_metadata_names_can_be_imported(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute)


#: In a process of its own: Airflow then imports every provider's hooks, and what some of them import has last
#: words of its own when a process ends.
FORMS = """
import json
from airflow.providers_manager import ProvidersManager

manager = ProvidersManager()
forms = {}
for conn_type in ("pipehooks_dbt_cloud", "pipehooks_databricks"):
    found = manager.hooks[conn_type]
    fields = [name.rpartition("__")[2] for name in manager.connection_form_widgets if conn_type in name]
    host = manager.field_behaviours[conn_type]["relabeling"]["host"]
    forms[conn_type] = [found.hook_class_name, found.hook_name, found.connection_testable, host, fields]
print(json.dumps(forms))
"""


@pytest.fixture(scope="module")
def forms() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", FORMS], capture_output=True, text=True, check=True)
    shown: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return shown


@pytest.mark.parametrize("hook", [DbtCloudHook, DatabricksHook])
def test_the_connection_form_of_a_hook_appears(hook: Any, forms: dict[str, Any]) -> None:
    class_name, name, testable, host, fields = forms[hook.conn_type]
    assert (class_name, name) == (f"{hook.__module__}.{hook.__name__}", hook.hook_name)
    assert testable
    assert host
    assert {"verify", "proxies"} <= set(fields)


def test_every_extra_that_a_form_asks_for_is_read_by_its_hook() -> None:
    forms = {form["connection-type"]: form for form in INFO["connection-types"]}
    code = {hook.conn_type: "".join(sources(hook)) for hook in (DbtCloudHook, DatabricksHook)}
    for conn_type, form in forms.items():
        for name in form["conn-fields"]:
            assert f'"{name}"' in code[conn_type], (conn_type, name)


def sources(hook: type[RemoteHook]) -> list[str]:
    """The text of the modules that read a connection."""
    names = (hook.__module__, "airflow_provider_pipehooks.hooks.connection")
    return [
        files(name.rpartition(".")[0]).joinpath(f"{name.rpartition('.')[2]}.py").read_text() for name in names
    ]


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        ([], 0, "usage: pipehooks COMMAND"),
        (["--help"], 0, "usage: pipehooks COMMAND"),
        (["stand-in"], 2, "'stand-in' is not a command"),
    ],
)
def test_the_command_line_says_how_to_use_it(
    argv: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(argv) == code
    printed = capsys.readouterr()
    assert says in (printed.err if code else printed.out)
    for command in __main__.COMMANDS:
        assert command in printed.out + printed.err


@pytest.mark.parametrize("command", __main__.COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


#: Classes that few DAGs use are in modules of their own, which only those DAGs import.
FOR_FEW = (
    "databricks_definitions",
    "databricks_sql",
    "databricks_tasks",
    "databricks_workflow",
    "run_report",
)


@pytest.mark.parametrize(("few", "most"), [(False, 60), (True, 80)], ids=["for most DAGs", "all"])
def test_importing_operators_and_sensors_loads_nothing_heavy(few: bool, most: int) -> None:
    """Airflow imports them to parse a DAG, again and again; what they need at run time is imported then."""
    every = list(dotted([INFO["operators"], INFO["sensors"]]))
    modules = [name for name in every if few or name.rpartition(".")[2] not in FOR_FEW]
    program = (
        "import sys, airflow.sdk; before = set(sys.modules)\n"
        f"import {', '.join(modules)}\n"
        "new = set(sys.modules) - before; print(len(new)); print(*sorted(new))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, names = run.stdout.splitlines()[-2:]
    loaded = [name for name in HEAVY if name in names.split()]
    assert loaded == []
    assert int(count) <= most, names
