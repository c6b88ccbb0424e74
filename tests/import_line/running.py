"""A DAG text with the official imports and with ours, each run for real against one and the same world.

What is compared: that it parses, the states of its tasks, the XComs that the official run leaves, what
callbacks have noted, what was asked of the remotes, and how their runs ended.
"""

from __future__ import annotations

import itertools
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session

from airflow_provider_pipehooks.migrate.rewriting import rewrite
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.dag_runs import run

FOLDER = Path(__file__).parent / "dags"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
_MARK = re.compile(r" \[pipehooks:[0-9a-f]+\]$")
#: That are there before a text is run.
JOBS = {*range(1001, 1008), *range(2001, 2006)}
_numbers = itertools.count()
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\"]*")
#: The official link of a workflow's run leaves out the port, which the real one has not, and the workspace.
_PORT = re.compile(r"(?<=https://localhost):\d+/\?o=1(?=#)")
_DURATION = re.compile(r'("\w*(?:duration|_at_humanized)\w*": )"[^"]*"')
Connect = Callable[..., None]


@dataclass
class Seen:
    """What became of one text.

    :param error: why it did not parse, or could not be run.
    """

    error: str | None = None
    states: dict[str, str] = field(default_factory=dict)
    xcoms: dict[str, Any] = field(default_factory=dict)
    noted: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text()


def shape_of(name: str) -> str:
    """The first line of its documentation."""
    return text_of(name).splitlines()[0].removeprefix('"""Shape: ').removesuffix('."""')


def ours(text: str) -> str:
    return rewrite(text.encode()).data.decode()


def connect_all(connect: Connect, standin: StandIn) -> None:
    """Connections of the official types to a stand-in with TLS, and two that lead nowhere."""
    dbt = {"conn_type": "dbt_cloud", "login": "1", "password": "dbt-token"}
    databricks = {"conn_type": "databricks", "host": "localhost", "password": "dapi-token"}
    for name in ("default", "other"):
        connect(f"dbt_cloud_{name}", host=f"localhost:{standin.port}", **dbt)
        connect(f"databricks_{name}", port=standin.port, **databricks)
    connect("dbt_cloud_wrong", host="localhost:1", **dbt)
    connect("databricks_wrong", port=1, **databricks)


def trusting(standin: StandIn) -> ssl.SSLContext:
    """For ``aiohttp.connector._SSL_CONTEXT_VERIFIED``: aiohttp reads SSL_CERT_FILE once, too early here."""
    return ssl.create_default_context(cafile=str(standin.ca_file))


def set_up(standin: StandIn) -> None:
    """The jobs that the texts name, and nothing else."""
    standin.reset()
    flaky = [Plan(outcome="error"), Plan()]
    slow, bad = Plan(seconds=1), Plan(outcome="error", seconds=0.5)
    dbt: dict[int, dict[str, Any]] = {
        1001: {"name": "good"},
        1002: {"name": "bad", "plan": Plan(outcome="error")},
        1003: {"name": "slow", "plan": slow},
        1004: {"name": "slow and bad", "plan": bad},
        1005: {"name": "long", "plan": Plan(seconds=4)},
        1006: {"name": "flaky", "plans": flaky},
        1007: {"name": "nightly"},
    }
    for job_id, given in dbt.items():
        standin.dbt_cloud.add_job(id=job_id, **given)
    databricks: dict[int, dict[str, Any]] = {
        2001: {"name": "good"},
        2002: {"name": "bad", "plan": Plan(outcome="error")},
        2003: {"name": "slow", "plan": slow},
        2004: {"name": "slow and bad", "plan": bad},
        2005: {"name": "flaky", "plans": flaky},
    }
    for job_id, given in databricks.items():
        standin.databricks_jobs.add_job(id=job_id, **given)
    # The official group fails where its run is over when it looks for the first time.
    standin.databricks_jobs.expect_job("databricks_workflow.flow", plan=Plan(seconds=4))
    standin.databricks_pipelines.add_pipeline("daily sales", id="0d5f9e3c-5b0a-4e0c-9b43-000000000001")


def run_text(text: str, standin: StandIn) -> Seen:
    """Parse it as a DAG file and run every DAG that it makes."""
    set_up(standin)
    seen = Seen()
    module = ModuleType(f"import_line_{next(_numbers)}")
    try:
        exec(compile(text, module.__name__, "exec"), vars(module))
        dags = {each.dag_id: each for each in vars(module).values() if isinstance(each, DAG)}
        for dag_id in sorted(dags):
            finished = run(dags[dag_id])
            seen.states |= {f"{dag_id}.{task}": state for task, state in finished.tasks.items()}
            seen.xcoms |= _xcoms(dag_id, finished.dag_run.run_id)
    except Exception as err:
        seen.error = f"{type(err).__name__}: {err}"
        return seen
    seen.xcoms = _of_any_run(seen.xcoms, standin)
    seen.noted = sorted(map(str, getattr(module, "SEEN", [])))
    seen.asked = sorted(
        f"{entry.path} {_comparable(entry.body)}"
        for entry in standin.journal.find("POST")
        if "token" not in entry.path
    )
    seen.ended = _ended(standin)
    return seen


def _xcoms(dag_id: str, run_id: str) -> dict[str, Any]:
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_id, run_id=run_id).all()
        found = {
            f"{dag_id}.{row.task_id}[{row.map_index}].{row.key}": XComModel.deserialize_value(row)
            for row in rows
        }
    return {key: value for key, value in found.items() if "._link" not in key and value is not None}


def _of_any_run(xcoms: dict[str, Any], standin: StandIn) -> dict[str, str]:
    """Values as text, without times; runs are named by their job: tasks side by side start in any order."""
    runs = [(run_id, run.job_id) for run_id, run in standin.dbt_cloud.runs.items()]
    runs += [(run_id, run.job_id) for run_id, run in standin.databricks_jobs.runs.items()]
    once = {job_id for _, job_id in runs} - JOBS
    texts = {key: json.dumps(value, sort_keys=True, default=str) for key, value in xcoms.items()}
    for run_id, job_id in sorted(runs):
        name = "<one-time run>" if job_id in once else f"<run of job {job_id}>"
        texts = {key: text.replace(str(run_id), name) for key, text in texts.items()}
    for job_id in once:
        texts = {key: text.replace(str(job_id), "<one-time job>") for key, text in texts.items()}
    return {key: _DURATION.sub(r"\1", _PORT.sub("/", _TIME.sub("TIME", text))) for key, text in texts.items()}


def _comparable(body: Any) -> str:
    if not isinstance(body, dict):
        return json.dumps(body)
    # The official workflow group sends lists of parameters that nobody gave, ours does not.
    kept = {
        key: value
        for key, value in body.items()
        if value not in (None, [], {}) and key != "idempotency_token"
    }
    if "cause" in kept:
        kept["cause"] = _MARK.sub("", str(kept["cause"]))
    return json.dumps(_as_texts(kept), sort_keys=True)


def _as_texts(value: Any) -> Any:
    """The official operators send every number as a text; the API takes either."""
    if isinstance(value, dict):
        return {name: _as_texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_texts(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)


def _ended(standin: StandIn) -> list[str]:
    standin.dbt_cloud.settle()
    found = [f"dbt job {run.job_id}: {run.status}" for run in standin.dbt_cloud.runs.values()]
    for each in standin.databricks_jobs.runs.values():
        outcome = each.round.outcome
        found.append(f"databricks job {each.job_id}: {outcome.result_state if outcome else 'goes on'}")
    return sorted(found)


def differences(official: Seen, here: Seen) -> list[str]:
    """What is not the same, a line for each; ours may leave more XComs."""
    if official.error or here.error:
        return [f"official: {official.error}", f"ours: {here.error}"]
    found = []
    for what in ("states", "noted", "asked", "ended"):
        theirs, mine = getattr(official, what), getattr(here, what)
        if theirs != mine:
            found.append(f"{what}: official {theirs}, ours {mine}")
    for key, value in official.xcoms.items():
        if here.xcoms.get(key) != value:
            found.append(f"XCom {key}: official {value!r:.300}, ours {here.xcoms.get(key)!r:.300}")
    return found
