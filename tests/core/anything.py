"""Anything a remote or a database can hand us, and any run: what the property tests draw from."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.run import Failure, FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState

#: The same examples on every machine, and no time limit for one of them: the machine may be busy.
bounded = settings(max_examples=200, derandomize=True, deadline=None, database=None)
#: For what is drawn for each call of a service.
fewer = settings(bounded, max_examples=50)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**15),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", " ", "TERMINATED", "SUCCESS", "2026-05-27T10:42:16Z", "\ud800", "timed out"]),
)
values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=10), values, max_size=5)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these keys, each missing, as given, or holding anything at all."""
    return st.fixed_dictionaries({}, optional={key: st.one_of(kind, values) for key, kind in fields.items()})


texts = st.text(st.characters(codec="utf-8"), max_size=30)
_times = st.datetimes(
    min_value=datetime(1970, 1, 2),
    timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=30))]),
)
_failures = st.builds(Failure, name=texts, message=texts, url=st.none() | texts)
runs = st.builds(
    Run,
    service=st.sampled_from(["dbt_cloud", "databricks_jobs", "databricks_pipelines"]),
    run_id=st.integers(min_value=1) | texts,
    state=st.none() | st.sampled_from(RunState),
    status=texts,
    job_id=st.none() | st.integers() | texts,
    name=st.none() | texts,
    url=st.none() | texts,
    message=st.none() | texts,
    kind=st.none() | st.sampled_from(get_args(FailureKind)),
    cancelled_by=st.none() | texts,
    attempt=st.integers(1, 9),
    created_at=st.none() | _times,
    started_at=st.none() | _times,
    finished_at=st.none() | _times,
    failures=st.lists(_failures, max_size=3).map(tuple),
)


def a_run(state: RunState | None = RunState.RUNNING, **fields: Any) -> Run:
    """A plain run; its status is the state's name unless told otherwise."""
    status = state.name if state is not None else "HIBERNATING"
    return Run(**{"service": "dbt_cloud", "run_id": 42, "state": state, "status": status, **fields})
