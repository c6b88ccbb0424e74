"""Arguments as people and templates give them: read, or refused by name, never something else."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core import arguments
from airflow_provider_pipehooks.core.arguments import Reader, as_json, as_object, is_literal
from airflow_provider_pipehooks.core.errors import ConfigurationError


class Index:
    """A whole number of another kind, as numpy's are."""

    def __index__(self) -> int:
        return 7


READ: list[tuple[Reader, Any, Any]] = [
    (arguments.as_id, 5, 5),
    (arguments.as_id, " 5\n", 5),
    (arguments.as_id, 2**63 - 1, 2**63 - 1),
    (arguments.as_id, Index(), 7),
    (arguments.as_id_or_none, "", None),
    (arguments.as_id_or_none, 0, None),
    (arguments.as_id_or_none, "7", 7),
    (arguments.as_whole, 0, 0),
    (arguments.as_whole, "0", 0),
    (arguments.as_whole, "60", 60),
    (arguments.as_text, "a", "a"),
    (arguments.as_text, "", ""),
    (arguments.as_text, 20260101, "20260101"),
    (arguments.as_text, 1.5, "1.5"),
    (arguments.as_name, "a", "a"),
    (as_object, {"a": (1, 2)}, {"a": [1, 2]}),
    (as_object, {1: "a"}, {"1": "a"}),
    (as_object, '{"a": null}', {"a": None}),
    (as_object, "{'a': None, 'b': \"it's\"}", {"a": None, "b": "it's"}),
    (as_object, "", {}),
    (arguments.as_list, ["a"], ["a"]),
    (arguments.as_list, ("a", 1), ["a", 1]),
    (arguments.as_list, "['a', \"it's\"]", ["a", "it's"]),
    (arguments.as_list, '["a", true]', ["a", True]),
    (arguments.as_texts, ["a", 1, True, 1.5], ["a", "1", "true", "1.5"]),
    (arguments.as_objects, [{"a": 1}], [{"a": 1}]),
    (arguments.as_objects, "[{'a': 1}]", [{"a": 1}]),
    (arguments.as_parameters, {"a": 1, "b": [1], "c": False}, {"a": "1", "b": "[1]", "c": "false"}),
    (arguments.one_of("cancel", "keep"), "keep", "keep"),
    (arguments.as_hook_params, {"retry_limit": 2, "timeout_seconds": "5"}, None),
    (arguments.as_hook_params, {"retry_delay": 0}, None),
    (arguments.as_hook_params, None, {}),
]

REFUSED: list[tuple[Reader, Any, str]] = [
    *(
        (arguments.as_id, value, "must be a whole number above 0, not ")
        for value in ("", "a", "1.0", "²", "0")
    ),
    *(
        (arguments.as_id, value, "must be a whole number")
        for value in (True, 1.0, 10**30, -1, b"1", {1}, None)
    ),
    (arguments.as_whole, -1, "must be a whole number"),
    (arguments.as_whole, False, "must be a whole number"),
    (arguments.as_text, {"a": "s3cret"}, "must be a text, not a dict."),
    (arguments.as_text, 10**400, "must be a text, not a int."),
    (as_object, {"a": 10**400}, 'x["a"] is a int, which JSON cannot hold'),
    (arguments.as_text, b"a", "must be a text"),
    (arguments.as_text, date(2026, 1, 1), "must be a text, not a date."),
    (arguments.as_name, " ", "must not be empty"),
    (as_object, [1], "must be an object, not a list."),
    (as_object, "[1]", "must be an object, not a list."),
    (as_object, "{a", "must be an object, or its text as JSON or a Python literal"),
    (as_object, "(" * 10_000, "must be an object, or its text"),
    (
        as_object,
        {"a": {"b": [1, datetime(2026, 1, 1)]}},
        'x["a"]["b"][1] is a datetime, which JSON cannot hold',
    ),
    (as_object, {"a": {1}}, 'x["a"] is a set, which JSON cannot hold'),
    (as_object, {"a": math.nan}, 'x["a"] is nan, which JSON cannot hold'),
    (as_object, {(1, 2): "a"}, "a name in x must be a text, not a tuple."),
    (arguments.as_list, "dbt run", "must be a list, or its text"),
    (arguments.as_list, {"a": 1}, "must be a list, not a dict."),
    (arguments.as_list, (each for each in [1]), "must be a list, not a generator."),
    (arguments.as_texts, ["a", None], "x[1] is None, and would be sent as a text"),
    (arguments.as_objects, [{}, "a"], "x[1] must be an object, not 'a'."),
    (arguments.as_parameters, {"day": None}, 'x["day"] is None, and would be sent as a text'),
    (arguments.as_parameters, {"day": timedelta(1)}, 'x["day"] is a timedelta'),
    (arguments.one_of("cancel", "keep"), "maybe", "must be 'cancel' or 'keep', not 'maybe'."),
    (arguments.one_of("cancel", "keep"), ["keep"], "not a list."),
    (arguments.as_hook_params, {"retires": 1}, "x has no 'retires'. Known are timeout_seconds, retry_limit"),
    (arguments.as_hook_params, {"retry_limit": 0}, "retry_limit in x must be a whole number above 0, not 0."),
    (
        arguments.as_hook_params,
        {"timeout_seconds": "soon"},
        "timeout_seconds in x must be a number of seconds",
    ),
    (arguments.as_hook_params, [1], "x must be an object"),
]


@pytest.mark.parametrize(("read", "value", "found"), READ)
def test_it_is_read(read: Reader, value: Any, found: Any) -> None:
    assert read(value, "x") == (value if found is None and isinstance(value, dict) else found)


@pytest.mark.parametrize(("read", "value", "says"), REFUSED)
def test_it_is_refused_by_name(read: Reader, value: Any, says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(value, "x")
    assert says in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (arguments.as_id, 0, "x must be a whole number above 0, not 0."),
        (arguments.as_id, 2**63, f"x must be a whole number above 0, not {2**63}."),
        (arguments.as_id, "9" * 99, f"x must be a whole number above 0, not '{'9' * 96}...."),
        (arguments.as_id, "9" * 98, f"x must be a whole number above 0, not {'9' * 98!r}."),
        (arguments.as_whole, "-1", "x must be a whole number above 0, not '-1'."),
        (arguments.as_text, None, "x must be a text, not None."),
        (arguments.as_text, [1], "x must be a text, not a list."),
        (arguments.as_name, "", "x must not be empty."),
        (arguments.as_name, {}, "x must be a text, not a dict."),
        (as_object, 5, "x must be an object, not 5."),
        (as_object, "[", "x must be an object, or its text as JSON or a Python literal; "),
        (arguments.as_list, 5, "x must be a list, not 5."),
        (arguments.as_list, "[", "x must be a list, or its text as JSON or a Python literal; "),
        (arguments.as_list, "5", "x must be a list, not 5."),
        (arguments.as_objects, [{}, 5], "x[1] must be an object, not 5."),
        (arguments.as_texts, [None], "x[0] is None, and would be sent as a text: leave it out, or give one."),
        (arguments.one_of("a", "b"), "c", "x must be 'a' or 'b', not 'c'."),
        (arguments.one_of("a", "b"), 5, "x must be 'a' or 'b', not 5."),
        (arguments.one_of("a"), None, "x must be 'a', not None."),
        (
            arguments.as_hook_params,
            {"a": 1},
            "x has no 'a'. Known are timeout_seconds, retry_limit, retry_delay, ",
        ),
        (
            as_json,
            {"a": [{"b c": {1}}]},
            'x["a"][0]["b c"] is a set, which JSON cannot hold: give a text or ',
        ),
        (as_json, b"a", "x is b'a', which JSON cannot hold: give a text or a number."),
    ],
)
def test_the_message_says_which_value_of_which_argument(read: Reader, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(value, "x")
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("word", ["a", "b"])
def test_one_of_a_few_words_is_given_back(word: str) -> None:
    assert arguments.one_of("a", "b")(word, "x") == word


@pytest.mark.parametrize("depth", [1, 99, 100])
def test_what_is_not_too_deep_is_read(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    assert as_json(value, "x") == value


@pytest.mark.parametrize("make", [lambda value: [value], lambda value: {"a": value}], ids=["list", "object"])
def test_what_is_too_deep_is_refused(make: Any) -> None:
    value: Any = 1
    for _ in range(102):
        value = make(value)
    with pytest.raises(ConfigurationError, match="which JSON cannot hold"):
        as_json(value, "x")


def test_a_long_value_is_quoted_short() -> None:
    for value in ("5" * 10_000, 10**10_000, b"5" * 10_000):
        with pytest.raises(ConfigurationError) as raised:
            arguments.as_id(value, "x")
        assert len(str(raised.value)) < 200


def test_a_body_is_a_copy() -> None:
    body = {"a": {"b": [1]}}
    as_object(body, "x")["a"]["b"].append(2)
    assert body == {"a": {"b": [1]}}


def test_what_holds_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["a"] = body
    assert is_literal(body)
    with pytest.raises(ConfigurationError, match="which JSON cannot hold"):
        as_object(body, "x")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.sets(st.integers())
    | st.just(object()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
)
READERS = {reader for reader, _, _ in READ}


@given(ANYTHING)
def test_whatever_is_given_is_read_as_json_or_refused(value: Any) -> None:
    """Nothing else may be raised, and nothing may pass that cannot be sent."""
    for reader in READERS | {as_json}:
        found, refusal = read_or_refused(reader, value)
        assert re.search(r"\bx\b", refusal) if refusal else json.dumps(found, allow_nan=False)


def read_or_refused(reader: Reader, value: Any) -> tuple[Any, str]:
    """What a reader makes of a value, or how it refuses it, which names the argument."""
    try:
        return reader(value, "x"), ""
    except ConfigurationError as err:
        return None, str(err)


class Output:
    """As another task's output, which Airflow resolves before the task runs."""

    def resolve(self, context: Any) -> None:
        """Never here."""


class Rendered:
    """As an object whose templates Airflow renders."""

    template_fields = ("a",)


def test_without_endings_a_file_name_is_a_text() -> None:
    assert is_literal("body.json-tpl")


def test_a_template_is_found_at_any_depth_that_can_be_sent() -> None:
    value: Any = "{{ ds }}"
    for _ in range(100):
        value = [value]
    assert not is_literal(value)
    assert is_literal([value, [value]]) is False


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (5, True),
        ("a", True),
        ("{{ ds }}", False),
        ("{% if a %}b{% endif %}", False),
        ("{# a note #}", False),
        ("{ds}", True),
        ({"body.json-tpl": 1}, False),
        ([["body.json-tpl"]], False),
        (({"a": "{{ ds }}"},), False),
        (frozenset({"{{ ds }}"}), False),
        (Rendered(), False),
        ({"a": ["b", ("{{ ds }}",)]}, False),
        ({"{{ ds }}": 1}, False),
        ({"a": ["b", {"c"}]}, True),
        (Output(), False),
        ([Output()], False),
        ("body.json-tpl", False),
        (datetime(2026, 1, 1), True),
    ],
)
def test_what_a_template_will_change_is_not_known_yet(value: Any, known: bool) -> None:
    assert is_literal(value, (".json-tpl",)) is known
