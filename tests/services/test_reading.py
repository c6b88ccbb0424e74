"""How answers and errors of any remote are read: a garbage answer says nothing about the run."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import AccessDenied, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.texts import shorten
from airflow_provider_pipehooks.services.base import Answer, Request
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.reading import (
    data_of,
    error_words,
    id_or_none,
    read_answer,
    read_error,
    text_or_none,
    time_from_ms,
    time_from_text,
)
from tests.core.anything import bounded, objects, values

GET = Request(method="GET", path="/api/2.2/jobs/runs/get")
POST = Request(method="POST", path="/api/2.2/jobs/runs/cancel")
TOKEN = Request(
    method="POST", path="https://host/oidc/v1/token", form={"client_secret": "s3cret"}, authorized=False
)


def test_a_good_answer_is_its_object_and_its_headers_in_lower_case() -> None:
    answer = read_answer(GET, 200, {"Retry-AFTER": "1"}, '{"run_id": 7}')
    assert answer == Answer(status=200, body={"run_id": 7}, headers={"retry-after": "1"})


def test_a_text_is_taken_as_it_comes() -> None:
    request = Request(method="GET", path="/artifact", expects="text")
    assert read_answer(request, 200, {}, "not { json").body == "not { json"


def test_a_cancel_may_be_answered_with_nothing() -> None:
    (request,) = DatabricksJobs().cancel_run(5)
    assert read_answer(request, 200, {}, "").body == ""


def test_a_start_that_is_answered_with_nothing_may_be_sent_again() -> None:
    with pytest.raises(RemoteCallError) as raised:
        read_answer(next(DatabricksJobs().run_now({"job_id": 5})), 200, {}, "")
    assert raised.value.outcome_unknown


# An edge that gives up, a proxy's page, a cut body, something that is no object, and nesting without end.
GARBAGE = [
    "",
    " \n",
    "<html>",
    '{"run_id": 7',
    "[]",
    "null",
    "7",
    '"x"',
    "\ufeff{}",
    "[" * 100_000,
    "9" * 5000,
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: text[:12])
def test_a_garbage_body_says_nothing_about_the_run(text: str) -> None:
    with pytest.raises(RemoteCallError, match="not a JSON object") as caught:
        read_answer(GET, 200, {}, text)
    assert caught.value.retryable
    assert len(str(caught.value)) < 500


# status, body -> class, retryable, in the text
ERRORS: list[tuple[int, str, type[RemoteCallError], bool, str]] = [
    (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}', RemoteCallError, False, "_VALUE: no"),
    (400, '{"error_code": "COULD_NOT_ACQUIRE_LOCK", "message": "busy"}', RemoteCallError, True, "busy"),
    (
        400,
        '{"error_code": "INVALID_PARAMETER_VALUE", "message": "Run 7 does not exist."}',
        NotFound,
        False,
        "7",
    ),
    (
        400,
        '{"error_code": "INVALID_PARAMETER_VALUE", "message": "Job 7 does not exist."}',
        NotFound,
        False,
        "7",
    ),
    (401, '{"error_code": "UNAUTHENTICATED", "message": "who"}', AccessDenied, False, "UNAUTHENTICATED: who"),
    (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', AccessDenied, False, "PERMISSION_DENIED"),
    (403, '{"error_code": "PERMISSION_DENIED", "message": "Run 7 does not exist"}', AccessDenied, False, "7"),
    (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST"}', NotFound, False, "RESOURCE_DOES_NOT_EXIST"),
    (404, "", NotFound, False, "no reason given"),
    (409, '{"error_code": "RESOURCE_CONFLICT"}', RemoteCallError, False, "RESOURCE_CONFLICT"),
    (429, '{"error_code": "RESOURCE_EXHAUSTED"}', RemoteCallError, True, "RESOURCE_EXHAUSTED"),
    (499, "", RemoteCallError, False, "499"),
    (500, '{"error_code": "INTERNAL_ERROR", "message": "Run 7 does not exist"}', RemoteCallError, True, "7"),
    (502, "<html><title>Bad\n Gateway</title>", RemoteCallError, True, "Bad Gateway"),
    (503, '{"error_code": "TEMPORARILY_UNAVAILABLE"}', RemoteCallError, True, "TEMPORARILY_UNAVAILABLE"),
    (504, '{"error_code": "DEADLINE_EXCEEDED"}', RemoteCallError, True, "DEADLINE_EXCEEDED"),
    (302, "<html>Log in</html>", RemoteCallError, True, "a redirect to 'nowhere'"),
]


@pytest.mark.parametrize(("status", "text", "kind", "retryable", "words"), ERRORS)
def test_an_error_tells_what_can_be_done(
    status: int, text: str, kind: type[RemoteCallError], retryable: bool, words: str
) -> None:
    with pytest.raises(RemoteCallError) as caught:
        read_answer(GET, status, {}, text)
    error = caught.value
    assert (type(error), error.status_code, error.retryable) == (kind, status, retryable)
    assert words in str(error)
    assert str(error).startswith(f"GET /api/2.2/jobs/runs/get answered {status}: ")


# body -> code, message
WORDS = [
    ('{"status": {"code": 401, "user_message": "Invalid token."}, "data": null}', "", "Invalid token."),
    ('{"status": {"user_message": "", "developer_message": "why"}}', "", "why"),
    ('{"error_code": "NOT_FOUND", "message": "no"}', "NOT_FOUND", "no"),
    ('{"error": "text"}', "", "text"),
    ('{"error": "invalid_client", "error_description": "unknown"}', "", "unknown"),
    ('{"detail": "no", "status": "404", "scimType": "invalidValue"}', "invalidValue", "no"),
    ("<pre>a <b>c</pre>", "", "a <b>c"),
    ("<TITLE lang='en'>Denied</TITLE>", "", "Denied"),
    ("BAD_REQUEST: text", "", "BAD_REQUEST: text"),
    ("[1]", "", "[1]"),
    ("", "", ""),
    ("{}", "", ""),
]


@pytest.mark.parametrize(("text", "code", "message"), WORDS)
def test_the_remotes_own_words_are_found(text: str, code: str, message: str) -> None:
    assert error_words(text) == (code, message)


# header -> seconds
RETRY_AFTER = [
    ("7", 7.0),
    (" 7 ", 7.0),
    ("0", 0.0),
    (None, None),
    ("", None),
    ("-1", None),
    ("1.5", None),
    ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ("²", None),
    # No sleep takes this long, so no answer may ask for it.
    ("9" * 400, 86_400.0),
    ("99999999999", 86_400.0),
]


@pytest.mark.parametrize(("value", "expected"), RETRY_AFTER)
def test_retry_after_is_taken_in_seconds_and_no_longer_than_a_day(
    value: str | None, expected: float | None
) -> None:
    headers = {} if value is None else {"Retry-After": value}
    with pytest.raises(RemoteCallError) as caught:
        read_answer(GET, 429, headers, "")
    assert caught.value.retry_after_s == expected


_texts = st.one_of(st.text(), values.map(json.dumps), st.text().map(lambda text: f"<title>{text}</title>"))


@bounded
@given(st.sampled_from([GET, POST, TOKEN]), st.integers(100, 599), st.text() | st.none(), _texts)
def test_any_response_is_an_answer_or_a_remote_call_error(
    request: Request, status: int, retry_after: str | None, text: str
) -> None:
    try:
        got: Answer | RemoteCallError = read_answer(request, status, {"Retry-After": retry_after or ""}, text)
    except RemoteCallError as err:
        got = err
    if isinstance(got, Answer):
        assert isinstance(got.body, dict)
        assert 200 <= status < 300
    else:
        assert got.status_code == status
        assert got.retry_after_s is None or 0 <= got.retry_after_s <= 86_400


@bounded
@given(_texts)
def test_any_error_body_becomes_two_short_texts(text: str) -> None:
    code, message = error_words(text)
    assert isinstance(code, str)
    assert len(message) <= 300
    assert len(message.splitlines()) <= 1


@bounded
@given(st.integers(300, 599), objects)
def test_any_error_object_is_read(status: int, body: dict[str, Any]) -> None:
    assert read_error(GET, status, {}, json.dumps(body)).status_code == status


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_nesting_without_end_is_text_like_any_other(text: str) -> None:
    assert error_words(text)[1].endswith("...")


# A cut answer of a token endpoint begins with the token.
TOKENS = ['{"access_token": "eyJ0eXAi', '"eyJ0eXAi"', '{"id": "eyJ0eXAi"}']


@pytest.mark.parametrize("text", TOKENS)
def test_an_answer_that_may_hold_a_token_is_not_quoted(text: str) -> None:
    with pytest.raises(RemoteCallError, match="token answered") as caught:
        data_of(read_answer(TOKEN, 200, {}, text), TOKEN, "access_token", str)
    assert "eyJ0" not in str(caught.value)


def test_a_request_in_a_traceback_hides_its_secrets() -> None:
    basic = Request(method="POST", path="/t", basic_auth=("id", "s3cret"))
    assert "s3cret" not in f"{TOKEN!r} {TOKEN} {basic!r} {basic}"


@pytest.mark.parametrize(
    ("method", "idempotent", "expected"),
    [("GET", False, True), ("POST", False, False), ("POST", True, True)],
)
def test_only_calls_that_start_nothing_twice_are_repeatable(
    method: Any, idempotent: bool, expected: bool
) -> None:
    assert Request(method=method, path="/", idempotent=idempotent).repeatable is expected


@pytest.mark.parametrize("body", [{}, {"run_id": None}, {"run_id": "7"}, {"run_id": True}, {"run_id": 7.5}])
def test_a_value_that_is_missing_or_of_another_type_is_retryable(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteCallError, match="without 'run_id' as int") as caught:
        data_of(Answer(status=200, body=body), GET, "run_id", int)
    assert (caught.value.retryable, caught.value.status_code) == (True, 200)


@pytest.mark.parametrize(
    ("text", "expected"), [("a\n b", "a b"), ("x" * 300, "x" * 300), ("x" * 301, "x" * 297 + "...")]
)
def test_a_text_is_one_line_and_cut_with_a_mark(text: str, expected: str) -> None:
    assert shorten(text) == expected


_AT = datetime(2026, 5, 27, 10, 42, 16, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-27 10:42:16+00:00",
        "2026-05-27T10:42:16Z",
        "2026-05-27T10:42:16",
        " 2026-05-27T12:42:16.000000+02:00 ",
    ],
)
def test_times_of_dbt_cloud_are_read_in_every_form_it_writes(text: str) -> None:
    assert time_from_text(text) == _AT


@pytest.mark.parametrize("value", [None, "", "yesterday", 1_779_878_536, "2026-13-01", ["2026-05-27"]])
def test_what_is_no_text_of_a_time_is_no_time(value: Any) -> None:
    assert time_from_text(value) is None


def test_times_of_databricks_are_milliseconds() -> None:
    assert time_from_ms(1_779_878_536_000) == _AT


@pytest.mark.parametrize("value", [None, 0, -1, True, "1", float("nan"), float("inf"), 10**30, 10**400])
def test_what_is_no_moment_is_no_time(value: Any) -> None:
    assert time_from_ms(value) is None


@bounded
@given(values)
def test_any_value_is_a_time_an_id_a_text_or_none(value: Any) -> None:
    for time in (time_from_text(value), time_from_ms(value)):
        assert time is None or time.tzinfo is not None
    assert (number := id_or_none(value)) is None or number > 0
    assert (text := text_or_none(value)) is None or text.strip()
