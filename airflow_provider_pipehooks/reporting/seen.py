"""What the history knows of a run that has just failed, in a line for its alert.

An alert is worth more than this line: whatever goes wrong here, or takes long, there is none.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from threading import Thread

from airflow_provider_pipehooks.core.reasons import class_of_run, fingerprint_of, told_by_run
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.reporting.counted import FAILED, MARGIN, SUCCEEDED, Counted, bound
from airflow_provider_pipehooks.reporting.figures import Window
from airflow_provider_pipehooks.reporting.history import History

log = logging.getLogger(__name__)

DAYS = 60
#: An alert is not held up for longer.
LONGEST_S = 5.0
_MEMORY = "100MB"
#: Of fewer runs a rate says less than the runs do.
_FEW = 20


def what_is_known(
    run: Run,
    history_path: str | None = None,
    *,
    now: datetime | None = None,
    longest_s: float = LONGEST_S,
) -> str | None:
    """How often its job fails, how often this trouble was seen, and how long it took to mend.

    ``Fails 3 % of its runs (60 days); seen 4 times; a retry mends it in 6 min (median).``

    :param run: a failed one; it does not count itself.
    :param history_path: as ``History`` takes it.
    :param longest_s: a slow disk or store holds nobody up for longer.
    :return: None if nothing is known: no history, no DuckDB, a folder that cannot be read, no such job.
    """
    if not run.is_failed:
        return None
    found: list[str] = []

    def look() -> None:
        try:
            found.extend(_known(run, History(history_path), now or datetime.now(timezone.utc)))
        except Exception as err:
            # The alert goes out without it; why is said once, where somebody may look for it.
            log.info("The history says nothing of %s: %s", run.label, err, exc_info=log.isEnabledFor(10))

    # A thread that waits for a store cannot be ended, but left.
    thread = Thread(target=look, name="pipehooks-seen", daemon=True)
    thread.start()
    thread.join(longest_s)
    if thread.is_alive():
        log.info("The history says nothing of %s within %g s", run.label, longest_s)
        return None
    line = "; ".join(found)
    return f"{line[0].upper()}{line[1:]}." if line else None


def _known(run: Run, history: History, now: datetime) -> list[str]:
    if not history.root.folder("runs").names():
        return []  # without DuckDB, too: most have no history
    window = Window.last(DAYS, now)
    since = (window.begin - MARGIN).astimezone(timezone.utc).date()
    with history.open(run.service, since=since) as db, tempfile.TemporaryDirectory() as spare:
        bound(db, spare, _MEMORY, threads=1)
        counted = Counted(db, window)
        itself = counted.numbers("run", "run_id = $1", str(run.run_id))
        counted.ask("DELETE FROM counted WHERE run IN (SELECT unnest($1))", itself)
        jobs = [] if run.job_id is None else counted.numbers("owner", "job_id = $1", str(run.job_id))
        rate = list(_rate(counted, jobs))
        seen = list(_seen(counted, _fingerprints(run)))
        return [*rate, *(seen or ["not seen before"])] if rate or seen else []


def _fingerprints(run: Run) -> list[str]:
    """As an alert has it, which has read what failed inside the run, and as a list of runs tells it."""
    told = (run, replace(run, failures=(), failed=0))
    trouble = class_of_run(run)
    return sorted({fingerprint_of(trouble, *told_by_run(each), run.service) for each in told})


def _rate(counted: Counted, jobs: list[int]) -> Iterator[str]:
    ((ended, failed),) = counted.ask(
        f"SELECT count(outcome), count(*) FILTER (WHERE outcome = {FAILED}) FROM counted "
        "WHERE owner IN (SELECT unnest($1))",
        jobs,
    )
    if not ended:
        return
    if ended == 1:
        yield f"its only other run {'failed, too' if failed else 'did not fail'} ({DAYS} days)"
    elif not failed:
        yield f"none of its {ended:,} other runs has failed ({DAYS} days)"
    elif ended < _FEW:
        yield f"{failed} of its {ended} other runs failed, too ({DAYS} days)"
    else:
        rate = 100 * failed / ended
        yield f"fails {'less than 1' if rate < 1 else round(rate)} % of its runs ({DAYS} days)"


def _seen(counted: Counted, fingerprints: list[str]) -> Iterator[str]:
    same = "fingerprint IN (SELECT hash(unnest($1)))"
    ((count, jobs),) = counted.ask(
        f"SELECT count(*), count(DISTINCT owner) FROM counted WHERE {same}", fingerprints
    )
    if not count:
        return
    times = "once" if count == 1 else f"{count:,} times"
    yield f"seen {times}{f' in {jobs:,} jobs' if jobs > 1 else ''}"
    ((mended_s,),) = counted.ask(
        f"""SELECT median(good.done - bad.done) / 1e6
        FROM (SELECT owner, done FROM counted WHERE {same} AND NOT is_one_time) AS bad
        ASOF JOIN (SELECT owner, done FROM counted WHERE outcome = {SUCCEEDED}) AS good
        ON bad.owner = good.owner AND good.done >= bad.done""",
        fingerprints,
    )
    if mended_s is not None:
        yield f"a retry mends it in {_span(mended_s)} (median)"


def _span(seconds: float) -> str:
    """Of a time, as much as says something: ``45 s``, ``6 min``, ``3 h``, ``2 days``."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 48 * 3600)):
        if seconds < most:
            return f"{max(1, round(seconds / size))} {unit}"
    return f"{round(seconds / 86_400)} days"
