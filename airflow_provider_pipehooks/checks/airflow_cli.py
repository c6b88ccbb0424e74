"""``airflow pipehooks check``: read whenever Airflow's command line starts, so it imports little."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def commands() -> list[CLICommand]:
    """Our group of commands, for the key ``cli`` of the provider's metadata."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    from airflow_provider_pipehooks.checks.arguments import ARGUMENTS, HELP

    check = ActionCommand(
        name="check",
        help=HELP,
        func=lazy_load_command("airflow_provider_pipehooks.checks.command.in_airflow"),
        args=[Arg((flag,), **about) for flag, about in ARGUMENTS.items()],  # type: ignore[no-untyped-call]
    )
    return [GroupCommand(name="pipehooks", help="Alerts, dbt Cloud and Databricks", subcommands=(check,))]
