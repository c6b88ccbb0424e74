"""The command line: ``pipehooks`` or ``python -m airflow_provider_pipehooks``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

from airflow_provider_pipehooks import __version__

#: Command -> module with ``run(argv) -> exit code``, and what it does.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "standin": ("standin.command", "play dbt Cloud and Databricks Jobs on this machine"),
    "hooks": ("handlers.event.replay", "run event hooks of Databricks pipelines over recorded events"),
    "outbox": ("notifications.command", "send the alerts that lie in the outbox, or list them"),
    "check": ("checks.command", "try the connections and the way of an alert, before the first incident"),
    "history": ("reporting.command", "remember the runs of dbt Cloud and Databricks as files"),
    "runs": ("reporting.runs_command", "list or follow the runs of dbt Cloud or Databricks"),
    "migrate": ("migrate.command", "change the imports of DAG files from the official providers to ours"),
    "report": (
        "reporting.report_command",
        "what the history says of the last days, as HTML, PNG, JSON or CSV",
    ),
    "demo": ("demo.command", "run the example DAGs on a real Airflow against the stand-in"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    :return: the exit code: 0 all well, 1 it ran and something went wrong, 2 it was called wrongly.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        module, _ = COMMANDS[argv[0]]
        code: int = import_module(f"airflow_provider_pipehooks.{module}").run(argv[1:])
        return code
    if argv and argv[0] in ("-V", "--version"):
        print(f"pipehooks {__version__}")
        return 0
    wrong = bool(argv) and argv[0] not in ("-h", "--help")
    lines = [f"pipehooks: {argv[0]!r} is not a command."] if wrong else []
    lines += ["usage: pipehooks COMMAND [options]", ""]
    lines += [f"  {name:<9}{what}" for name, (_, what) in COMMANDS.items()]
    print("\n".join(lines), file=sys.stderr if wrong else sys.stdout)
    return 2 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
