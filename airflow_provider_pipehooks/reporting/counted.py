"""The runs that count, as a table of numbers in DuckDB: what every figure is made of.

Names and ids are long, so 64 bits stand for each. Two of a million runs have the same bits in one of 37
million histories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.reporting.figures import Job, Window
from airflow_provider_pipehooks.reporting.window_days import micros

if TYPE_CHECKING:
    import duckdb

#: Of runs that belong to no job: their ``job_id`` and its name.
ONE_TIME = "(one-time runs)"
#: How a run ended. One that its time limit ended has failed, though dbt Cloud says Cancelled.
SUCCEEDED, FAILED, CANCELLED, SKIPPED = range(4)
_OUTCOME = f"""CASE
    WHEN class = 'skipped' THEN {SKIPPED}
    WHEN state = 'success' THEN {SUCCEEDED}
    WHEN state = 'error' OR class = 'timeout' THEN {FAILED}
    WHEN state = 'cancelled' THEN {CANCELLED}
END"""
_TOOK = "(epoch_us(ended_at) - epoch_us(started_at)) / 1e6 - coalesce(paused_s, 0)"
_WAITED = "(epoch_us(started_at) - epoch_us(created_at)) / 1e6"
_JOB = f"coalesce(job_id, '{ONE_TIME}')"
#: Whose run it is: a service's, an account's and a job's; and of a task, which.
_OWNER = f"hash(service, account, {_JOB}, task_key)"
_RUN = "hash(service, account, run_id, task_key)"
#: A run that waits may be given another time of its making: sightings are compared before the window is cut.
MARGIN = timedelta(days=2)


def bound(db: duckdb.DuckDBPyConnection, spare: str, memory: str, *, threads: int) -> None:
    """Let DuckDB take no more than so much; what does not fit goes to a folder for a while."""
    folder = spare.replace("'", "''")
    db.execute(f"SET temp_directory='{folder}'; SET memory_limit='{memory}'; SET threads={threads}")
    db.execute("SET preserve_insertion_order=false")


class Counted:
    """Runs, or tasks of runs, that were made in a window, each once: as it was seen last.

    The table ``counted`` has ``owner`` and ``service`` (64 bits each), ``outcome`` (NULL: has not ended),
    ``made`` and ``done`` (microseconds since the epoch; a run that has ended, nobody knows when, is done when
    it was made), ``took``, ``queued`` and ``again`` (seconds; NULL: unknown).

    :param db: with the table ``seen``. The next Counted replaces this one.
    :param tasks: tasks instead of runs, and each try of one, until :meth:`only_last_tries`.
    """

    def __init__(
        self, db: duckdb.DuckDBPyConnection, window: Window, *, job_id: str | None = None, tasks: bool = False
    ) -> None:
        self.db, self._tasks = db, tasks
        #: What the numbers in ``service`` stand for, once :meth:`owners` has been asked.
        self.services: dict[int, str] = {}
        self._where = f"task_key {'<>' if tasks else '='} '' AND created_at >= $begin AND created_at < $end"
        self._given: dict[str, Any] = {"begin": window.begin - MARGIN, "end": window.end + MARGIN}
        if job_id is not None:
            self._where += f" AND {_JOB} = $job_id"
            self._given["job_id"] = job_id
        self._fill()
        self._keep_newest("run, attempt" if tasks else "run")
        self.ask(f"DELETE FROM counted WHERE made < {micros(window.begin)} OR made >= {micros(window.end)}")

    def _fill(self) -> None:
        again = f"CASE WHEN attempt > 1 THEN {_TOOK} ELSE 0 END" if self._tasks else "again_s"
        self._seen(
            f"""CREATE OR REPLACE TEMP TABLE counted AS SELECT
                {_RUN} AS run, attempt, epoch_us(seen_at) AS seen,
                {_OWNER} AS owner, hash(service) AS service, ({_OUTCOME})::UTINYINT AS outcome,
                epoch_us(created_at) AS made, epoch_us(coalesce(ended_at, created_at)) AS done,
                CASE WHEN {_TOOK} >= 0 THEN {_TOOK} END AS took,
                CASE WHEN {_WAITED} >= 0 AND class IS DISTINCT FROM 'skipped' THEN {_WAITED} END AS queued,
                {again} AS again, job_id IS NULL AS is_one_time, job_name IS NOT NULL AS is_named,
                hash(started_by) AS started_by, hash(fingerprint) AS fingerprint"""
        )

    def only_last_tries(self) -> None:
        """Leave of each task its newest try."""
        self._keep_newest("run")

    def _keep_newest(self, key: str) -> None:
        """Of several rows the one that was seen last; of those seen together the highest attempt."""
        newest_first = f"PARTITION BY {key} ORDER BY seen DESC, attempt DESC"
        self.ask(
            f"""DELETE FROM counted WHERE rowid IN (
                SELECT rowid FROM (
                    SELECT rowid, row_number() OVER ({newest_first}) AS place
                    FROM counted WHERE run IN (SELECT run FROM counted GROUP BY run HAVING count(*) > 1)
                ) WHERE place > 1
            )"""
        )

    def numbers(self, what: str, where: str, *given: Any) -> list[int]:
        """What stands for a run (``run``) or for its job (``owner``) in the table, by its texts."""
        number = {"run": _RUN, "owner": _OWNER}[what]
        rows = self.db.execute(
            f"SELECT DISTINCT {number} FROM seen WHERE task_key = '' AND {where}", [*given]
        )
        return [each for (each,) in rows.fetchall()]

    def ask(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """Rows of a question about the table."""
        return self.db.execute(query, list(given)).fetchall()

    def owners(self) -> Mapping[int, Job]:
        """Who the numbers in ``owner`` stand for. A job is called as its newest run that has a name.

        The table ``owners`` has each with a small ``number``: those are sorted faster.
        """
        self.ask(
            """CREATE OR REPLACE TEMP TABLE owners AS
            SELECT owner, any_value(service) AS service, (row_number() OVER ())::UINTEGER AS number,
                coalesce(max(made) FILTER (WHERE is_named), max(made)) AS newest
            FROM counted GROUP BY owner"""
        )
        newest = {
            owner: (service, made)
            for owner, service, made in self.ask("SELECT owner, service, newest FROM owners")
        }
        columns = f"{_OWNER}, epoch_us(created_at), service, account, {_JOB}, job_name, task_key"
        jobs = {}
        for owner, at, service, account, job_id, name, task_key in self.rows_made_at(
            (made for _, made in newest.values()), columns
        ):
            number, made = newest.get(owner, (0, None))
            if made != at:
                continue
            self.services[number] = service
            name = ONE_TIME if job_id == ONE_TIME else name or ""
            jobs[owner] = Job(
                service=service, account=account, job_id=job_id, job_name=name, task_key=task_key
            )
        return jobs

    def rows_made_at(self, moments: Iterable[int], what: str) -> list[tuple[Any, ...]]:
        """Of the sightings of runs that were made at some moments, the last ones last.

        Few parts of a column are read: texts of a million runs cost more than all figures.
        """
        times = [f"make_timestamptz({moment})" for moment in sorted(set(moments))]
        if not times:
            return []
        span = f"AND created_at BETWEEN {times[0]} AND {times[-1]} AND created_at IN ({', '.join(times)})"
        return self._seen(f"SELECT {what}", f"{span} ORDER BY seen_at")

    def _seen(self, begin: str, end: str = "") -> list[tuple[Any, ...]]:
        """Rows of a question about what was seen."""
        return self.db.execute(f"{begin} FROM seen WHERE {self._where} {end}", self._given).fetchall()
