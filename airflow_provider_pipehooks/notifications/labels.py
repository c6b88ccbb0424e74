"""What alerts may be grouped by: Alertmanager's labels. Data only: DAG files are parsed with it."""

from __future__ import annotations

#: Alerts that agree in these become one message, where a sender is at work and nothing else is said.
GROUP_BY = ("fingerprint",)
LABELS = frozenset({"fingerprint", "dag_id", "run_id", "task_id", "class", "service"})
