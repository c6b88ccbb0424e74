"""SNS of moto for the tests of this folder."""

from __future__ import annotations

from tests.aws import moto_url, topic

__all__ = ["moto_url", "topic"]
