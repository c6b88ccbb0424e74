"""The same folder on a disk and in an object store: whole files, or none."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_pipehooks.compat.storage import Folder


@pytest.fixture(params=["disk", "file", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "store":
        attach("memory", fs=MemoryFileSystem())
        return Folder(f"memory://bucket-{uuid.uuid4().hex}/outbox")
    return Folder(f"file://{tmp_path}/outbox" if request.param == "file" else tmp_path / "outbox")


def test_what_is_written_is_read_and_deleted(folder: Folder) -> None:
    inside = folder.folder("new")
    assert inside.names() == []
    assert inside.read("a.json") is None
    inside.write("b.json", b"1")
    inside.write("a.json", b"2")
    inside.write("b.json", b"3")
    assert inside.names() == ["a.json", "b.json"]
    assert [inside.read(name) for name in inside.names()] == [b"2", b"3"]
    inside.delete("a.json")
    inside.delete("a.json")
    assert inside.names() == ["b.json"]
    assert folder.folder("other").names() == []


def test_a_write_that_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError("no space left on device")

    folder = Folder(tmp_path)
    folder.write("a.json", b"whole")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        folder.write("a.json", b"half")
    assert folder.read("a.json") == b"whole"
    assert os.listdir(tmp_path) == ["a.json"]
