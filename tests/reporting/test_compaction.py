"""Many files become one: whoever reads meanwhile sees each run once, and nothing is lost at any point."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.compaction import compact
from airflow_provider_pipehooks.reporting.history import History
from tests.reporting.conftest import a_row, files, rows

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


class Killed(BaseException):
    """The process has ended here."""


def fill(history: History) -> None:
    """Four files of one day: a run is seen three times, and is repaired; one of another day."""
    history.append([a_row("1", seen=1, state="running"), a_row("2", seen=1)])
    history.append([a_row("1", seen=2, state="error")])
    history.append([a_row("1", seen=3, state="success"), a_row("1", seen=3, attempt=2)])
    history.append([a_row("3", seen=4)])
    history.append([a_row("4", seen=4, created_at="2026-11-27T23:59:59+00:00")])


SEEN = [
    ("1", 1, "success"),
    ("1", 2, "success"),
    ("2", 1, "success"),
    ("3", 1, "success"),
    ("4", 1, "success"),
]


def seen(history: History) -> list[tuple[object, ...]]:
    return rows(history, "run_id, attempt, state")


@contextmanager
def at_each_step(step: Callable[[int], None]) -> Iterator[None]:
    """Call something before each write and each delete."""
    number = 0

    def before(name: str) -> None:
        whole = getattr(Folder, name)

        def done(folder: Folder, *given: object) -> None:
            nonlocal number
            number += 1
            step(number)
            whole(folder, *given)

        patch.setattr(Folder, name, done)

    with pytest.MonkeyPatch.context() as patch:
        before("write")
        before("delete")
        yield


def test_the_files_of_a_day_become_one(history: History) -> None:
    fill(history)
    done = compact(history)
    assert (done.before, done.after, done.deleted) == (5, 2, 0)
    assert len(files(history)) == 2
    assert seen(history) == SEEN
    with duckdb.connect() as db:
        counted = [db.execute(f"SELECT count(*) FROM '{file}'").fetchall() for file in files(history)]
    assert sorted(counted) == [[(1,)], [(4,)]]
    assert compact(history).after == 2


def test_who_reads_meanwhile_sees_each_run_once(history: History) -> None:
    fill(history)
    looks = []
    with at_each_step(lambda number: looks.append(seen(History(str(history.root))))):
        compact(history)
    assert looks == [SEEN] * 5


def test_who_has_begun_to_read_sees_what_was_there(history: History) -> None:
    fill(history)
    with history.open() as db:
        compact(history)
        assert db.execute("SELECT run_id, attempt, state FROM runs ORDER BY ALL").fetchall() == SEEN


def test_files_that_go_while_they_are_listed_are_listed_again(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(history)
    link = os.link
    compacted: list[bool] = []

    def late(*given: Path) -> None:
        if not compacted and "day=2026-11-28" in str(given[0]):
            compacted.append(True)
            compact(History(str(history.root)))
        link(*given)

    monkeypatch.setattr(os, "link", late)
    assert seen(history) == SEEN
    assert len(files(history)) == 2


@pytest.mark.parametrize("at", range(1, 6))
def test_a_compaction_that_is_killed_has_lost_nothing(history: History, at: int) -> None:
    fill(history)

    def kill(number: int) -> None:
        if number == at:
            raise Killed

    with at_each_step(kill), pytest.raises(Killed):
        compact(history)
    assert seen(history) == SEEN
    compact(history)
    assert (seen(history), len(files(history))) == (SEEN, 2)


@pytest.mark.parametrize("at", range(1, 6))
def test_two_compactions_at_once_do_no_harm(history: History, at: int) -> None:
    fill(history)

    def other(number: int) -> None:
        nonlocal at
        if number == at:
            at = 0
            compact(History(str(history.root)))

    with at_each_step(other):
        compact(history)
    assert at == 0
    assert seen(history) == SEEN
    compact(history)
    assert (seen(history), len(files(history))) == (SEEN, 2)


def test_a_sync_meanwhile_loses_nothing(history: History) -> None:
    fill(history)
    added: list[bool] = []

    def append(number: int) -> None:
        if number == 1 and not added:
            added.append(True)
            History(str(history.root)).append([a_row("2", seen=9, state="error")])

    with at_each_step(append):
        compact(history)
    assert ("2", 1, "error") in seen(history)


def test_a_new_file_that_is_not_whole_leaves_the_old_ones(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(history)
    write = Folder.write
    monkeypatch.setattr(Folder, "write", lambda folder, name, data: write(folder, name, data[:-9]))
    with pytest.raises(OSError, match=r"is not as it was written\. The 4 old files stay"):
        compact(history)
    assert seen(history) == SEEN


def test_days_that_are_over_are_deleted(history: History) -> None:
    fill(history)
    history.append([a_row("5", created_at=None)])
    assert compact(history, now=NOW, retention_days=1).deleted == 0
    assert compact(history, now=NOW, retention_days=0.5).deleted == 1
    assert [row[0] for row in seen(history)] == ["1", "1", "2", "3", "5"]
    assert compact(history, now=NOW.replace(year=2027)).deleted == 0, "all is kept where nothing is said"


def test_how_long_is_an_option(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(history)
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__HISTORY_RETENTION_DAYS", "30")
    assert compact(history, now=NOW).deleted == 0
    assert compact(history, now=NOW.replace(year=2027)).deleted == 2
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__HISTORY_RETENTION_DAYS", "-1")
    with pytest.raises(ConfigurationError, match="history_retention_days is -1"):
        compact(history)


def test_a_file_of_a_newer_version_stays(history: History) -> None:
    fill(history)
    (file, *_) = files(history)
    newer = file.with_name("newer.parquet")
    duckdb.execute(f"COPY (SELECT *, 'x' AS colour FROM '{file}') TO '{newer}'")
    compact(history)
    assert newer.exists()
    assert seen(history) == SEEN


def test_what_killed_processes_left_goes(history: History) -> None:
    fill(history)
    root = Path(str(history.root))
    (root / ".reading-x").mkdir()
    (root / ".reading-x" / "1-a.parquet").write_bytes(b"x")
    (left := files(history)[0].with_name("a.parquet.ab12.unfinished")).write_bytes(b"x")
    compact(history)
    assert left.exists(), "it may be somebody at work"
    for path in (left, root / ".reading-x"):
        os.utime(path, (0, 0))
    compact(history)
    assert not left.exists()
    assert list(root.glob(".reading-*")) == []


def test_the_command_says_what_it_did(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    fill(history)
    assert main(["history", "compact", "--path", str(history.root)]) == 0
    assert "5 files, now 2; 0 of days that are over were deleted." in capsys.readouterr().out
    assert main(["history", "compact", "--path", str(files(history)[0])]) == 1
    assert "Not a directory" in capsys.readouterr().err
