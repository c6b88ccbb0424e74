"""The README and the pages tell the truth: code runs, commands parse, names exist, links lead somewhere."""

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
PACKAGE = ROOT / "airflow_provider_pipehooks"
#: Pages with tests of their own.
OWN_TESTS = {"state_handlers.md", "node_hooks.md", "signals.md"}
PAGES = {
    page.name: page.read_text()
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.name not in OWN_TESTS
}
BLOCKS = [
    (name, block)
    for name, text in PAGES.items()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
COMMANDS = [
    line
    for text in PAGES.values()
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for line in block.splitlines()
]
QUOTED = [
    quoted
    for text in PAGES.values()
    for quoted in re.findall(
        r"<!-- \[start (\w+)\] -->\n```python\n(.*?)```\n<!-- \[end \w+\] -->", text, re.DOTALL
    )
]
URL = "https://github.com/pipehooks/airflow-provider-pipehooks"


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
    assert f"| `{name}` | {default} | {option.description} |" in PAGES["options_and_metrics.md"]


def test_every_metric_is_listed() -> None:
    sent = set()
    for path in (ROOT / "airflow_provider_pipehooks").rglob("*.py"):
        sent |= set(re.findall(r'\b(?:count|gauge|timing)\("(\w+)"', path.read_text()))
    assert {"waits", "rounds", "requests", "refused_429", "lag", "hook_failures"} <= sent
    assert [
        name for name in sorted(sent) if f"`pipehooks.{name}`" not in PAGES["options_and_metrics.md"]
    ] == []


@pytest.mark.parametrize("name", ["dbt_build.txt", "databricks_run.txt", "pipeline_update.txt"])
def test_the_readme_shows_alerts_as_they_arrived(name: str) -> None:
    text = (ROOT / "tests/notifications/golden" / name).read_text().rstrip("\n")
    assert text[text.index("\nTask ") :] in PAGES["README.md"]


def test_the_summary_of_a_report_is_shown_as_it_is_sent() -> None:
    text = (ROOT / "tests/notifications/golden/run_report.txt").read_text()
    assert f"```text\n{text}```" in PAGES["report.md"]


def test_something_is_quoted() -> None:
    assert QUOTED


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=[f"{page}-{at}" for at, (page, _) in enumerate(BLOCKS)]
)
def test_every_python_block_runs(page: str, block: str) -> None:
    names: dict[str, object] = {}
    exec(compile(block, page, "exec"), names)
    assert "airflow_provider_pipehooks" in block


def test_the_tutorials_dag_has_its_five_tasks() -> None:
    (block,) = [block for _, block in BLOCKS if '"tutorial"' in block]
    names: dict[str, object] = {}
    exec(compile(block, "start.md", "exec"), names)
    dag = names["trigger_1"].dag  # type: ignore[attr-defined]
    assert isinstance(dag, DAG)
    assert set(dag.task_dict) == {"trigger_1", "verify_1", "trigger_2", "verify_2", "notify_if_one_failed"}
    assert vars(dag.task_dict["verify_1"])["dbt_cloud_conn_id"] == "dbt_api"


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


def rows(title: str, page: str = "operators.md") -> list[list[str]]:
    """The cells of the table whose header line has the title."""
    table = PAGES[page].split(title, 1)[1].split("\n\n", 1)[0]
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


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = "".join([*PAGES.values(), (ROOT / "CONTRIBUTING.md").read_text()])
    assert set(re.findall(r"`make ([\w-]+)`", named)) <= targets


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 160


# --- links ------------------------------------------------------------------------------------------------

LINKED = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_something(page: Path) -> None:
    """Links of the README are whole addresses, since the package index shows it too."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(f"{URL}/blob/main/"):
            target = ROOT / link.removeprefix(f"{URL}/blob/main/")
        elif link.startswith("http"):
            continue
        else:
            assert page.name != "README.md", f"{link} would lead nowhere on the package index"
            target = page.parent / link if not link.startswith("#") else page
        file, _, anchor = str(target).partition("#")
        anchor = anchor or link.partition("#")[2]
        assert Path(file).exists(), link
        assert not anchor or anchor in anchors(Path(file)), link


def test_every_page_is_in_the_index() -> None:
    index = PAGES["index.md"]
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if f"({page})" not in index and page.name != "index.md"] == []


# --- the walk ---------------------------------------------------------------------------------------------


#: A function, class or method of this name, or a constant.
DEFINED = r"^(?:\s*(?:class|def|async def) )?{}\b"


def test_the_walk_leads_to_files_that_have_what_it_names() -> None:
    walk = rows("| question | file | look for |", "walk.md")
    assert len(walk) == 12
    for question, files, names in walk:
        texts = [(PACKAGE / file).read_text() for file in re.findall(r"`([\w/.]+)`", files)]
        found = [
            {
                name
                for name in re.findall(r"`(\w+)`", names)
                if re.search(DEFINED.format(name), text, re.MULTILINE)
            }
            for text in texts
        ]
        assert set().union(*found) == set(re.findall(r"`(\w+)`", names)), question
        assert all(found), f"{question}: a file has none of what is looked for"


def test_the_map_of_contributing_has_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = [each.name for each in PACKAGE.iterdir() if (each / "__init__.py").exists()]
    assert [room for room in rooms if f"`{room}`" not in text] == []
