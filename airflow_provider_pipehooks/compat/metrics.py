"""Airflow's metrics, under names that begin with ``pipehooks.``; docs/options_and_metrics.md lists them."""

from __future__ import annotations

from airflow_provider_pipehooks.core.events import HookProgress


def count(metric: str, count: int = 1, **tags: str) -> None:
    """Add to a counter."""
    from airflow.observability import stats

    stats.incr(f"pipehooks.{metric}", count, tags=tags)


def gauge(metric: str, value: float, **tags: str) -> None:
    """Say what a value is now."""
    from airflow.observability import stats

    stats.gauge(f"pipehooks.{metric}", value, tags=tags)


def timing(metric: str, seconds: float, **tags: str) -> None:
    """Say how long something took; sent in milliseconds, as Airflow's own timings are."""
    from airflow.observability import stats

    stats.timing(f"pipehooks.{metric}", seconds * 1000, tags=tags)


def count_failure(progress: HookProgress) -> None:
    """A failure of a hook."""
    count("hook_failures", hook=progress.hook_name, state=progress.state)
