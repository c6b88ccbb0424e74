"""Message attributes: SNS takes whatever users write into them."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.notifications.attributes import fit_attributes, size_of
from airflow_provider_pipehooks.notifications.message import MESSAGE_BYTES

VALUES = [
    ("red", "red"),
    (True, "true"),
    (3, 3),
    (0, 0),
    (0.5, 0.5),
    (float("nan"), "nan"),
    (b"\x00", b"\x00"),
    (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
    ({"a": 1}, '{"a": 1}'),
    (["a", 1, True, None, b"b"], ["a", 1, True, None, "b"]),
    (("a",), ["a"]),
    ("a\x00\ud800", "a\ufffd\ufffd"),
]
NAMES = [
    ("team", "team"),
    ("data owner", "data_owner"),
    ("Übermut", "_bermut"),
    ("a..b.", "a.b"),
    ("AWS.x", "_AWS.x"),
    ("amazon.x", "_amazon.x"),
    ("n" * 300, "n" * 256),
]


@pytest.mark.parametrize(("value", "sent"), VALUES)
def test_a_value_is_sent_as_what_it_says(value: Any, sent: Any) -> None:
    assert fit_attributes({"a": value}) == {"a": sent}


@pytest.mark.parametrize("value", ["", None, b"", [], set()])
def test_nothing_is_left_out(value: Any) -> None:
    assert fit_attributes({"a": value, "b": 1}) == {"b": 1}


@pytest.mark.parametrize(("name", "sent"), NAMES)
def test_a_name_is_made_to_fit(name: str, sent: str) -> None:
    assert fit_attributes({name: 1}) == {sent: 1}


def test_the_text_keeps_half_the_room() -> None:
    assert list(fit_attributes({"a": "x" * 100_000, "b": "x" * 100_000, "c": "x"})) == ["a", "c"]


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(st.characters()), _anything, max_size=6))
def test_whatever_is_given_can_be_sent(given_: dict[str, Any]) -> None:
    fit = fit_attributes(given_)
    assert sum(size_of(name, value) for name, value in fit.items()) <= MESSAGE_BYTES // 2
    for name, value in fit.items():
        assert re.fullmatch(r"(?!\.|(?i:aws|amazon)\.)(?!.*\.\.)[\w.-]{1,256}(?<!\.)", name, re.ASCII)
        assert value not in ("", b"", [])
        assert isinstance(value, (str, bytes, int, float, list))
        assert not isinstance(value, bool)
        if not isinstance(value, bytes):
            json.dumps(value).encode()
