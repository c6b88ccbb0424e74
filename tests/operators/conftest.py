"""Pauses that only wait for a remote to carry out a cancel are short against the stand-in."""

from __future__ import annotations

import pytest

from airflow_provider_pipehooks.core import watch


@pytest.fixture(autouse=True)
def quick_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CONFIRM_POLL_S", 0.01)
