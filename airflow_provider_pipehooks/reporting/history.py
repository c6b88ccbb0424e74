"""The history's folder: rows as Parquet files that are written once, never changed, and read together.

``runs/service=dbt_cloud/day=2026-11-28/<when>-<word>-<digest>.parquet`` below the history's folder, by the
day on which a run was made (UTC), and ``events/...`` by the day of the event. What was seen last counts. Two
syncs at once write files of their own, and a file is there with all of its bytes or not at all, so neither
can harm the other.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.reporting.parquet import (
    ENDING,
    as_parquet,
    connect,
    is_whole,
    last_of,
    name_of,
    query_of,
    readable,
)
from airflow_provider_pipehooks.reporting.rows import RUNS, TABLES, Row, Table

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

UNDATED = "unknown"
#: Folders of links that readers hold files by.
READING = ".reading-"


@dataclass(frozen=True)
class Part:
    """The files of a service's rows of one day."""

    table: Table
    service: str
    day: str
    folder: Folder

    @property
    def files(self) -> list[str]:
        """Their names, sorted."""
        return [name for name in self.folder.names() if name.endswith(ENDING)]


class History:
    """The folder.

    :param path: a path, or an address of an object store; None takes the option ``[pipehooks] history``, else
        ``pipehooks/history`` in Airflow's home.
    """

    def __init__(self, path: str | None = None) -> None:
        self.root = Folder(path or default_path())

    def append(self, rows: Iterable[Row], table: Table = RUNS) -> int:
        """Write rows, a file for each service and day, from the oldest day on.

        :return: how many.
        :raises OSError: they cannot be written; those of some days may be.
        :raises ConfigurationError: DuckDB is not installed.
        """
        parts: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            parts[row["service"], str(row[table.day] or UNDATED)[:10]].append(row)
        for (service, day), part in sorted(parts.items()):
            self.write(self.part(table, service, day), as_parquet(part, table))
        return sum(map(len, parts.values()))

    def write(self, part: Part, data: bytes) -> str:
        """Write a file.

        :return: its name.
        :raises OSError: it cannot be written.
        """
        name = name_of(data)
        try:
            part.folder.write(name, data)
        except OSError as err:
            raise OSError(
                err.errno,
                f"The history in {self.root} cannot be written: {err.strerror or err}. What was written "
                "before is kept, and the next sync goes on there",
            ) from err
        return name

    @contextmanager
    def open(
        self, service: str | None = None, *, since: date | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to DuckDB in which ``runs`` has each run and task once, as it was seen last.

        ``seen`` has them as often as they were seen, and ``events`` the events of pipelines as ``runs`` has
        runs. All stay as they are while it is open. A file that is damaged is left out, with an error in the
        log that names it.

        :param service: only its runs.
        :param since: only runs and events of this day (UTC) and later ones, and those without a day.
        :raises OSError: the folder cannot be read.
        """
        with connect() as db, self.holding() as hold:
            for table in TABLES:
                for part in self.parts(table, service):
                    if since is None or part.day == UNDATED or part.day >= since.isoformat():
                        hold(part)
                groups = readable(db, hold.take())
                seen = query_of(groups, table)
                db.execute(f"CREATE VIEW {table.name} AS {last_of(seen, table)}")
                if table is RUNS:
                    db.execute(f"CREATE VIEW seen AS {seen}")
            yield db

    @contextmanager
    def holding(self) -> Iterator[Holding]:
        """Takes hold of files for as long as it is open."""
        with tempfile.TemporaryDirectory() as copies:
            holding = Holding(self.root, Path(copies))
            try:
                yield holding
            finally:
                holding.close()

    def part(self, table: Table, service: str, day: str) -> Part:
        """One of the parts, whether there is something in it or not."""
        folder = self.root.folder(table.name).folder(f"service={service}").folder(f"day={day}")
        return Part(table, service, day, folder)

    def parts(self, table: Table, service: str | None = None) -> Iterator[Part]:
        """Those that there are, by service and day.

        :raises OSError: the folder cannot be read.
        """
        whole = self.root.folder(table.name)
        for named in [f"service={service}"] if service else whole.names():
            for day in whole.folder(named).names():
                yield self.part(table, named.partition("=")[2], day.partition("=")[2])


class Holding:
    """Files of the history, held: links to those on a disk, copies of those in a store.

    A compaction deletes files whose rows it has written into another one. Who has listed the old files and
    reads them after that would miss both, so the files of a day are listed again when one of them has gone.
    """

    def __init__(self, root: Folder, copies: Path) -> None:
        self._root, self._copies = root, copies
        self._links: Path | None = None
        self._numbers = count()
        self._files: dict[str, str] = {}
        #: Part and name of files that have not the bytes they were written with.
        self.damaged: list[tuple[Part, str]] = []

    def __call__(self, part: Part) -> dict[str, str]:
        """Hold the files of a part.

        :return: where each is now -> its name.
        :raises OSError: they cannot be read.
        """
        while True:
            paths = {name: self._hold(part.folder, name) for name in part.files}
            if None not in paths.values():
                break
        found = {str(path): name for name, path in paths.items() if path and is_whole(path, name)}
        for name in sorted(paths.keys() - found.values()):
            log.error("%s/%s is damaged, its rows are left out", part.folder, name)
            self.damaged.append((part, name))
        self._files.update({path: f"{part.folder}/{name}" for path, name in found.items()})
        return found

    def take(self) -> dict[str, str]:
        """What was held since this was called last: where each file is -> how messages name it."""
        files, self._files = self._files, {}
        return files

    def _hold(self, folder: Folder, name: str) -> Path | None:
        """Where the file is read; None where it has gone."""
        if not folder.is_local:
            if (data := folder.read(name)) is None:
                return None
            copy = self._copies / f"{next(self._numbers)}-{name}"
            copy.write_bytes(data)
            return copy
        file: Path = folder.path / name
        try:
            if self._links is None:
                # In the history's own folder: links do not reach beyond a file system.
                self._links = Path(tempfile.mkdtemp(prefix=READING, dir=self._root.path))
            os.link(file, link := self._links / f"{next(self._numbers)}-{name}")
        except OSError:  # it has gone, may not be linked, or one may only read here
            return file if file.exists() else None
        return link

    def close(self) -> None:
        """Let go of them."""
        if self._links is not None:
            with suppress(OSError):
                rmtree(self._links)


def default_path() -> str:
    """Where the history is: the option ``[pipehooks] history``, or a folder in Airflow's home."""
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    return str(options.read("history") or f"{home}/pipehooks/history")
