"""The small form of ``python -m tests.reporting.scale_lane``."""

from __future__ import annotations

from math import ceil

import pytest

from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import StandIn
from tests.reporting.scale import PAGES, Past


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("service", PAGES)
def test_two_thousand_runs_are_as_the_raw_json_says(standin: StandIn, history: History, service: str) -> None:
    past = Past(standin, service)
    past.fill(2_000, days=10)
    assert sync_history(service, history=history, days=11).runs == 2_000
    assert past.differences(history) == []
    standin.journal.clear()
    past.go_on(60)
    sync_history(service, history=history, days=11)
    most = ceil(60 / PAGES[service]) + ceil(len(past.open_ids) / PAGES[service]) + 1
    assert past.requests() <= most
    assert past.differences(history) == []
