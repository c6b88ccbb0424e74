"""Runs as Parquet files: written once, never changed, read together; what was seen last counts.

``runs/service=dbt_cloud/day=2026-11-28/<when>-<word>.parquet`` below the history's folder, by the day on
which a run was made (UTC). Two syncs at once write files of their own, and a file is there with all of its
bytes or not at all, so neither can harm the other.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.rows import COLUMNS, KEY, Row

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

_ENDING = ".parquet"
_UNDATED = "unknown"


class History:
    """The folder.

    :param path: a path, or an address of an object store; None takes the option ``[pipehooks] history``, else
        ``pipehooks/history`` in Airflow's home.
    """

    def __init__(self, path: str | None = None) -> None:
        self.root = Folder(path or default_path())

    def append(self, rows: Iterable[Row]) -> int:
        """Write rows, a file for each service and day.

        :return: how many.
        :raises OSError: they cannot be written; those of some days may be.
        :raises ConfigurationError: DuckDB is not installed.
        """
        parts: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            parts[row["service"], str(row["created_at"] or _UNDATED)[:10]].append(row)
        for (service, day), part in sorted(parts.items()):
            name = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}{_ENDING}"
            self._folder(service, day).write(name, as_parquet(part))
        return sum(map(len, parts.values()))

    @contextmanager
    def open(self, service: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to DuckDB in which ``runs`` has each run and task once, as it was seen last.

        A file that cannot be read is left out, with an error in the log that names it.

        :param service: only its runs.
        :raises OSError: the folder cannot be read.
        """
        with tempfile.TemporaryDirectory() as copies, connect() as db:
            files = _readable(db, [str(path) for path in self._files(service, Path(copies))])
            if files:
                db.read_parquet(files, union_by_name=True).create_view("seen")
            else:
                columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
                db.execute(f"CREATE TABLE seen ({columns})")
            db.execute(
                f"CREATE VIEW runs AS SELECT * FROM seen QUALIFY row_number() OVER "
                f"(PARTITION BY {', '.join(KEY)} ORDER BY seen_at DESC) = 1"
            )
            yield db

    def _folder(self, service: str, day: str) -> Folder:
        return self.root.folder("runs").folder(f"service={service}").folder(f"day={day}")

    def _files(self, service: str | None, copies: Path) -> Iterator[Path]:
        """The files on this machine; those of an object store are copied."""
        runs = self.root.folder("runs")
        for part in [f"service={service}"] if service else runs.names():
            for day in runs.folder(part).names():
                folder = runs.folder(part).folder(day)
                for name in folder.names():
                    if not name.endswith(_ENDING):
                        continue
                    if folder.is_local:
                        yield folder.path / name
                    elif (data := folder.read(name)) is not None:
                        (copy := copies / f"{part}-{day}-{name}").write_bytes(data)
                        yield copy


def as_parquet(rows: Sequence[Row]) -> bytes:
    """Rows as a Parquet file."""
    with tempfile.TemporaryDirectory() as folder, connect() as db:
        lines, file = Path(folder) / "rows.json", Path(folder) / "rows.parquet"
        with lines.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        read = db.read_json(str(lines), format="newline_delimited", columns=dict(COLUMNS))
        read.write_parquet(str(file), compression="zstd")
        return file.read_bytes()


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory, in UTC.

    :raises ConfigurationError: it is not installed.
    """
    try:
        import duckdb
    except ImportError as err:
        raise ConfigurationError(
            "The history of runs needs DuckDB: pip install 'airflow-provider-pipehooks[report]'."
        ) from err
    with duckdb.connect() as db:
        db.execute("SET TimeZone='UTC'")
        yield db


def _readable(db: Any, files: list[str]) -> list[str]:
    """Those that are whole; each of the others is told of."""
    if not files or _trouble(db, files) is None:
        return files
    good = []
    for file in files:
        if (trouble := _trouble(db, [file])) is None:
            good.append(file)
        else:
            log.error("%s cannot be read, its runs are left out: %s", file, trouble)
    return good


def _trouble(db: Any, files: list[str]) -> Exception | None:
    """Why files cannot be read, if one of them cannot."""
    import duckdb

    try:
        db.execute("SELECT count(*) FROM parquet_file_metadata($1)", [files]).fetchall()
    except duckdb.Error as err:
        return err
    return None


def default_path() -> str:
    """Where the history is: the option ``[pipehooks] history``, or a folder in Airflow's home."""
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    return str(options.read("history") or f"{home}/pipehooks/history")
