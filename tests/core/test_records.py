"""One tolerance for all that is stored."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.core.records import FLAG, NUMBER, TEXT, known, reading, stored_only


def test_unknown_keys_are_left_out_and_missing_ones_stay_missing() -> None:
    assert known({"a": 1, "colour": "blue"}, {"a": NUMBER, "b": TEXT}) == {"a": 1}


@pytest.mark.parametrize("record", [None, [], "text", {"a": "1"}, {"a": True}, {"a": None}])
def test_another_type_is_refused(record: Any) -> None:
    with pytest.raises(TypeError):
        known(record, {"a": NUMBER})


def test_a_bool_is_a_bool_where_one_is_meant() -> None:
    assert known({"a": True}, {"a": FLAG}) == {"a": True}


@pytest.mark.parametrize(
    "error", [KeyError("x"), IndexError(), OverflowError(), AttributeError(), TypeError()]
)
def test_whatever_goes_wrong_quotes_the_record_in_a_line(error: Exception) -> None:
    with (
        pytest.raises(ValueError, match=r"^Not the record of a thing: \{'a': 1\} \(") as raised,
        reading("a thing", {"a": 1}),
    ):
        raise error
    assert raised.value.__cause__ is error


def test_a_long_record_is_cut() -> None:
    with pytest.raises(ValueError, match="Not the record") as raised, reading("a thing", "x" * 10_000):
        raise KeyError("x")
    assert len(str(raised.value)) < 400


def test_what_is_no_data_error_passes() -> None:
    with pytest.raises(OSError, match="disk"), reading("a thing", {}):
        raise OSError("disk")


def test_a_wrong_keyword_is_refused_unless_a_newer_version_has_stored_it() -> None:
    stored_only({}, "Thing")
    stored_only({"v": 2, "colour": "blue"}, "Thing")
    with pytest.raises(TypeError, match=r"Thing\(\) got an unexpected keyword argument 'colour'"):
        stored_only({"colour": "blue"}, "Thing")
