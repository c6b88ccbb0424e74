"""Files that are damaged, of other versions, or cannot be reached."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.reporting.history import History
from tests.reporting.conftest import a_row, files, rows


def fill(history: History) -> Path:
    """Two files; the one with run 1."""
    history.append([a_row("1")])
    (file,) = files(history)
    history.append([a_row("2")])
    return file


def turned(data: bytes) -> bytes:
    middle = len(data) // 4
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"PAR1" * 50, turned],
    ids=["half", "empty", "garbage", "one byte"],
)
def test_a_damaged_file_is_left_out_and_named(
    history: History, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file = fill(history)
    file.write_bytes(damage(file.read_bytes()))
    assert rows(history, "run_id, raw") == [("2", None)]
    assert f"{file} is damaged, its rows are left out" in caplog.text


def test_a_file_that_somebody_else_put_there_is_left_out(
    history: History, caplog: pytest.LogCaptureFixture
) -> None:
    other = fill(history).with_name("mine.parquet")
    other.write_text("a,b,c")
    assert len(rows(history, "run_id")) == 2
    assert f"{other} cannot be read, its rows are left out" in caplog.text


def test_an_older_file_has_no_value_where_it_has_no_column(history: History) -> None:
    file = fill(history)
    duckdb.execute(f"COPY (SELECT * EXCLUDE (raw, gone_at, url) FROM '{file}') TO '{file}.old.parquet'")
    file.unlink()
    assert rows(history, "run_id, raw, state") == [("1", None, "success"), ("2", None, "success")]


def test_a_newer_file_has_more_columns_and_other_types(history: History) -> None:
    file = fill(history)
    duckdb.execute(
        "COPY (SELECT * REPLACE (7::BIGINT AS run_id, 'one' AS attempt, created_at::VARCHAR AS created_at, "
        f"[1, 2] AS message), {{'a': 1}} AS colour FROM '{file}') TO '{file}.new.parquet'"
    )
    found = rows(history, "run_id, attempt, created_at IS NULL, state")
    assert found == [("1", 1, False, "success"), ("2", 1, False, "success"), ("7", None, False, "success")]


def test_a_path_that_is_a_file_is_said(tmp_path: Path) -> None:
    (file := tmp_path / "history").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        rows(History(str(file)), "run_id")
    with pytest.raises(OSError, match=r"The history in .* cannot be written: Not a directory"):
        History(str(file)).append([a_row()])


def test_a_folder_that_may_not_be_read_is_said(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is made."""
    fill(history)

    def refuse(path: object) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: .*history"):
        rows(history, "run_id")


def test_who_may_only_read_reads(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(history)

    def refuse(**named: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    whole = __import__("tempfile").mkdtemp
    monkeypatch.setattr(
        "tempfile.mkdtemp", lambda *given, **named: refuse() if named.get("dir") else whole(*given, **named)
    )
    assert len(rows(history, "run_id")) == 2


def test_a_full_disk_is_said_and_nothing_is_lost(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(history)
    write = Folder.write
    written: list[str] = []

    def full(folder: Folder, name: str, data: bytes) -> None:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(name)
        write(folder, name, data)

    monkeypatch.setattr(Folder, "write", full)
    days = [a_row(f"{day}", created_at=f"2026-11-0{day}T00:00:00+00:00") for day in (4, 3, 5)]
    with pytest.raises(
        OSError, match=r"cannot be written: No space left on device\. What was written before is kept"
    ):
        history.append(days)
    monkeypatch.undo()
    assert [run_id for (run_id,) in rows(history, "run_id")] == ["1", "2", "3"]
    assert [path.name for path in Path(str(history.root)).rglob("*.unfinished")] == []


# --- object stores ----------------------------------------------------------------------------------------


class Away(MemoryFileSystem):
    """A store that does not answer, in its library's own words."""

    def ls(self, *given: object, **named: object) -> None:
        raise ValueError("Could not connect to the endpoint URL")

    def _open(self, *given: object, **named: object) -> None:
        raise ValueError("Could not connect to the endpoint URL")

    info = ls


def test_a_store_holds_a_history(caplog: pytest.LogCaptureFixture) -> None:
    from airflow_provider_pipehooks.reporting.compaction import compact

    attach("memory", fs=MemoryFileSystem())
    history = History("memory://history-bucket/runs-of-mine")
    history.append([a_row("1", seen=1, state="running")])
    history.append([a_row("1", seen=2), a_row("2")])
    assert rows(history, "run_id, state") == [("1", "success"), ("2", "success")]
    assert compact(history).after == 1
    assert rows(history, "run_id, state") == [("1", "success"), ("2", "success")]
    assert "damaged" not in caplog.text


def test_a_store_that_is_away_is_said() -> None:
    attach("memory", conn_id="away", fs=Away())
    history = History("memory://away@bucket/history")
    with pytest.raises(OSError, match=r"cannot be reached: ValueError: Could not connect"):
        rows(history, "run_id")
    with pytest.raises(OSError, match=r"The history in .* cannot be written: .*Could not connect"):
        history.append([a_row()])
