"""What one look can give, and a wait walked by hand: every step of it, with the time it was taken at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import AccessDenied, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Step, Watch, look
from tests.core.anything import a_run

Seen = Run | RemoteCallError

NO_ANSWER = RemoteCallError("GET /run got no answer: ReadTimeout", retryable=True)
UNAVAILABLE = RemoteCallError("GET /run answered 503", status_code=503, retryable=True)
REFUSED = RemoteCallError("GET /run answered 400", status_code=400)
MISSING = NotFound("GET /run answered 404", status_code=404)
DENIED = AccessDenied("GET /run answered 401", status_code=401)


def throttled(retry_after_s: float | None) -> RemoteCallError:
    return RemoteCallError("429", status_code=429, retryable=True, retry_after_s=retry_after_s)


going_on = st.sampled_from([RunState.QUEUED, RunState.STARTING, RunState.RUNNING, None]).map(a_run)
ended = st.sampled_from([RunState.SUCCESS, RunState.ERROR, RunState.CANCELLED]).map(a_run)
trouble = st.sampled_from([NO_ANSWER, UNAVAILABLE]) | st.builds(
    throttled, st.none() | st.floats(min_value=0, max_value=4000)
)
observations = st.lists(
    st.one_of(going_on, going_on, trouble, trouble, st.sampled_from([MISSING, DENIED, REFUSED]), ended),
    min_size=1,
    max_size=25,
)
watches = st.builds(
    Watch,
    poll_interval_s=st.floats(min_value=0.1, max_value=900),
    since_s=st.just(1000.0),
    deadline_s=st.none() | st.floats(min_value=0, max_value=20_000),
)


@dataclass(frozen=True)
class Look:
    """One look of a wait.

    :param before: what was known when it was taken.
    """

    before: Watch
    seen: Seen
    now_s: float
    step: Step


def walk(watch: Watch, observed: Iterable[Seen]) -> list[Look]:
    """Take looks in until the wait ends or nothing more was observed, sleeping as told."""
    looks: list[Look] = []
    now_s = watch.since_s
    for seen in observed:
        step = look(watch, seen, now_s)
        looks.append(Look(watch, seen, now_s, step))
        if step.end:
            break
        watch, now_s = step.watch, now_s + step.pause_s
    return looks
