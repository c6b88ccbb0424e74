"""The ``[pipehooks]`` options: what each is, its default, and how it is read. Data first, no side effects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

SECTION = "pipehooks"


@dataclass(frozen=True)
class Option:
    """One option of ``[pipehooks]`` in airflow.cfg.

    :param kind: Airflow's word for the type: ``float``, ``integer``, ``boolean`` or ``string``.
    """

    kind: str
    default: str
    description: str


OPTIONS: Mapping[str, Option] = {
    "dbt_cloud_requests_per_minute": Option(
        "float",
        "3000",
        "How many requests a minute one triggerer sends to one dbt Cloud account. dbt Cloud documents 5,000.",
    ),
    "databricks_requests_per_second": Option(
        "float",
        "25",
        "How many requests a second one triggerer sends to one Databricks workspace, reads of single runs "
        "apart. Databricks documents 30 for listing runs.",
    ),
    "databricks_run_reads_per_second": Option(
        "float",
        "80",
        "How many single runs a second one triggerer reads in one Databricks workspace. Databricks documents "
        "100.",
    ),
    "enable_pipeline_event_signals": Option(
        "boolean", "False", "Send pipeline_event signals. The name is Bamboo's."
    ),
    "pipeline_event_receivers": Option(
        "string",
        "",
        "Receivers of pipeline_event signals: dotted paths of functions, separated by commas.",
    ),
    "pipeline_event_queue_size": Option(
        "integer",
        "1000",
        "How many events may wait for slow receivers in the scheduler or API server; more are dropped.",
    ),
    "enable_control_plane": Option(
        "boolean",
        "False",
        "Tell receivers what people do through the UI and the REST API, and who: pause, trigger, clear, ...",
    ),
    "enable_listener": Option(
        "boolean",
        "False",
        "Tell receivers what every task of every DAG does. With any listener, Airflow refuses DAGs that have "
        "tasks with end_from_trigger.",
    ),
    "outbox": Option(
        "string",
        "",
        "Folder in which alerts lie until they are sent: a path that all workers share, or an address such "
        "as s3://aws_default@bucket/alerts. By default pipehooks/outbox in AIRFLOW_HOME.",
    ),
    "alert_group_wait": Option(
        "float",
        "30",
        "Seconds that the first failure of a group waits for others, where a sender is at work.",
    ),
    "alert_group_interval": Option(
        "float", "300", "Seconds between two messages about a group of failures to which something was added."
    ),
    "alert_repeat_interval": Option(
        "float", "14400", "Seconds after which failures that have not recovered are told again."
    ),
    "alert_fallback": Option(
        "string",
        "",
        "What gets an alert that Amazon SNS did not take: dotted path of a function, called with subject, "
        "body and alert_id. The alert stays in the outbox, too.",
    ),
    "history": Option(
        "string",
        "",
        "Folder of the history of runs: a path, or an address such as s3://aws_default@bucket/history. By "
        "default pipehooks/history in AIRFLOW_HOME.",
    ),
    "history_retention_days": Option(
        "float",
        "0",
        "How many days the history of runs is kept; older days are deleted by a sync or a compaction. 0 "
        "keeps all.",
    ),
    "page": Option(
        "boolean",
        "False",
        "Show a page in Airflow's UI: runs, alerts, hooks and figures, to each user those of their DAGs.",
    ),
    "listener_rules": Option(
        "string", "", "Path of a TOML file that says which transitions of which DAGs call which action."
    ),
}


def read(name: str) -> Any:
    """The value of an option, in its type.

    :raises KeyError: no such option.
    :raises ValueError: the value in airflow.cfg is not of the option's type; Airflow names section and key.
    """
    from airflow.sdk.configuration import conf

    option = OPTIONS[name]
    getters = {"float": conf.getfloat, "integer": conf.getint, "boolean": conf.getboolean, "string": conf.get}
    # A fallback is given in its own type: Airflow does not convert it.
    return getters[option.kind](SECTION, name, fallback=_typed(option))


def _typed(option: Option) -> Any:
    kinds: dict[str, Callable[[str], Any]] = {
        "float": float,
        "integer": int,
        "boolean": lambda text: text == "True",
        "string": str,
    }
    return kinds[option.kind](option.default)


def without_effect() -> Iterator[str]:
    """What is set, but does nothing as it stands; a sentence for each, with what to do."""
    for name in sorted(_set_names() - set(OPTIONS)):
        near = get_close_matches(name, OPTIONS, n=1)
        hint = f"Do you mean {near[0]}?" if near else f"Known are {', '.join(OPTIONS)}."
        yield f"[{SECTION}] {name} is not an option. {hint}"
    for name, switch in _NEEDS.items():
        if read(name) and not read(switch):
            yield f"[{SECTION}] {name} is set, but nobody can be told: set {switch} as well."
    if (size := read("pipeline_event_queue_size")) < 1:
        yield f"[{SECTION}] pipeline_event_queue_size is {size}, taken for 1: most events are dropped."


#: What does nothing without another option.
_NEEDS = {
    "pipeline_event_receivers": "enable_pipeline_event_signals",
    "listener_rules": "enable_listener",
    "enable_control_plane": "enable_pipeline_event_signals",
}


def _set_names() -> set[str]:
    """Of the whole section, in airflow.cfg and in the environment."""
    from airflow.sdk.configuration import conf

    prefix = f"AIRFLOW__{SECTION.upper()}__"
    given = {name.removeprefix(prefix) for name in os.environ if name.startswith(prefix)}
    # Airflow's own suffixes, for a value that a command or a secrets backend gives.
    given = {name.removesuffix("_CMD").removesuffix("_SECRET").lower() for name in given}
    return given | set(conf.getsection(SECTION) or ())


def config_section() -> dict[str, Any]:
    """The section as Airflow's provider metadata wants it."""
    return {
        SECTION: {
            "description": "Settings of the pipehooks provider.",
            "options": {
                name: {
                    "description": option.description,
                    "version_added": "0.1.0",
                    "type": option.kind,
                    "example": None,
                    "default": option.default,
                }
                for name, option in OPTIONS.items()
            },
        }
    }
