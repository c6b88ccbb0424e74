"""What was read, and what of a time is missing."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.reporting.coverage import (
    Coverage,
    Span,
    days_of,
    merged,
    missing,
    to_read,
)

ZERO = datetime(2026, 11, 1, tzinfo=timezone.utc)


def at(hours: float) -> datetime:
    return ZERO + timedelta(hours=hours)


def span(begin: float, end: float, read: float = 0) -> Span:
    return Span(at(begin), at(end), at(read))


@pytest.mark.parametrize(
    ("spans", "gaps"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(2, 4)], [(0, 2), (4, 10)]),
        ([(4, 6), (2, 4), (3, 5)], [(0, 2), (6, 10)]),
        ([(-5, 1), (9, 20)], [(1, 9)]),
        ([(12, 20)], [(0, 10)]),
    ],
)
def test_what_no_span_covers_is_missing(
    spans: list[tuple[float, float]], gaps: list[tuple[float, float]]
) -> None:
    found = missing([span(*each) for each in spans], at(0), at(10))
    assert found == [(at(begin), at(end)) for begin, end in gaps]


def test_the_last_days_are_read_again_but_not_what_was_read_of_late() -> None:
    spans = [span(0, 80, read=80), span(80, 99, read=99)]
    found = to_read(spans, at(0), at(100), again_from=at(60), fresh_from=at(90))
    assert found == [(at(60), at(80)), (at(99), at(100))]
    assert to_read(spans, at(0), at(100), again_from=at(100), fresh_from=at(90)) == [(at(99), at(100))]


def test_what_was_read_in_the_future_was_not_read_of_late() -> None:
    found = to_read([span(0, 100, read=500)], at(0), at(100), again_from=at(60), fresh_from=at(90))
    assert found == [(at(60), at(100))]


def test_days_are_utcs() -> None:
    assert list(days_of(at(20), at(50))) == [(at(20), at(24)), (at(24), at(48)), (at(48), at(50))]
    assert list(days_of(at(24), at(24))) == []


def test_fewer_spans_cover_the_same() -> None:
    chance = random.Random(1)
    for _ in range(200):
        spans = [
            span(begin := chance.randrange(100), begin + chance.randrange(1, 20), read=chance.randrange(100))
            for _ in range(12)
        ]
        fewer = merged(spans, settled=at(60))
        assert missing(fewer, at(0), at(130)) == missing(spans, at(0), at(130))
        assert len(fewer) <= len(spans)


@pytest.fixture
def root(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def covered(root: Folder, account: str = "1") -> list[Span]:
    return sorted(Coverage(root, "dbt_cloud", account).spans)


def test_it_is_one_file_however_often_it_is_written(root: Folder, tmp_path: Path) -> None:
    coverage = Coverage(root, "dbt_cloud", "1")
    for number in range(5):
        coverage.add(span(number, number + 1, read=number), settled=at(100))
    Coverage(root, "dbt_cloud", "2").add(span(7, 8), settled=at(0))
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert covered(root) == [span(0, 5)]
    assert covered(root, "2") == [span(7, 8)]
    assert Coverage(root, "databricks_jobs", "1").spans == []


def test_two_at_once_keep_what_both_have_read(root: Folder) -> None:
    Coverage(root, "dbt_cloud", "1").add(span(0, 1), settled=at(0))
    first, second = (Coverage(root, "dbt_cloud", "1") for _ in range(2))
    first.add(span(2, 3), settled=at(0))
    second.add(span(4, 5), settled=at(0))
    assert missing(covered(root), at(0), at(5)) == [(at(1), at(2)), (at(3), at(4))]


def test_what_is_lost_is_forgotten_of_all_accounts(root: Folder) -> None:
    for account in "12":
        Coverage(root, "dbt_cloud", account).add(span(0, 72), settled=at(0))
    Coverage(root, "dbt_cloud", "1").forget(at(24), at(48))
    for account in "12":
        assert covered(root, account) == [span(0, 24), span(48, 72)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"accounts": {"1": [["a", "b", "c"]]}}', '{"accounts": 1}'])
def test_a_damaged_file_is_as_none(
    root: Folder, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    Coverage(root, "dbt_cloud", "1").add(span(0, 1), settled=at(0))
    (file,) = tmp_path.rglob("*.json")
    file.write_text(text)
    assert covered(root) == []
    assert f"{file} is damaged" in caplog.text
    Coverage(root, "dbt_cloud", "1").add(span(0, 1), settled=at(0))
    assert covered(root) == [span(0, 1)]
