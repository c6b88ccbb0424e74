"""What Airflow knows to be secret, hidden from what leaves a process or is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.core.texts import without_secrets


def masked_text(text: str) -> str:
    """Without what Airflow knows to be secret, and what looks like it."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]

    return without_secrets(str(redact(text)))


def masked_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same for values, by what Airflow knows alone: its names of keys are secret, too."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]

    masked: Any = redact(dict(data))
    return dict(masked)


def without_known_secrets(text: str) -> str:
    """A text without what Airflow knows to be secret, such as the passwords of connections it has read."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]

    return str(redact(text))
