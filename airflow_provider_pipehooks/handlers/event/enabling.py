"""HOOKS: ``pipehooks hooks enable``: switches hooks of a waiting task on, once their cause is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.errors import ConfigurationError

if TYPE_CHECKING:
    # a task that waits reads this file's key; it needs no command line
    import argparse

#: In the task's state store; the task looks there before it reads on, and takes it away.
ENABLE_KEY = "pipehooks_hooks_enable"


def add_parser(commands: Any) -> None:
    """The command's arguments."""
    enable = commands.add_parser(
        "enable",
        help="switch disabled hooks of a waiting task on again",
        description="Run it where Airflow's own commands run: it writes to the task's state store. "
        f"Elsewhere PUT {{'value': {{'hooks': []}}}} to .../taskInstances/TASK/state-store/{ENABLE_KEY}.",
    )
    for name in ("dag_id", "run_id", "task_id"):
        enable.add_argument(name)
    enable.add_argument("--map-index", type=int, default=-1, help="of a mapped task")
    enable.add_argument("--hook", action="append", default=[], help="its name; all that are off without it")


def enable(given: argparse.Namespace) -> int:
    """Ask the task to switch its hooks on.

    :return: 0.
    :raises ConfigurationError: there is no such task instance.
    """
    from airflow_provider_pipehooks.compat.database import remember_for

    task = (given.dag_id, given.run_id, given.task_id, given.map_index)
    if not remember_for(*task, key=ENABLE_KEY, record={"hooks": given.hook}):
        raise ConfigurationError(
            f"There is no task {given.task_id!r} with index {given.map_index} in run {given.run_id!r} of DAG "
            f"{given.dag_id!r}."
        )
    named = ", ".join(given.hook) or "all hooks that are off"
    print(f"{named}: switched on when the task reads on in its event log.")
    return 0
