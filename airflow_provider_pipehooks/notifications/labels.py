"""What alerts may be grouped by: Alertmanager's labels. Data only: DAG files are parsed with it."""

from __future__ import annotations

#: Alerts that agree in these become one message, where a sender is at work and nothing else is said.
GROUP_BY = ("fingerprint",)
#: SNS delivers no more than ten to a queue; the alert's id and its state come to these.
MOST_ATTRIBUTES = 8
#: Those that are sent as attributes, for subscription filters, the most useful first.
SENT = ("dag_id", "service", "class", "fingerprint")
LABELS = frozenset({"fingerprint", "dag_id", "run_id", "task_id", "class", "service"})
