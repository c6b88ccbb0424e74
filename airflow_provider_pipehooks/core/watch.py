"""One pure step of a wait: what we knew + what we saw -> what happened, and whether to go on.

The loops around it, one for workers and one for the triggerer, only look, sleep and pass on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.core.changes import Change, between, merged
from airflow_provider_pipehooks.core.errors import AccessDenied, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.events import (
    EndReason,
    LookFailed,
    StateChanged,
    StillWaiting,
    UnknownStatusSeen,
    WaitEnded,
    WatchEvent,
)
from airflow_provider_pipehooks.core.records import (
    FLAG,
    MAYBE_SECONDS,
    NUMBER,
    SECONDS,
    VERSION,
    VERSION_KEY,
    Types,
    known,
    reading,
)
from airflow_provider_pipehooks.core.run import Run

HEARTBEAT_S = 60.0
#: A run that was just started may be unknown to the node that answers the next read.
NOT_FOUND_GRACE_S = 60.0
NOT_FOUND_PAUSE_S = 5.0
#: One of several nodes may not know a run that another has told: it is gone after so many looks in a row.
GONE_AFTER_LOOKS = 4
#: Trouble stretches the pause by doubling it, up to this.
LONGEST_PAUSE_S = 300.0
#: A cancel takes the remote a moment; a kill gives us only so long.
CONFIRM_WITHIN_S = 20.0
CONFIRM_POLL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a wait knows. Times are seconds since the epoch, passed in by the loop.

    :param poll_interval_s: the pause between two looks when all is well.
    :param deadline_s: when to give up waiting; None is never.
    :param trouble: looks that failed since the last good one.
    :param missed: how many of them in a row, up to the last, found no such run.
    :param spread: 0 to 1, another for each wait: stretched pauses grow by up to a quarter of it, so that
        waits that met the same trouble do not all come back at once.
    :param reread: the connection has been read again since access was last granted.
    :param changes: what has happened to the run since the wait began.
    """

    poll_interval_s: float
    since_s: float
    deadline_s: float | None = None
    run: Run | None = None
    looks: int = 0
    trouble: int = 0
    missed: int = 0
    spread: float = 0.0
    reread: bool = False
    heartbeat_s: float | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the loop has to do after one look.

    :param pause_s: sleep this long before the next look, unless ``end`` is set.
    :param reread_connection: read the connection again before the next look: its token may be new.
    """

    watch: Watch
    events: tuple[WatchEvent, ...] = ()
    pause_s: float = 0.0
    reread_connection: bool = False
    end: WaitEnded | None = None


def look(watch: Watch, seen: Run | RemoteCallError, now_s: float) -> Step:
    """Take one observation in.

    Only the run itself, the deadline, or an answer that waiting cannot mend end a wait. A look that was
    taken at or after the deadline is the last one, so a run that ended during the last pause is never
    reported as timed out.

    :param seen: the run as read now, or why it could not be read.
    """
    if isinstance(seen, RemoteCallError):
        return _look_failed(replace(watch, looks=watch.looks + 1), seen, now_s)
    return _run_seen(watch, seen, now_s)


def _run_seen(watch: Watch, run: Run, now_s: float) -> Step:
    events: list[WatchEvent] = []
    heartbeat_s = watch.heartbeat_s if watch.heartbeat_s is not None else now_s
    if watch.run is None or watch.run.status != run.status or watch.run.state != run.state:
        events.append(StateChanged(old=watch.run, new=run))
        heartbeat_s = now_s
        if run.state is None:
            events.append(UnknownStatusSeen(run=run))
    elif now_s - heartbeat_s >= HEARTBEAT_S:
        events.append(StillWaiting(run=run, waited_s=now_s - watch.since_s, looks=watch.looks + 1))
        heartbeat_s = now_s
    watch = replace(
        watch,
        run=run,
        looks=watch.looks + 1,
        trouble=0,
        missed=0,
        reread=False,
        heartbeat_s=heartbeat_s,
        changes=_changes(watch, run, now_s),
    )
    if run.is_terminal:
        end = WaitEnded(reason="run_ended", run=run, changes=watch.changes)
        return Step(watch=watch, events=tuple(events), end=end)
    return _go_on(watch, events, watch.poll_interval_s, now_s)


def _changes(watch: Watch, run: Run, now_s: float) -> tuple[Change, ...]:
    old = watch.run
    if old is not None and old.state is run.state and old.attempt == run.attempt:
        return watch.changes
    return merged(watch.changes, between(old, run, datetime.fromtimestamp(now_s, tz=timezone.utc)))


def _look_failed(watch: Watch, error: RemoteCallError, now_s: float) -> Step:
    if isinstance(error, AccessDenied):
        if watch.reread:
            return _give_up(watch, "access_denied", error)
        step = _trouble(replace(watch, reread=True), error, now_s)
        return replace(step, reread_connection=True)
    if isinstance(error, NotFound):
        watch = replace(watch, missed=watch.missed + 1)
        # Only a run never seen gets grace: one that was there and is gone has been deleted.
        may_be_new = watch.run is None and now_s - watch.since_s < NOT_FOUND_GRACE_S
        if watch.missed >= GONE_AFTER_LOOKS and not may_be_new:
            return _give_up(watch, "not_found", error)
        return _trouble(watch, error, now_s, pause_s=min(watch.poll_interval_s, NOT_FOUND_PAUSE_S))
    watch = replace(watch, missed=0)
    if error.retryable:
        return _trouble(watch, error, now_s)
    return _give_up(watch, "refused", error)


def _trouble(watch: Watch, error: RemoteCallError, now_s: float, pause_s: float | None = None) -> Step:
    """Wait longer each time, but never shorter than the remote asked for."""
    if pause_s is None:
        stretched = min(watch.poll_interval_s * 2.0 ** min(watch.trouble, 16), LONGEST_PAUSE_S)
        pause_s = max(watch.poll_interval_s, stretched)
    pause_s = max(pause_s, error.retry_after_s or 0.0) * (1 + watch.spread / 4)
    watch = replace(watch, trouble=watch.trouble + 1)
    events: list[WatchEvent] = [LookFailed(error=error, in_a_row=watch.trouble, pause_s=pause_s)]
    return _go_on(watch, events, pause_s, now_s)


def _go_on(watch: Watch, events: list[WatchEvent], pause_s: float, now_s: float) -> Step:
    if watch.deadline_s is not None:
        if now_s >= watch.deadline_s:
            waited = f"{now_s - watch.since_s:.0f} s"
            seen = f"it is {watch.run.status}" if watch.run else "it was never seen"
            message = (
                f"Gave up after waiting {waited}: {seen}. Raise the time limit, or look why it takes longer."
            )
            end = WaitEnded(reason="deadline", run=watch.run, message=message, changes=watch.changes)
            return Step(watch=watch, events=tuple(events), end=end)
        # Sleep no further than the deadline: the look taken there is the last one.
        pause_s = min(pause_s, watch.deadline_s - now_s)
    return Step(watch=watch, events=tuple(events), pause_s=pause_s)


def _give_up(watch: Watch, reason: EndReason, error: RemoteCallError) -> Step:
    end = WaitEnded(reason=reason, run=watch.run, message=str(error), changes=watch.changes)
    return Step(watch=watch, end=end)


def confirming(now_s: float) -> Watch:
    """The wait for a cancelled run to be over."""
    return Watch(poll_interval_s=CONFIRM_POLL_S, since_s=now_s, deadline_s=now_s + CONFIRM_WITHIN_S)


def remembered(watch: Watch) -> dict[str, Any]:
    """What the next process of the same wait has to know; its arguments tell it the rest."""
    return {
        VERSION_KEY: VERSION,
        "run": watch.run.to_json() if watch.run else None,
        "since_s": watch.since_s,
        "heartbeat_s": watch.heartbeat_s,
        "looks": watch.looks,
        "trouble": watch.trouble,
        "missed": watch.missed,
        "reread": watch.reread,
        "changes": [change.to_json() for change in watch.changes],
    }


def recalled(record: Any, poll_interval_s: float) -> Watch:
    """The wait as the process before it has left it.

    :raises ValueError: not what :func:`remembered` made; quotes it.
    """
    with reading("a wait", record):
        values = known(record, _FIELDS)
        run = Run.from_json(record["run"]) if record.get("run") else None
        changes = tuple(map(Change.from_json, record.get("changes") or ()))
        return Watch(poll_interval_s=poll_interval_s, run=run, changes=changes, **values)


_FIELDS: Mapping[str, Types] = {
    "since_s": SECONDS,
    "heartbeat_s": MAYBE_SECONDS,
    "looks": NUMBER,
    "trouble": NUMBER,
    "missed": NUMBER,
    "reread": FLAG,
}
