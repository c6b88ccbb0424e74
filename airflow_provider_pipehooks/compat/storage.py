"""A folder of small files that several processes write and one reads: on a disk, or in an object store.

A file is there with all of its bytes, or not at all: on a disk it is written under another name and renamed;
an object store shows an object when it is complete.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_UNFINISHED = ".unfinished"


class Folder:
    """A folder, made when something is written to it.

    :param path: a path, or an address that ``airflow.sdk.ObjectStoragePath`` takes, such as
        ``s3://aws_default@bucket/alerts``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path: Any
        self.is_local = "://" not in str(path) or str(path).startswith("file://")
        if self.is_local:
            self.path = Path(str(path).removeprefix("file://")).expanduser()
        else:
            from airflow.sdk import ObjectStoragePath

            self.path = ObjectStoragePath(str(path))

    def __str__(self) -> str:
        return str(self.path)

    def folder(self, name: str) -> Folder:
        """One inside it."""
        inside = object.__new__(Folder)
        inside.path, inside.is_local = self.path / name, self.is_local
        return inside

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or write it anew.

        :raises OSError: it cannot be written.
        """
        if not self.is_local:
            with self._reached(), (self.path / name).open("wb") as file:
                file.write(data)
            return
        self.path.mkdir(parents=True, exist_ok=True)
        unfinished = self.path / f"{name}.{secrets.token_hex(4)}{_UNFINISHED}"
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.path / name)
        finally:
            unfinished.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Of its files, sorted; none where there is no such folder.

        :raises OSError: it cannot be read.
        """
        try:
            with self._reached():
                listed = os.listdir(self.path) if self.is_local else self.path.iterdir()
                found = [str(getattr(each, "name", each)) for each in listed]
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            if self.is_local:
                raise
            return []  # a store has no folders: there is one where something lies in it
        return sorted(name for name in found if not name.endswith(_UNFINISHED))

    def left_unfinished(self, before: float) -> Iterator[tuple[str, str]]:
        """What processes began to write and did not end, since they were killed; on a disk only.

        :param before: in seconds since the epoch: who wrote at that time is at work no more.
        :return: the name of each as it lies there, and the one that it was to have.
        :raises OSError: the folder cannot be read.
        """
        if not self.is_local or not self.path.is_dir():
            return
        for name in sorted(os.listdir(self.path)):
            if name.endswith(_UNFINISHED) and (self.path / name).stat().st_mtime < before:
                yield name, name.removesuffix(_UNFINISHED).rpartition(".")[0]

    def rename(self, name: str, to: str) -> None:
        """Give a file on a disk another name.

        :raises OSError: it cannot be renamed.
        """
        (self.path / name).replace(self.path / to)

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none.

        :raises OSError: it cannot be read.
        """
        try:
            with self._reached(), (self.path / name).open("rb") as file:
                data: bytes = file.read()
                return data
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        :raises OSError: it cannot be deleted.
        """
        try:
            with self._reached():
                (self.path / name).unlink()
        except FileNotFoundError:
            return

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """A store that is away, or refuses, fails with errors of its own library."""
        try:
            yield
        except OSError:
            raise
        except Exception as err:
            if self.is_local:
                raise
            raise OSError(f"{self.path} cannot be reached: {type(err).__name__}: {err}") from err
