"""A worker's loop around the pure step of a wait: look, tell, sleep. The triggerer's is in triggers/.

The clock and the sleep are arguments, so that tests move time by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.events import WaitEnded, WatchEvent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.watch import Watch, confirming, look
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.services.base import Service

Tell = Callable[[WatchEvent], None]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Whom to ask about which run."""

    hook: RemoteHook
    service: Service
    run_id: int | str


def wait(
    watched: Watched,
    watch: Watch,
    tell: Tell,
    *,
    meanwhile: Callable[[Run], object] = lambda run: None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> WaitEnded:
    """Look at a run until it ends, the deadline comes, or waiting cannot mend what the remote answers.

    :param meanwhile: called after each look at a run that goes on; the time it takes is slept less.
    """
    while True:
        try:
            seen: Run | RemoteCallError = watched.hook.call(watched.service.get_run(watched.run_id), tries=1)
        except RemoteCallError as err:
            seen = err
        step = look(watch, seen, clock())
        for event in step.events:
            tell(event)
        if step.end:
            return step.end
        if step.reread_connection:
            watched.hook.reread()
        looked_s = clock()
        if step.watch.run is not None:
            meanwhile(step.watch.run)
        sleep(max(0.0, step.pause_s - max(0.0, clock() - looked_s)))
        watch = step.watch


def cancel(watched: Watched, tell: Tell) -> WaitEnded:
    """Cancel a run and look until it is over, for as long as a kill leaves us.

    :raises RemoteCallError: the remote did not take the cancel.
    """
    watched.hook.call(watched.service.cancel_run(watched.run_id))
    return wait(watched, confirming(time.time()), tell)
