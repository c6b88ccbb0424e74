"""The README tells the truth: its code runs, its commands parse, its names exist."""

from __future__ import annotations

import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from airflow.sdk import DAG, Connection

from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.options import OPTIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
]
QUOTED = re.findall(r"<!-- \[start (\w+)\] -->\n```python\n(.*?)```\n<!-- \[end \w+\] -->", README, re.DOTALL)


@pytest.mark.parametrize(("name", "quoted"), QUOTED, ids=[name for name, _ in QUOTED])
def test_a_quoted_dag_is_the_one_in_its_file(name: str, quoted: str) -> None:
    source = (ROOT / "dags" / f"{name}.py").read_text()
    marked = re.search(rf"# \[start {name}\]\n(.*)# \[end {name}\]", source, re.DOTALL)
    assert marked is not None
    assert quoted == marked.group(1)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_listed_with_its_default(name: str) -> None:
    option = OPTIONS[name]
    default = f"`{option.default}`" if option.default else ""
    assert f"| `{name}` | {default} | {option.description} |" in README


def test_every_metric_is_listed() -> None:
    sent = set()
    for path in (ROOT / "airflow_provider_pipehooks").rglob("*.py"):
        sent |= set(re.findall(r'\b(?:count|gauge|timing)\("(\w+)"', path.read_text()))
    assert {"waits", "rounds", "requests", "refused_429", "lag", "hook_failures"} <= sent
    assert [name for name in sorted(sent) if f"`pipehooks.{name}`" not in README] == []


def test_something_is_quoted() -> None:
    assert QUOTED


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_python_block_runs(block: str) -> None:
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert "airflow_provider_pipehooks" in block


def test_the_tutorials_dag_has_its_five_tasks() -> None:
    (block,) = [block for block in BLOCKS if '"tutorial"' in block]
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    dag = names["trigger_1"].dag  # type: ignore[attr-defined]
    assert isinstance(dag, DAG)
    assert set(dag.task_dict) == {"trigger_1", "verify_1", "trigger_2", "verify_2", "notify_if_one_failed"}
    assert dag.task_dict["verify_1"].dbt_cloud_conn_id == "dbt_api"  # type: ignore[attr-defined]


CONNECTIONS = [shlex.split(line) for line in COMMANDS if line.startswith("airflow connections add")]


@pytest.mark.parametrize("words", CONNECTIONS, ids=[words[3] for words in CONNECTIONS])
def test_every_connection_line_makes_a_connection_that_the_hook_reads(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.cli.cli_parser import get_parser

    arguments = get_parser().parse_args(words[1:])
    conn = Connection(
        conn_id=arguments.conn_id,
        conn_type=arguments.conn_type,
        host=arguments.conn_host,
        login=arguments.conn_login,
        password=arguments.conn_password,
        extra=arguments.conn_extra,
    )
    monkeypatch.setenv("AIRFLOW_VAR_DBT_ACCOUNT_ID", "12345")
    monkeypatch.setenv("AIRFLOW_VAR_SECRET_DBT_TOKEN", "a-token")
    if conn.conn_type == "aws":
        assert json.loads(arguments.conn_extra)["region_name"]
        return
    hook = DbtCloudHook() if "dbt" in conn.conn_id else DatabricksHook()
    target = hook.read_connection(conn)
    assert target.base_url.startswith("https://")
    assert target.account_id == (12345 if "dbt" in conn.conn_id else None)


def rows(title: str) -> list[list[str]]:
    """The cells of the table whose header line has the title."""
    table = README.split(title, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_name_in_the_table_of_modules_exists() -> None:
    module = ""
    for modules, names, _ in rows("| module | name |"):
        module = modules or module
        found: set[str] = set()
        for path in re.findall(r"`([\w.]+)`", module):
            found |= set(dir(import_module(f"airflow_provider_pipehooks.{path}")))
        assert set(re.findall(r"`(\w+)", names)) <= found


def test_every_exception_in_the_table_exists() -> None:
    errors = import_module("airflow_provider_pipehooks.core.errors")
    told = {re.sub(r".*\.", "", name.strip("`")) for name, _ in rows("| exception | when |")}
    assert told <= set(dir(errors))
    assert {"RunFailed", "RunCancelled", "WaitTimedOut"} <= told


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)`", README)) <= targets
