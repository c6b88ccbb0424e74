"""What alerts may be grouped by: Alertmanager's labels. DAG files are parsed with it."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_pipehooks.core.errors import ConfigurationError

#: Alerts that agree in these become one message, where a sender is at work and nothing else is said.
GROUP_BY = ("fingerprint",)
#: SNS delivers no more than ten to a queue; the alert's id and its state come to these.
MOST_ATTRIBUTES = 8
#: Those that are sent as attributes, for subscription filters, the most useful first.
SENT = ("dag_id", "severity", "service", "class", "fingerprint")
LABELS = frozenset({"fingerprint", "dag_id", "run_id", "task_id", "class", "service", "severity"})
#: PagerDuty's, the worst first.
SEVERITIES = ("critical", "error", "warning", "info")
SEVERITY = "error"
#: How a message is written: for people, or as JSON for PagerDuty and Alertmanager.
FORMS = ("text", "json")


def one_of(known: Sequence[str], **given: str) -> str:
    """The one argument, if it is a word that is known.

    :raises ConfigurationError: it is not; names the argument and what is known.
    """
    ((name, value),) = given.items()
    if value not in known:
        raise ConfigurationError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}.")
    return value
