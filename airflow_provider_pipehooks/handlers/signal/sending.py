"""HOOKS: the door through which Airflow's processes send pipeline events, as the options say."""

from __future__ import annotations

from functools import cache

from airflow_provider_pipehooks.compat.masking import masked_data
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.core.texts import without_secrets
from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.options import read


@cache
def is_on() -> bool:
    """Whether events are sent at all."""
    return bool(read("enable_pipeline_event_signals"))


def name_receivers() -> None:
    """Have the receivers that the options name connected before the first event of this process."""
    paths = (path.strip() for path in read("pipeline_event_receivers").split(","))
    signals.connect_later(path for path in paths if path)


def tell(*events: PipelineEvent) -> None:
    """Send events, if they are switched on. The sender is the DAG id, so receivers may connect to one DAG."""
    if is_on():
        for event in events:
            signals.send(_masked(event), event.data["dag_id"])


def _masked(event: PipelineEvent) -> PipelineEvent:
    """Without what Airflow knows to be secret: a run's conf or an error's text may hold it."""
    data = masked_data(event.data)
    if data.get("ex_data"):
        data["ex_data"] = without_secrets(data["ex_data"])
    return PipelineEvent(event_type=event.event_type, data=data)
