from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_pipehooks.process_wide import forget
from tests.handlers.node.nodes import TOLD, Told, receivers


@pytest.fixture(autouse=True)
def told() -> Told:
    """What was called, in order; empty at first."""
    TOLD.clear()
    return TOLD


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals are sent, and written down."""
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ENABLE_PIPELINE_EVENT_SIGNALS", "True")
    forget()
    with receivers():
        yield
    forget()
