"""Texts that others wrote are made fit to be shown."""

from __future__ import annotations

import pytest

from airflow_provider_pipehooks.core.texts import without_secrets


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("postgres://joe:hunter2@db/x", "postgres://joe:***@db/x"),
        ("bad token dapi0123456789abcdef0123", "bad token dapi***"),
        ("client_secret=abc&x=1", "client_secret=***&x=1"),
        ("Unexpected token customers_2 near line 4", "Unexpected token customers_2 near line 4"),
    ],
)
def test_tokens_are_hidden_and_plain_words_are_not(text: str, told: str) -> None:
    assert without_secrets(text) == told
