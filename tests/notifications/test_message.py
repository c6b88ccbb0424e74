"""The text of an alert: what it names, and that SNS takes whatever comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications.message import (
    CUT_MARK,
    FULL_TASKS,
    LISTED_TASKS,
    Alert,
    FailedTask,
    body,
    safe_body,
    safe_subject,
    subject,
)

RUN = Run(
    service="databricks_jobs",
    run_id=77,
    state=RunState.CANCELLED,
    status="TERMINATED",
    name="nightly load",
    url="https://dbc.example/run/77",
    message="Run cancelled.",
    failures=(
        Failure(name="step_0", message="boom", url="https://run/0", detail="boom\nFile a\nValueError: boom"),
        *(Failure(name=f"step_{n}", message="boom") for n in range(1, 10)),
    ),
    failed=12,
)
BUILD = FailedTask(
    task_id="build",
    try_number=2,
    max_tries=3,
    log_url="http://airflow/log",
    exception="ValueError: no",
    run=RUN,
)


def alert(*tasks: FailedTask, **more: object) -> Alert:
    when = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=timezone.utc)
    return Alert(dag_id="orders", dag_run_id="manual__1", when=when, tasks=tasks, **more)  # type: ignore[arg-type]


def mapped(count: int) -> list[FailedTask]:
    return [replace(BUILD, map_index=n) for n in range(count)]


def test_the_body_names_everything_needed_at_night() -> None:
    date = datetime(2026, 1, 1, tzinfo=timezone.utc)
    told = alert(
        BUILD,
        FailedTask(task_id="publish", state="upstream_failed"),
        logical_date=date,
        unfinished=2,
        url="http://airflow/run",
    )
    assert body(told).splitlines() == [
        "DAG orders failed: 2 tasks.",
        "",
        "DAG run:  manual__1",
        "Date:     2026-01-01T00:00:00+00:00",
        "Page:     http://airflow/run",
        "Sent:     2026-01-02T03:04:05+00:00",
        f"Alert id: {told.alert_id}",
        "",
        "Task build: failed (try 2 of 3): Databricks run 77 cancelled",
        "  Name:    nightly load",
        "  Message: Run cancelled.",
        "  Error:   ValueError: no",
        "  - step_0: boom",
        "      | File a",
        "      | ValueError: boom",
        "    https://run/0",
        *(f"  - step_{n}: boom" for n in range(1, 10)),
        "  - and 2 more",
        "  Run:     https://dbc.example/run/77",
        "  Log:     http://airflow/log",
        "",
        "Task publish: upstream_failed",
        "",
        "2 other tasks had not finished when this was sent.",
    ]


def test_many_failed_tasks_are_shortened_and_counted() -> None:
    lines = body(alert(*mapped(LISTED_TASKS + 7))).splitlines()
    assert sum(line.startswith("Task build[") for line in lines) == LISTED_TASKS
    assert sum("Log:" in line for line in lines) == FULL_TASKS
    assert lines[-1] == "and 7 more"


def test_the_subject_names_the_first_tasks() -> None:
    assert subject(alert(BUILD)) == "Airflow: orders failed: build"
    assert subject(alert(*mapped(5))) == "Airflow: orders failed: build[0], build[1], build[2] (+2 more)"
    assert len(subject(alert(replace(BUILD, task_id="t" * 300)))) == 99


@pytest.mark.parametrize(
    ("try_number", "max_tries", "told"),
    [(2, 3, "try 2 of 3"), (None, 3, ""), (2, None, "try 2"), (5, 3, "try 5")],
)
def test_tries_are_told_as_far_as_known(try_number: int | None, max_tries: int | None, told: str) -> None:
    """After a clear Airflow counts past the DAG's own number of tries."""
    assert FailedTask(task_id="a", try_number=try_number, max_tries=max_tries).tries == told


def test_the_alert_id_is_that_of_the_failure() -> None:
    one, two = FailedTask(task_id="a"), FailedTask(task_id="b")
    later = replace(alert(one, two), when=datetime(2027, 1, 1, tzinfo=timezone.utc))
    assert alert(one, two).alert_id == alert(two, one).alert_id == later.alert_id
    others = [
        alert(one).alert_id,
        alert(replace(one, try_number=2), two).alert_id,
        alert(replace(one, map_index=0), two).alert_id,
        replace(later, dag_run_id="manual__2").alert_id,
        replace(later, dag_id="other").alert_id,
    ]
    assert len({later.alert_id, *others}) == 6


@given(st.text())
def test_any_subject_is_one_line_that_sns_takes(text: str) -> None:
    """Fewer than 100 printable ASCII characters, the first not a space; or none at all."""
    line = safe_subject(text)
    assert line is None or (0 < len(line) <= 99 and line.isascii() and line.isprintable() and line[0] != " ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  two\r\nlines\tand   gaps ", "two lines and gaps"),
        ("Straße – “naïve” café", 'Strasse - "naive" cafe'),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a" * 100, "a" * 96 + "..."),
        ("a" * 99, "a" * 99),
        ("数据", None),
        ("\n \x00", None),
        (None, None),
    ],
)
def test_subjects_are_made_plain(text: str | None, line: str | None) -> None:
    assert safe_subject(text) == line


def on_the_wire(text: str) -> int:
    """Bytes as the amazon provider's hook sends them, counted anew."""
    return len(json.dumps({"default": text}).encode())


@given(st.text(), st.integers(min_value=100, max_value=400))
def test_any_body_fits_and_says_where_it_was_cut(text: str, limit: int) -> None:
    sent = safe_body(text, limit)
    assert on_the_wire(sent) <= limit
    sent.encode()
    kept = sent.removesuffix(CUT_MARK)
    assert all(char in "\n\t" or char.isprintable() or not char.isascii() for char in kept)
    assert sent != kept or on_the_wire(sent) <= limit


@pytest.mark.parametrize("char", ["a", "\n", "ü", "数", "😀", '"'])
def test_as_much_as_fits_is_kept(char: str) -> None:
    """Cut between characters only, and not a whole character too early."""
    sent = safe_body(char * 262_144)
    kept = sent.removesuffix(CUT_MARK)
    assert sent.endswith(CUT_MARK)
    assert set(kept) == {char}
    assert on_the_wire(sent) <= 262_144 < on_the_wire(char + sent)


def test_a_body_that_just_fits_is_not_cut() -> None:
    room = 262_144 - on_the_wire("")
    assert safe_body("a" * room) == "a" * room
    assert safe_body("a" * (room + 1)).endswith(CUT_MARK)


def test_terminal_colours_and_broken_characters_are_left_out() -> None:
    assert safe_body("\x1b[31mERROR\x1b[0m\x00 in\tline\n2 \ud83d") == "ERROR in\tline\n2 "


def test_no_room_for_a_message_is_said() -> None:
    with pytest.raises(ValueError, match="shorten the message attributes"):
        safe_body("x" * 100, 20)


# --- word for word ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (alert(), "Airflow: orders failed"),
        (alert(*mapped(3)), "Airflow: orders failed: build[0], build[1], build[2]"),
        (alert(*mapped(4)), "Airflow: orders failed: build[0], build[1], build[2] (+1 more)"),
        (alert(happened="succeeded"), "Airflow: orders succeeded"),
    ],
)
def test_a_subject_is_told_word_for_word(told: Alert, line: str) -> None:
    assert subject(told) == line


def test_a_body_without_much_to_tell_is_told_word_for_word() -> None:
    told = alert(happened="missed its deadline", reason="timed_out", unfinished=1)
    assert body(told) == (
        "DAG orders missed its deadline.\n"
        "\n"
        "DAG run:  manual__1\n"
        "Reason:   timed_out\n"
        "Sent:     2026-01-02T03:04:05+00:00\n"
        f"Alert id: {told.alert_id}\n"
        "\n"
        "1 other task had not finished when this was sent.\n"
    )


def test_one_task_is_told_word_for_word() -> None:
    who = replace(
        RUN, cancelled_by="Ada", failures=RUN.failures[:3], failed=3, message="a\nb", name=None, url=None
    )
    told = alert(FailedTask(task_id="t", try_number=1, run=who))
    assert body(told).split("\n\n")[2] == (
        "Task t: failed (try 1): Databricks run 77 cancelled by Ada\n"
        "  Message: a\n"
        "    b\n"
        "  - step_0: boom\n"
        "      | File a\n"
        "      | ValueError: boom\n"
        "    https://run/0\n"
        "  - step_1: boom\n"
        "  - step_2: boom\n"
    )


@pytest.mark.parametrize("over", [0, 1])
def test_a_remotes_text_is_cut_at_its_length(over: int) -> None:
    told = alert(FailedTask(task_id="t", exception="x" * (1_000 + over)))
    assert body(told).endswith("x" * 10 + (" [...]\n" if over else "\n"))
    assert body(told).count("x") == 1_000


@pytest.mark.parametrize("count", [10, 11, 50, 51])
def test_full_and_listed_tasks_end_where_they_should(count: int) -> None:
    text = body(alert(*mapped(count)))
    assert text.count("  Log:") == min(count, 10)
    assert text.count("Task build[") == min(count, 50)
    assert text.endswith("and 1 more\n") == (count == 51)


def test_gaps_of_a_subject_become_single_spaces() -> None:
    assert safe_subject("a\tb\x00c\x85d\u2028e  f") == "a b c d e f"
    assert safe_subject("x" * 99) == "x" * 99
    assert safe_subject("x" * 100) == "x" * 96 + "..."
    assert safe_subject("x" * 95 + "   y z") == "x" * 95 + " y z"


def test_a_body_fits_to_the_byte() -> None:
    assert safe_body("abc", 3 + len('{"default": ""}')) == "abc"
    cut = safe_body("a" * 500, 200)
    assert len(json.dumps({"default": cut})) == 200
    assert cut.startswith("aaa")
