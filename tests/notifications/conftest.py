"""SNS of moto, and an outbox, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_pipehooks.notifications.outbox import Outbox
from tests.aws import moto_url, queue, topic

__all__ = ["moto_url", "queue", "topic"]


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """The one that the option names."""
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", str(tmp_path / "outbox"))
    return Outbox()
