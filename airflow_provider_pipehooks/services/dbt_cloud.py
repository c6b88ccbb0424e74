"""dbt Cloud: Administrative API v2 (runs, jobs) and v3 (projects, environments), as read in August 2026."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from airflow_provider_pipehooks.core.errors import (
    DbtCloudResourceLookupError,
    NotFound,
    RemoteCallError,
)
from airflow_provider_pipehooks.core.run import Failure, FailureKind, Run
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState
from airflow_provider_pipehooks.core.texts import cut, last_lines, shorten
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found, Key, number_of
from airflow_provider_pipehooks.services.reading import (
    LONGEST_FAILURE,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    any_id_or_none,
    data_of,
    id_or_none,
    object_or_empty,
    objects,
    parse_json,
    text_or_none,
    time_from_text,
    url_or_none,
    words_or_none,
)

NAME = "dbt_cloud"

#: ``run.status`` is already our table; the words are ``run.status_humanized``.
STATES: Mapping[int, RunState] = {state.value: state for state in RunState}
WORDS: Mapping[int, str] = {state.value: state.name.capitalize() for state in RunState}
NOT_TERMINAL = [state.value for state in RunState if state not in TERMINAL]

#: Ids of cell-based accounts have 14 digits, so no upper bound is checked.
PAGE = 100
#: 14 digits each, this is a third of the 8 KB that servers commonly take for an address.
IDS_A_REQUEST = 250
#: Manifests of the largest projects are about 100 MB.
LONGEST_ARTIFACT = 512 * 2**20
#: Longest ``cause``; longer ones are cut by the official provider.
CAUSE_LIMIT = 255
#: A run cut by its own time limit ends as Cancelled; only this text tells (seen in a captured response).
_TIMED_OUT = re.compile(r"timed out", re.IGNORECASE)
#: Statuses of ``run_results.json`` results that make a run fail; ``warn`` and ``skipped`` do not.
_FAILED_RESULTS = frozenset({"error", "fail", "runtime error", "partial success"})
#: How the first part of a node's ``unique_id`` is called when there are several.
_KINDS = {
    kind: f"{kind}s"
    for kind in ("model", "test", "seed", "snapshot", "source", "operation", "analysis", "unit_test")
}
_LOG_TAIL_LINES = 3
#: Each is a request, and a job has a few steps.
_MOST_STEPS = 10


def parse_run(data: Mapping[str, Any]) -> Run:
    """Read ``data`` of a run, or one item of a list of runs.

    :raises ValueError: no usable ``id`` or ``status``: that is not a run.
    """
    run_id, code = any_id_or_none(data.get("id")), data.get("status")
    if run_id is None or not isinstance(code, int) or isinstance(code, bool):
        raise ValueError(f"Not a dbt Cloud run: {shorten(json.dumps(data, default=str))}")
    state = STATES.get(code)
    message = words_or_none(data.get("status_message"), LONGEST_MESSAGE)
    job = data.get("job")
    return Run(
        service=NAME,
        run_id=run_id,
        state=state,
        status=words_or_none(data.get("status_humanized")) or WORDS.get(code, cut(str(code), LONGEST_NAME)),
        job_id=any_id_or_none(data.get("job_definition_id")),
        name=words_or_none(job.get("name")) if isinstance(job, dict) else None,
        url=url_or_none(data.get("href")),
        message=message,
        kind=_kind(state, message),
        cancelled_by=_cancelled_by(data.get("audit")),
        created_at=time_from_text(data.get("created_at")),
        started_at=time_from_text(data.get("started_at")),
        finished_at=time_from_text(data.get("finished_at")),
    )


def _kind(state: RunState | None, message: str | None) -> FailureKind | None:
    if state is RunState.CANCELLED:
        return "timeout" if message and _TIMED_OUT.search(message) else "cancelled"
    return "user" if state is RunState.ERROR else None


def _cancelled_by(audit: Any) -> str | None:
    """``{"cancellation": {"actor": {"id", "type", "name"}}}``, present with ``include_related=audit``."""
    for key in ("cancellation", "actor"):
        audit = audit.get(key) if isinstance(audit, dict) else None
    return words_or_none(audit.get("name")) if isinstance(audit, dict) else None


@dataclass(frozen=True)
class DbtCloud:
    """The calls on an account; which one is filled in by the hook that sends them."""

    name: ClassVar[str] = NAME
    runs_a_page: ClassVar[int] = PAGE

    def _request(
        self, method: Literal["GET", "POST"], path: str, *, version: str = "v2", **fields: Any
    ) -> Request:
        # POST paths end with a slash: a redirect to the slashed form would drop the body.
        return Request(method=method, path=f"/api/{version}/accounts/{{account_id}}/{path}", **fields)

    def _run(self, request: Request) -> Procedure[Run]:
        answer = yield request
        return _parse(data_of(answer, request, "data", dict), request)

    def get_run(self, run_id: int | str, *related: str) -> Procedure[Run]:
        """Read a run.

        :param related: ``job``, ``trigger``, ``run_steps``, ``audit``, ...; sent as one comma-separated
            value, since a repeated parameter is a known trap.
        """
        params = {"include_related": ",".join(related)} if related else {}
        return (yield from self._run(self._request("GET", f"runs/{run_id}/", params=params)))

    def key_of(self, run_id: int | str) -> int | None:
        return number_of(run_id)

    def batches_of(self, wanted: Mapping[Key, Run | None], *, ended_only: bool) -> list[Batch]:
        ids, size = sorted(wanted), IDS_A_REQUEST if ended_only else PAGE
        slices = [ids[at : at + size] for at in range(0, len(ids), size)]
        return [Batch({run_id: wanted[run_id] for run_id in part}, ended_only) for part in slices]

    def read_batch(self, found: Found) -> Procedure[bool]:
        """By the documented ``pk__in`` and ``status__in``; lists are JSON text, as clients send them.

        Only a page's worth of runs comes back, so more than that may be asked for where few have ended.
        """
        ended_only = found.batch.ended_only
        ended = {"status__in": _list_of(state.value for state in TERMINAL)} if ended_only else {}
        while missing := found.missing:
            params = {"pk__in": _list_of(missing), "limit": str(PAGE), **ended}
            request = self._request("GET", "runs/", params=params)
            page = _page((yield request), request)
            if not found.take(page, "id") or len(page) < PAGE:
                break
        return ended_only

    def parse(self, data: Mapping[str, Any]) -> Run:
        return _parse(data, "GET runs/")

    def start_run(self, job_id: int, *, cause: str, overrides: Mapping[str, Any]) -> Procedure[Run]:
        """Start a run of a job. There is no idempotency key: this must be sent once.

        :param overrides: further fields of the body, such as ``steps_override``; None values are left out.
        """
        body = {"cause": cause, **{key: value for key, value in overrides.items() if value is not None}}
        return (yield from self._run(self._request("POST", f"jobs/{job_id}/run/", json=body)))

    def retry_run(self, run_id: int) -> Procedure[Run]:
        """Continue a failed run where it failed: a new run, which takes no overrides and no cause."""
        return (yield from self._run(self._request("POST", f"runs/{run_id}/retry/")))

    def cancel_run(self, run_id: int | str) -> Procedure[None]:
        yield self._request("POST", f"runs/{run_id}/cancel/", idempotent=True, expects="text")

    def runs(self, **params: Any) -> Procedure[list[Mapping[str, Any]]]:
        """One page of the newest runs that match, with their trigger.

        :param params: as the API names them; lists become JSON text, the form its clients use. None leaves
            one out, also one of ours.
        """
        query = {"order_by": "-id", "include_related": "trigger", "limit": PAGE, **params}
        texts = {
            key: json.dumps(value) if isinstance(value, list) else str(value)
            for key, value in query.items()
            if value is not None
        }
        request = self._request("GET", "runs/", params=texts)
        return _page((yield request), request)

    def active_run(self, job_id: int) -> Procedure[Run | None]:
        """The newest run of a job that has not ended."""
        found = yield from self.runs(job_definition_id=job_id, status__in=NOT_TERMINAL, limit=1)
        return _parse(found[0], "GET runs/") if found else None

    def newest_run_id(self, job_id: int) -> Procedure[int]:
        """The highest run id of a job, 0 when it never ran: a mark to look above later."""
        found = yield from self.runs(job_definition_id=job_id, limit=1)
        return _id(found[0]) if found else 0

    def run_with_tag(self, job_id: int, tag: str, *, above: int) -> Procedure[Run | None]:
        """The run of a job whose cause holds our tag, looking at every run above a known id."""
        return (yield from self._first_above(job_id, above, lambda data: _has(tag, data)))

    def newest_with_tag(self, job_id: int, tag: str) -> Procedure[list[Run]]:
        """Those of a job's newest runs whose cause holds our tag, oldest first; one request."""
        page = yield from self.runs(job_definition_id=job_id)
        found = [_parse(data, "GET runs/") for data in page if _has(tag, data)]
        return sorted(found, key=lambda run: int(run.run_id))

    def run_retrying(self, job_id: int, run_id: int) -> Procedure[Run | None]:
        """The run that continues a failed one, if somebody has retried it already."""
        return (
            yield from self._first_above(job_id, run_id, lambda data: data.get("retrying_run_id") == run_id)
        )

    def _first_above(
        self, job_id: int, above: int, wanted: Callable[[Mapping[str, Any]], bool]
    ) -> Procedure[Run | None]:
        while True:
            # Oldest first: pages stay put while new runs arrive at the end.
            page = yield from self.runs(job_definition_id=job_id, id__gt=above, order_by="id")
            for data in page:
                if wanted(data):
                    return _parse(data, "GET runs/")
            if len(page) < PAGE:
                return None
            highest = _id(page[-1])
            if highest <= above:
                # None would say that there is no such run, and a second one would be started.
                raise RemoteCallError(
                    f"GET runs/ answered the same page again: id__gt={above} was not heeded.", retryable=True
                )
            above = highest

    def job_id_by_name(self, project: str, environment: str, job: str) -> Procedure[int]:
        """Find a job; there is no such endpoint, so project, environment and job are looked up in turn.

        :raises DbtCloudResourceLookupError: none or several have the name; lists the near ones.
        """
        project_id = yield from self._id_by_name("project", project, "projects/", version="v3")
        environment_id = yield from self._id_by_name(
            "environment", environment, f"projects/{project_id}/environments/", version="v3"
        )
        where = {"project_id": str(project_id), "environment_id": str(environment_id)}
        return (yield from self._id_by_name("job", job, "jobs/", params=where))

    def _id_by_name(
        self, what: str, name: str, path: str, *, version: str = "v2", params: Mapping[str, str] | None = None
    ) -> Procedure[int]:
        wanted = {**(params or {}), "name__icontains": name}
        same = [item for item in (yield from self._all(path, version, wanted)) if item.get("name") == name]
        if len(same) == 1 and (found := id_or_none(same[0].get("id"))):
            return found
        if same:
            ids = ", ".join(shorten(str(item.get("id"))) for item in same)
            raise DbtCloudResourceLookupError(
                f"{len(same)} dbt Cloud {what}s are named {name!r} (ids {ids}). Use job_id."
            )
        names = [
            shorten(str(item.get("name"))) for item in (yield from self._all(path, version, params or {}))
        ]
        near = get_close_matches(name, names, n=3, cutoff=0.4) or sorted(names)[:3]
        hint = f"Near: {', '.join(map(repr, near))}." if near else "This token sees none at all."
        raise DbtCloudResourceLookupError(f"No dbt Cloud {what} is named {name!r}. {hint}")

    def _all(self, path: str, version: str, params: Mapping[str, str]) -> Procedure[list[Mapping[str, Any]]]:
        """Every item of a list, once. Totals and offsets move while objects are created: an item may come
        twice, and a page decides when to stop, a short one or one without anything new.
        """
        items: dict[str, Mapping[str, Any]] = {}
        offset = 0
        while True:
            query = {**params, "limit": str(PAGE), "offset": str(offset)}
            request = self._request("GET", path, version=version, params=query)
            page = _page((yield request), request)
            known = len(items)
            items |= {str(item.get("id")): item for item in page}
            if len(page) < PAGE or len(items) == known:
                return list(items.values())
            offset += len(page)

    def jobs(self, project_id: int | None = None, order_by: str | None = None) -> Procedure[list[int]]:
        """The ids of all jobs, or of a project's."""
        wanted = {"project_id": project_id, "order_by": order_by}
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        items = yield from self._all("jobs/", "v2", params)
        return [found for item in items if (found := id_or_none(item.get("id")))]

    def artifact(self, run_id: int, path: str, step: int | None = None) -> Procedure[str]:
        """The text of a file that dbt wrote, such as ``manifest.json``; of the last step if none is given."""
        answer = yield self._request(
            "GET",
            f"runs/{run_id}/artifacts/{quote(path)}",
            params={} if step is None else {"step": str(step)},
            expects="text",
            longest=LONGEST_ARTIFACT,
        )
        return str(answer.body)

    def explain_run(self, run: Run) -> Procedure[Run]:
        """Name the failed dbt nodes; where dbt never got to write results, the failed steps.

        The results are asked for step by step: without one the API gives those of the last step, which
        may not be the one that failed.
        """
        request = self._request(
            "GET", f"runs/{run.run_id}/", params={"include_related": "run_steps,job,audit"}
        )
        data = data_of((yield request), request, "data", dict)
        told = _parse(data, request)
        # An answer older than the end we saw may add what failed, but never turn the end into another.
        run = told if (told.run_id, told.state) == (run.run_id, run.state) else run
        failed = [step for step in objects(data.get("run_steps")) if step.get("status") == RunState.ERROR]
        failures: list[Failure] = []
        messages: list[str] = []
        for step in failed[:_MOST_STEPS]:
            nodes, counts = yield from self._failed_nodes(run, step)
            messages.append(f"step {_shown(step, 'index')}, {_shown(step, 'name')}, failed")
            messages[-1] += f": {counts}" if counts else ""
            failures += nodes or [_failed_step(step, run.url)]
        if messages and not run.message:
            run = replace(run, message=messages[0])
        return run.with_failures(*failures)

    def _failed_nodes(self, run: Run, step: Mapping[str, Any]) -> Procedure[tuple[list[Failure], str]]:
        if not str(step.get("name")).startswith("Invoke dbt"):
            return [], ""
        try:
            answer = yield self._request(
                "GET",
                f"runs/{run.run_id}/artifacts/run_results.json",
                params={"step": str(step.get("index"))},
                expects="text",
            )
        except NotFound:
            return [], ""  # normal when the step failed before dbt wrote results
        return parse_failed_nodes(answer.body, run.url), count_results(answer.body)


def _parse(data: Mapping[str, Any], request: Request | str) -> Run:
    try:
        return parse_run(data)
    except ValueError as err:
        raise RemoteCallError(f"{request} did not answer with a run: {err}", retryable=True) from err


def _has(tag: str, data: Mapping[str, Any]) -> bool:
    return tag in str(object_or_empty(data.get("trigger")).get("cause"))


def _list_of(numbers: Iterable[int]) -> str:
    return json.dumps(sorted(numbers), separators=(",", ":"))


def _id(data: Mapping[str, Any]) -> int:
    return int(_parse(data, "GET runs/").run_id)


def _page(answer: Answer, request: Request) -> list[Mapping[str, Any]]:
    """The objects of a page. One that holds anything else is garbage: what it lost may be our run."""
    page = data_of(answer, request, "data", list)
    if len(found := objects(page)) < len(page):
        raise RemoteCallError(f"{request} answered a list of more than objects.", retryable=True)
    return found


def _shown(step: Mapping[str, Any], key: str) -> str:
    return shorten(str(step.get(key)))


def _failed_step(step: Mapping[str, Any], url: str | None) -> Failure:
    """A step without results of its own: all there is to say is the end of its log."""
    logs = str(step.get("logs") or "")
    lines = [line for line in logs.splitlines() if line.strip()]
    last = shorten(" | ".join(lines[-_LOG_TAIL_LINES:]))
    return Failure(
        name=_shown(step, "name"),
        message=last or "failed without a log",
        url=url,
        detail=last_lines(logs) or None,
    )


def parse_failed_nodes(text: str, url: str | None = None) -> list[Failure]:
    """The failed nodes of a ``run_results.json`` (schemas v4 to v6).

    :return: empty when the text is not such a file.
    """
    return [
        Failure(
            name=shorten(str(result.get("unique_id"))),
            message=shorten(str(result.get("message") or result.get("status")), LONGEST_FAILURE),
            url=url,
        )
        for result in _results(text)
        if text_or_none(result.get("status")) in _FAILED_RESULTS
    ]


def count_results(text: str) -> str:
    """How many nodes of each kind failed: ``2 of 5 models, 1 of 9 tests (3 nodes skipped)``."""
    kinds, failed, skipped = Counter[str](), Counter[str](), 0
    for result in _results(text):
        kind = _KINDS.get(str(result.get("unique_id")).partition(".")[0], "other nodes")
        kinds[kind] += 1
        failed[kind] += text_or_none(result.get("status")) in _FAILED_RESULTS
        skipped += result.get("status") == "skipped"
    told = [f"{count:,} of {kinds[kind]:,} {kind}" for kind, count in failed.items() if count]
    return ", ".join(told) + (f" ({skipped:,} nodes skipped)" if told and skipped else "")


def _results(text: str) -> list[Mapping[str, Any]]:
    try:
        document = parse_json(text)
    except ValueError:
        return []
    return objects(document.get("results")) if isinstance(document, dict) else []
