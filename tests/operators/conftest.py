"""Pauses that only wait for a remote to carry out a cancel are short against the stand-in."""

from __future__ import annotations

import pytest

from airflow_provider_pipehooks.operators import remote_run


@pytest.fixture(autouse=True)
def quick_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_run, "CONFIRM_POLL_S", 0.01)
