"""Parquet files of rows: written, checked, and read together whichever version wrote them."""

from __future__ import annotations

import errno
import json
import logging
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.rows import Row, Table

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

ENDING = ".parquet"
_DIGEST = re.compile(r"-([0-9a-f]{16})\.parquet$")
_DIGEST_BYTES = 8
_CHUNK = 1 << 20
#: Of a row as JSON: far more than a run that is kept.
_LONGEST_ROW = 64 << 20


def name_of(data: bytes) -> str:
    """The name of a new file: when it was made, a word of its own, and what its bytes come to."""
    word, digest = secrets.token_hex(4), blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}-{word}-{digest}{ENDING}"


def is_whole(path: Path, name: str) -> bool:
    """Whether a file has the bytes it was written with. A name that does not say is taken at its word.

    :raises OSError: it cannot be read.
    """
    if (told := _DIGEST.search(name)) is None:
        return True
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest() == told[1]


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
        # Files do not change, and each query would read again what is in hundreds of them.
        db.execute("SET TimeZone='UTC'; SET parquet_metadata_cache=true")
        yield db


def as_parquet(rows: Sequence[Row], table: Table) -> bytes:
    """Rows as a file.

    :raises OSError: there is no room for what is written meanwhile.
    """
    with tempfile.TemporaryDirectory() as folder, connect() as db:
        lines = Path(folder) / "rows.json"
        with lines.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        read = db.read_json(
            str(lines),
            format="newline_delimited",
            columns=dict(table.columns),
            maximum_object_size=_LONGEST_ROW,
        )
        return written(read, Path(folder))


def written(rows: duckdb.DuckDBPyRelation, folder: Path) -> bytes:
    """What a query gives, as a file.

    :raises OSError: there is no room for it.
    """
    import duckdb

    file = folder / f"rows{ENDING}"
    try:
        rows.write_parquet(str(file), compression="zstd")
    except duckdb.IOException as err:
        raise OSError(errno.ENOSPC, f"a temporary file cannot be written: {err}") from err
    return file.read_bytes()


@dataclass(frozen=True)
class Group:
    """Files with the same columns.

    :param types: column -> type, as they are there.
    """

    files: tuple[str, ...]
    types: Mapping[str, str]

    def is_of(self, table: Table) -> bool:
        """It has no column, and no type, of another version but an older one."""
        return all(table.columns.get(name) == _plain(kind) for name, kind in self.types.items())

    def query(self, table: Table) -> str:
        """Its rows with the columns of this version: what is missing, or cannot be one, is NULL."""
        columns = ", ".join(
            f'TRY_CAST("{name}" AS {kind}) AS "{name}"' if name in self.types else f'NULL::{kind} AS "{name}"'
            for name, kind in table.columns.items()
        )
        return f"SELECT {columns} FROM read_parquet({_list_of(self.files)})"


def groups_of(db: duckdb.DuckDBPyConnection, files: Sequence[str]) -> list[Group]:
    """Files by their columns.

    :raises duckdb.Error: one of them is no Parquet file.
    """
    if not files:
        return []
    found = db.execute(
        "SELECT list(file_name ORDER BY file_name) FROM (SELECT file_name, "
        "list(concat_ws(':', name, type, converted_type, logical_type, num_children)) AS columns "
        f"FROM parquet_schema({_list_of(files)}) GROUP BY file_name) GROUP BY columns ORDER BY 1"
    ).fetchall()
    groups = []
    for (alike,) in found:
        described = db.execute(f"DESCRIBE SELECT * FROM read_parquet({_list_of(alike[:1])})").fetchall()
        groups.append(Group(tuple(alike), {name: kind for name, kind, *_ in described}))
    return groups


def query_of(groups: Sequence[Group], table: Table) -> str:
    """All rows of these files; none where there are no files."""
    if not groups:
        columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in table.columns.items())
        return f"SELECT {columns} WHERE false"
    return " UNION ALL ".join(group.query(table) for group in groups)


def last_of(rows: str, table: Table) -> str:
    """Of the rows that a query gives, each as it was seen last."""
    return (
        f"SELECT * FROM ({rows}) QUALIFY row_number() OVER "
        f"(PARTITION BY {', '.join(table.key)} ORDER BY seen_at DESC) = 1"
    )


def readable(db: duckdb.DuckDBPyConnection, files: Mapping[str, str]) -> list[Group]:
    """Those of the files that are Parquet files; each of the others is told of.

    :param files: path -> how messages name it.
    """
    import duckdb

    with suppress(duckdb.Error):  # one by one, then
        return groups_of(db, list(files))
    good = []
    for path, name in files.items():
        try:
            groups_of(db, [path])
        except duckdb.Error as err:
            log.error("%s cannot be read, its rows are left out: %s", name, err)
        else:
            good.append(path)
    return groups_of(db, good)


def _plain(kind: str) -> str:
    return {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}.get(kind, kind)


def _list_of(files: Sequence[str]) -> str:
    return f"[{', '.join(_text(file) for file in files)}]"


def _text(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
