"""What becomes of whatever a remote sends can be stored by any database, sent to other processes, logged."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.changes import between
from airflow_provider_pipehooks.core.errors import RemoteCallError, error_for
from airflow_provider_pipehooks.core.events import StateChanged, WaitEnded
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.services import databricks_states, dbt_cloud
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.reading import any_id_or_none, parse_json, read_answer, url_or_none
from tests.core.anything import bounded

LOOKED = datetime(2026, 11, 1, tzinfo=timezone.utc)

GET = Request(method="GET", path="/run")
nasty = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "a\0b",
            "\ud800",
            "it \ud83d broke",
            "\x1b[31mred\x1b[0m",
            "a\rb",
            "\x9b31m",
            "x" * 100_000,
            "\U0001f600",
            "\x7f",
        ]
    ),
)
ids = st.sampled_from([7, 2**63 - 1, 2**63, 10**30, -1, 0, True, "7", None, 1.5])
dbt_runs = st.fixed_dictionaries(
    {"id": ids, "status": st.sampled_from([1, 3, 10, 20, 30, 10**30])},
    optional={
        "status_humanized": nasty,
        "status_message": nasty,
        "job_definition_id": ids,
        "href": nasty,
        "job": st.fixed_dictionaries({"name": nasty}),
        "audit": st.fixed_dictionaries(
            {"cancellation": st.fixed_dictionaries({"actor": st.fixed_dictionaries({"name": nasty})})}
        ),
    },
)
dbx_runs = st.fixed_dictionaries(
    {"run_id": ids},
    optional={
        "job_id": ids,
        "run_name": nasty,
        "run_page_url": nasty,
        "start_time": ids,
        "end_time": ids,
        "queue_duration": ids,
        "state": st.fixed_dictionaries(
            {"life_cycle_state": nasty | st.just("TERMINATED")},
            optional={"result_state": nasty | st.just("FAILED"), "state_message": nasty},
        ),
    },
)


def check_can_be_stored(value: Any) -> None:
    """msgpack is what a trigger's event goes through, JSON without NUL what Postgres takes."""
    msgspec.msgpack.encode(value)
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text
    assert len(text) < 20_000


def check_run(run: Run) -> None:
    check_can_be_stored(WaitEnded(reason="refused", run=run, changes=between(None, run, LOOKED)).to_json())
    for text in (str(error_for(run)), str(StateChanged(old=None, new=run))):
        check_can_be_stored(text)
        assert "\x1b" not in text
    assert "\n" not in str(StateChanged(old=None, new=run))
    assert run.url is None or run.url.lower().startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("runs", "parse"),
    [(dbt_runs, dbt_cloud.parse_run), (dbx_runs, databricks_states.parse_run)],
    ids=["dbt", "databricks"],
)
@bounded
@given(data=st.data(), ascii_only=st.booleans())
def test_whatever_a_run_says_can_be_stored(
    runs: st.SearchStrategy[Any], parse: Any, data: st.DataObject, ascii_only: bool
) -> None:
    sent = data.draw(runs)
    text = json.dumps(sent, ensure_ascii=ascii_only)
    try:
        run = parse(read_answer(GET, 200, {}, text).body)
    except (ValueError, RemoteCallError) as err:
        check_can_be_stored(str(err))
        return
    check_run(run)


@bounded
@given(nasty, st.sampled_from([400, 404, 429, 503]), st.booleans())
def test_whatever_an_error_says_can_be_stored(words: str, status: int, as_json: bool) -> None:
    body = json.dumps({"message": words, "error_code": words}) if as_json else words
    with pytest.raises(RemoteCallError) as raised:
        read_answer(GET, status, {}, body)
    check_can_be_stored(str(raised.value))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('{"a": "x\\u0000y"}', {"a": "x\ufffdy"}),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"\\u0000": ["\\u001b[31mred", 1, null]}', {"\ufffd": ["red", 1, None]}),
        ('{"a": "line\\r\\nline\\tend"}', {"a": "line\nline\tend"}),
        ('{"a": "C:\\\\u0000"}', {"a": "C:\\u0000"}),
    ],
)
def test_a_text_is_mended_and_nothing_else(sent: str, read: Any) -> None:
    assert parse_json(sent) == read


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ok.example/1", "https://ok.example/1"),
        (" http://x/ ", "http://x/"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("//evil.example", None),
        ("https://x/<script>", None),
        ("https://a b", None),
        ("https://" + "x" * 3000, None),
        (7, None),
    ],
)
def test_a_page_is_one_that_a_browser_may_be_sent_to(url: Any, kept: str | None) -> None:
    assert url_or_none(url) == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (10**30, str(10**30)),
        (10**400, None),
        (0, None),
        (True, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_id_that_no_database_holds_is_kept_as_its_digits(value: Any, kept: Any) -> None:
    assert any_id_or_none(value) == kept
