"""The steps, logs and artifacts of a simulated run: what dbt would have left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.standin.dbt_cloud.run import (
    CANCELLED,
    ERROR,
    RUNNING,
    SUCCESS,
    Run,
    Step,
)

SCHEMA = "https://schemas.getdbt.com/dbt/run-results/v6.json"

#: unique id, file, status, message, failing rows
GOOD_NODES = (
    ("model.analytics.stg_orders", "models/staging/stg_orders.sql", "success", "OK", None),
    ("model.analytics.fct_orders", "models/marts/fct_orders.sql", "success", "OK", None),
    ("test.analytics.not_null_fct_orders_order_id.3c1f", "models/schema.yml", "pass", None, 0),
)
BAD_NODES = (
    ("model.analytics.stg_orders", "models/staging/stg_orders.sql", "success", "OK", None),
    (
        "test.analytics.not_null_stg_orders_customer_id.81cf",
        "models/schema.yml",
        "fail",
        "Got 3 results, configured to fail if != 0",
        3,
    ),
    (
        "model.analytics.fct_orders",
        "models/marts/fct_orders.sql",
        "error",
        "Database Error in model fct_orders (models/marts/fct_orders.sql)\n"
        '  column "amount_eur" does not exist',
        None,
    ),
    ("model.analytics.customer_report", "models/marts/customer_report.sql", "skipped", None, None),
)

OK_LOG = "Running with dbt=1.11.0\nFinished running 2 models, 1 test.\nCompleted successfully\n"
ERROR_LOG = (
    "Running with dbt=1.11.0\n"
    "Completed with 2 errors, 0 partial successes, and 0 warnings:\n\n"
    "Failure in test not_null_stg_orders_customer_id (models/schema.yml)\n"
    "  Got 3 results, configured to fail if != 0\n\n"
    "Database Error in model fct_orders (models/marts/fct_orders.sql)\n"
    '  column "amount_eur" does not exist\n\n'
    "Done. PASS=1 WARN=0 ERROR=2 SKIP=1 NO-OP=0 TOTAL=4\n"
)


def steps_of(run: Run) -> list[Step]:
    """The steps as they are now; a real run brings its own."""
    if run.is_real:
        return run.steps
    if run.started_at is None:
        return []
    if run.is_terminal and run.steps:
        return run.steps
    given = run.plan.details.get("steps")
    steps = given_steps(run, given) if given is not None else usual_steps(run)
    attach_results(run, steps)
    run.steps = steps
    return steps


def usual_steps(run: Run) -> list[Step]:
    """Preparation, then one step per command up to the one that failed or is at work.

    The failure is in the first command; what comes after a failure is not run.
    """
    steps = [
        Step(
            1,
            "Clone Git Repository",
            SUCCESS,
            logs="Cloning into '/tmp/jobs/target'...\nSuccessfully cloned.\n",
        ),
        Step(2, "Create Profile from Connection DuckDB", SUCCESS, logs="Generated profiles.yml.\n"),
    ]
    status = run.status if run.status in (SUCCESS, ERROR, CANCELLED) else RUNNING
    for index, command in enumerate(run.commands, start=3):
        logs = ERROR_LOG if status == ERROR else OK_LOG if status == SUCCESS else "Running with dbt=1.11.0\n"
        steps.append(Step(index, f"Invoke dbt with `{command}`", status, command=command, logs=logs))
        if status != SUCCESS:
            break
    return [timed(step, run) for step in steps]


def given_steps(run: Run, given: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps a plan spells out: ``{"name", "status", "logs", "debug_logs", "run_results"}`` each."""
    return [timed(given_step(index, data), run) for index, data in enumerate(given, start=1)]


def given_step(index: int, data: Mapping[str, Any]) -> Step:
    """One step of a plan; missing keys mean a step that went well and said nothing."""
    name = str(data.get("name", f"Step {index}"))
    command = name.partition("`")[2].rstrip("`") or None
    results = data.get("run_results")
    return Step(
        index,
        name,
        int(data.get("status", SUCCESS)),
        command=command,
        logs=str(data.get("logs", "")),
        debug_logs=str(data.get("debug_logs", "")),
        files={} if results is None else {"run_results.json": json.dumps(results).encode()},
    )


def timed(step: Step, run: Run) -> Step:
    """The same step with times inside the run's."""
    step.started_at = run.started_at
    step.finished_at = run.finished_at if step.status in (ERROR, CANCELLED) else run.started_at
    step.debug_logs = step.debug_logs or f"{step.logs}debug: end of {step.name}\n"
    return step


def attach_results(run: Run, steps: Sequence[Step]) -> None:
    """Give the failed step, or the last dbt step, its artifacts once the run has ended."""
    # A cancelled or timed-out run was stopped before dbt could write its results.
    if run.status not in (SUCCESS, ERROR):
        return
    for step in steps:
        if step.command is None or step.files:
            continue
        if "run_results" in run.plan.details:
            results = run.plan.details["run_results"]
        elif run.plan.details.get("steps") is not None:
            results = None
        else:
            results = run_results(step.command, BAD_NODES if step.status == ERROR else GOOD_NODES)
        if results is not None:
            step.files = {
                "manifest.json": json.dumps(manifest(results)).encode(),
                "run_results.json": json.dumps(results).encode(),
            }


def run_results(command: str, nodes: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """A ``run_results.json`` of schema v6."""
    which = command.split()[1] if len(command.split()) > 1 else "build"
    return {
        "metadata": {
            "dbt_schema_version": SCHEMA,
            "dbt_version": "1.11.0",
            "generated_at": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
            "invocation_id": "6d0b1b52-6c7f-4a3c-9f0e-7f8f0f6f4c11",
            "env": {},
        },
        "results": [result(*node) for node in nodes],
        "elapsed_time": 4.2,
        "args": {"which": which},
    }


def result(
    unique_id: str, file: str, status: str, message: str | None, failures: int | None
) -> dict[str, Any]:
    """One entry of ``results``; the file is for the manifest."""
    return {
        "status": status,
        "timing": [],
        "thread_id": "Thread-1 (worker)",
        "execution_time": 0.0 if status == "skipped" else 0.31,
        "adapter_response": {},
        "message": message,
        "failures": failures,
        "unique_id": unique_id,
        "compiled": status != "skipped",
        "compiled_code": f"-- {file}",
        "relation_name": None,
        "batch_results": None,
    }


def manifest(results: Any) -> dict[str, Any]:
    """As much of a ``manifest.json`` as names the nodes of the results."""
    files = {node[0]: node[1] for node in (*GOOD_NODES, *BAD_NODES)}
    entries = results.get("results", []) if isinstance(results, Mapping) else []
    ids = [entry["unique_id"] for entry in entries if isinstance(entry, Mapping) and "unique_id" in entry]
    return {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {
            unique_id: {
                "unique_id": unique_id,
                "name": unique_id.split(".")[2] if unique_id.count(".") > 1 else unique_id,
                "resource_type": unique_id.partition(".")[0],
                "original_file_path": files.get(unique_id, ""),
            }
            for unique_id in ids
        },
    }
