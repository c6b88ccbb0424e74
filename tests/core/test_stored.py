"""What core stores is read by versions before and after, and anything else is a ValueError."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.records import VERSION_KEY
from tests.core.anything import bounded, objects, values
from tests.core.stored import FORMATS, without_versions


@pytest.mark.parametrize("name", FORMATS)
def test_yesterdays_record_says_the_same_today(name: str) -> None:
    form = FORMATS[name]
    again = form.write(form.read(form.yesterday))
    assert again[VERSION_KEY] == 1
    assert as_far_as(form.yesterday, without_versions(again)) == form.yesterday


def as_far_as(yesterday: Any, today: Any) -> Any:
    """Today's record without the keys that yesterday's did not have."""
    if not isinstance(yesterday, dict):
        return today
    return {key: as_far_as(value, today[key]) for key, value in yesterday.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_tomorrows_record_is_read_without_what_is_not_known_yet(name: str) -> None:
    form = FORMATS[name]
    tomorrows = {VERSION_KEY: 2, "colour": {"new": [1, "x"]}, **form.yesterday}
    assert form.read(tomorrows) == form.read(form.yesterday)


@pytest.mark.parametrize("name", FORMATS)
@bounded
@given(data=st.data())
def test_anything_else_is_read_or_a_value_error(name: str, data: st.DataObject) -> None:
    form = FORMATS[name]
    key = data.draw(st.sampled_from(sorted(form.yesterday)))
    for record in (data.draw(values), data.draw(objects), {**form.yesterday, key: data.draw(values)}):
        try:
            form.read(record)
        except ValueError as err:
            assert len(str(err)) < 2000, "a record is quoted, not poured out"  # noqa: PT017
