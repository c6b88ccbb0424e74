"""Databricks Pipelines API 2.0 (updates of Lakeflow declarative pipelines), as read in November 2026."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.texts import shorten
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found, Key
from airflow_provider_pipehooks.services.pipeline_log import failures_in, read_errors, read_newest
from airflow_provider_pipehooks.services.reading import (
    data_of,
    date_of,
    object_or_empty,
    objects,
    text_or_none,
    time_from_ms,
    time_from_text,
    url_or_none,
    words_or_none,
)

NAME = "databricks_pipelines"
Outcome = tuple[RunState, FailureKind | None]

#: ``update.state``; there is no other (SDK's ``UpdateInfoState``).
STATES: Mapping[str, Outcome] = {
    **dict.fromkeys(("QUEUED", "CREATED"), (RunState.QUEUED, None)),
    **dict.fromkeys(("WAITING_FOR_RESOURCES", "INITIALIZING"), (RunState.STARTING, None)),
    **dict.fromkeys(("RESETTING", "SETTING_UP_TABLES", "RUNNING", "STOPPING"), (RunState.RUNNING, None)),
    "COMPLETED": (RunState.SUCCESS, None),
    "FAILED": (RunState.ERROR, "user"),
    "CANCELED": (RunState.CANCELLED, "cancelled"),
}
#: States of a pipeline in which no update follows one that failed.
AT_REST = frozenset({"IDLE", "FAILED", "DELETED"})
#: ``update.cause`` of one that Databricks started itself, after one that failed.
RETRY = "RETRY_ON_FAILURE"
#: The most that a list of pipelines gives a page; more is an error.
PAGE = 100
_UPDATES_A_PAGE = 100
#: A workspace has a limit of a few thousand pipelines.
_LIST_PAGES = 100
_NAME_PAGES = 5
#: Where our mark stands in the ``parameters`` of a start, which come back with the update.
MARK = "pipehooks_intent"
#: So long after an intent was written down an update may have been its start, if marks do not come back.
LOST_WITHIN = timedelta(minutes=2)


def parse_update(data: Mapping[str, Any], *, name: str | None = None, base_url: str = "") -> Run:
    """Read an update: of ``GET updates``, or of ``latest_updates`` of a pipeline.

    :param name: of its pipeline, which an update does not tell.
    :param base_url: of the workspace, for the page of the update.
    :raises ValueError: no usable ``update_id``: that is not an update.
    """
    update_id, pipeline_id = words_or_none(data.get("update_id")), words_or_none(data.get("pipeline_id"))
    if update_id is None:
        raise ValueError(f"Not an update of a pipeline: {shorten(json.dumps(data, default=str))}")
    status = words_or_none(data.get("state")) or "without a state"
    state, kind = STATES.get(status, (None, None))
    page = f"{base_url}/pipelines/{pipeline_id}/updates/{update_id}" if base_url and pipeline_id else None
    made = data.get("creation_time")
    return Run(
        service=NAME,
        run_id=update_id,
        state=state,
        status=status,
        job_id=pipeline_id,
        name=name,
        url=url_or_none(page),
        kind=kind,
        created_at=time_from_ms(made) or time_from_text(made),
    )


@dataclass(frozen=True)
class DatabricksPipelines:
    """The calls on one pipeline of a workspace; those that need none are for finding it.

    :param pipeline_id: a UUID.
    :param pipeline_name: as people know it.
    :param base_url: of the workspace, for the pages of updates.
    """

    pipeline_id: str = ""
    pipeline_name: str | None = None
    base_url: str = ""
    name: ClassVar[str] = NAME
    runs_a_page: ClassVar[int] = PAGE

    def _request(self, method: Literal["GET", "POST"], path: str, **fields: Any) -> Request:
        return Request(method=method, path=f"/api/2.0/pipelines/{self.pipeline_id}{path}", **fields)

    def _parse(self, data: Mapping[str, Any], request: Request | str) -> Run:
        told = {"pipeline_id": self.pipeline_id, **data}
        try:
            return parse_update(told, name=self.pipeline_name, base_url=self.base_url)
        except ValueError as err:
            raise RemoteCallError(f"{request} did not answer with an update: {err}", retryable=True) from err

    # Reading updates

    def key_of(self, run_id: int | str) -> str:
        return str(run_id)

    def batches_of(self, wanted: Mapping[Key, Run | None], *, ended_only: bool) -> list[Batch]:
        return [Batch(wanted)] if wanted else []

    def read_batch(self, found: Found) -> Procedure[bool]:
        """A page tells the latest updates of 100 pipelines. What failed is left out: it may be retried."""
        token = ""
        for _ in range(_LIST_PAGES):
            request = _list_request(page_token=token)
            body = (yield request).body
            found.take(_updates_in(objects(body.get("statuses"))), "update_id")
            token = text_or_none(body.get("next_page_token")) or ""
            if not token or not found.missing:
                break
        return False

    def parse(self, data: Mapping[str, Any]) -> Run:
        return self._parse(data, "GET pipelines")

    def get_run(self, run_id: int | str) -> Procedure[Run]:
        """An update, through the updates that Databricks starts by itself after one that failed."""
        run = yield from self._get(run_id)
        return (yield from self._followed(run)) if run.state is RunState.ERROR else run

    def _get(self, run_id: int | str) -> Procedure[Run]:
        request = self._request("GET", f"/updates/{run_id}")
        return self._parse(data_of((yield request), request, "update", dict), request)

    def _followed(self, failed: Run) -> Procedure[Run]:
        """The same run as its newest retry is; going on, as long as the pipeline may start another."""
        pipeline = yield from self.pipeline()
        retries, newest_id = yield from self._retries(failed.run_id)
        last = self._parse(retries[-1], self._request("GET", "/updates")) if retries else failed
        run = replace(last, run_id=failed.run_id, attempt=1 + len(retries), created_at=failed.created_at)
        if not last.is_terminal:
            return replace(run, status=f"{last.status}, retry {len(retries)}: update {last.run_id}")
        state = text_or_none(pipeline.get("state")) or "IDLE"
        if last.state is RunState.ERROR and newest_id == last.run_id and self._may_retry(pipeline, state):
            status = f"{last.status}, to be retried: the pipeline is {state}"
            return replace(run, state=RunState.RUNNING, kind=None, status=status)
        return run

    @staticmethod
    def _may_retry(pipeline: Mapping[str, Any], state: str) -> bool:
        # Updates in development mode are not retried (documented), and their compute stays up.
        return state not in AT_REST and object_or_empty(pipeline.get("spec")).get("development") is not True

    def _retries(self, run_id: int | str) -> Procedure[tuple[list[Mapping[str, Any]], str]]:
        """The updates that Databricks started after this one failed, and the id of the pipeline's newest."""
        newer = [
            update
            for update in (yield from self.updates(until=run_id))
            if text_or_none(update.get("update_id"))
        ]
        ids = [str(update["update_id"]) for update in newer]
        after = newer[: ids.index(str(run_id))] if str(run_id) in ids else []
        retries: list[Mapping[str, Any]] = []
        for update in reversed(after):
            if update.get("cause") != RETRY:
                break
            retries.append(update)
        return retries, ids[0] if ids else str(run_id)

    def updates_of(self, run_id: int | str) -> Procedure[frozenset[str]]:
        """An update and its retries."""
        retries, _ = yield from self._retries(run_id)
        return frozenset({str(run_id), *(str(update["update_id"]) for update in retries)})

    def something_new(self, seen_until: str) -> Procedure[bool]:
        """Whether the pipeline's log has an event after the one that was seen last."""
        newest_id = yield from self.newest_event_id()
        return newest_id not in ("", seen_until)

    def newest_event_id(self) -> Procedure[str]:
        """Of the last event in the pipeline's log; "" where there is none."""
        newest = yield from read_newest(self.pipeline_id)
        return (text_or_none(newest.get("id")) or "") if newest else ""

    def updates(
        self, *, until: int | str | None = None, pages: int = 10
    ) -> Procedure[list[Mapping[str, Any]]]:
        """The pipeline's updates, newest first.

        :param until: the last one to read; it is in the list, too.
        """
        found: list[Mapping[str, Any]] = []
        params = {"max_results": str(_UPDATES_A_PAGE)}
        if until is not None:
            params["until_update_id"] = str(until)
        for _ in range(pages):
            body = (yield self._request("GET", "/updates", params=params)).body
            found += objects(body.get("updates"))
            token = text_or_none(body.get("next_page_token"))
            if not token or any(update.get("update_id") == until for update in found):
                break
            params["page_token"] = token
        return found

    def newest_update(self) -> Procedure[Run]:
        """The update that started last.

        :raises NotFound: there is none.
        """
        request = self._request("GET", "/updates", params={"max_results": "1"})
        found = objects((yield request).body.get("updates"))
        if not found:
            raise NotFound(f"Databricks pipeline {self.pipeline_id} has no update to wait for.")
        return self._parse(found[0], request)

    def pipeline(self) -> Procedure[Mapping[str, Any]]:
        """The pipeline: ``{"name", "state", "spec", "latest_updates": [...], ...}``."""
        return object_or_empty((yield self._request("GET", "")).body)

    def active_update(self) -> Procedure[Run | None]:
        """The one update that goes on; a pipeline has never two."""
        pipeline = yield from self.pipeline()
        for update in objects(pipeline.get("latest_updates")):
            run = self._parse(update, self._request("GET", ""))
            if not run.is_terminal:
                return run
        return None

    # Starting and stopping

    def start_update(self, body: Mapping[str, Any]) -> Procedure[str]:
        """Start an update. There is no idempotency key: this must be sent once.

        :return: its id.
        """
        request = self._request("POST", "/updates", json=body)
        return data_of((yield request), request, "update_id", str)

    def marked_update(self, mark: str) -> Procedure[Run | None]:
        """The newest update whose parameters hold our mark, among the last hundred."""
        for update in (yield from self.updates(pages=1)):
            if object_or_empty(update.get("parameters")).get(MARK) == mark:
                return self._parse(update, self._request("GET", "/updates"))
        return None

    def server_time_ms(self) -> Procedure[int | None]:
        """The remote's clock, to the second; None where it does not tell."""
        answer = yield self._request("GET", "/updates", params={"max_results": "1"})
        time = date_of(answer)
        return int(time.timestamp() * 1000) if time else None

    def unmarked_update(self, since_ms: int) -> Procedure[Run | None]:
        """The one update that an API call started just after a time, where answers hold no parameters.

        :return: None where there are several, or parameters are told: then it is known that none is ours.
        """
        until_ms = since_ms + int(LOST_WITHIN.total_seconds() * 1000)
        near = [
            update
            for update in (yield from self.updates(pages=1))
            if update.get("cause") == "API_CALL" and since_ms <= _made_ms(update) <= until_ms
        ]
        if len(near) != 1 or "parameters" in near[0]:
            return None
        return self._parse(near[0], self._request("GET", "/updates"))

    def cancel_run(self, run_id: int | str) -> Procedure[None]:
        """Stop the pipeline, if what goes on there is this update or a retry of it.

        ``stop`` ends whatever is active. Between the look and the stop another update can begin only if
        ours ends in that very moment: some milliseconds, which cannot be ruled out.
        """
        if (yield from self.get_run(run_id)).is_terminal:
            return
        retries, newest_id = yield from self._retries(run_id)
        if newest_id not in (str(run_id), *(str(update["update_id"]) for update in retries)):
            return
        yield self._request("POST", "/stop", json={}, idempotent=True, expects="text")

    # Finding and explaining

    def pipeline_id_by_name(self, name: str) -> Procedure[str]:
        """Find a pipeline.

        :raises ConfigurationError: none or several have the name; lists the near ones.
        """
        alike = yield from self._pipelines(filter=f"name LIKE '%{name.replace(chr(39), chr(39) * 2)}%'")
        same = [each for each in alike if each.get("name") == name]
        if len(same) == 1 and (pipeline_id := text_or_none(same[0].get("pipeline_id"))):
            return pipeline_id
        if same:
            ids = ", ".join(shorten(str(each.get("pipeline_id"))) for each in same)
            raise ConfigurationError(
                f"{len(same)} Databricks pipelines are named {name!r} (ids {ids}). Use pipeline_id."
            )
        names = [str(each.get("name")) for each in (yield from self._pipelines())]
        near = get_close_matches(name, names, n=3, cutoff=0.4) or sorted(names)[:3]
        hint = (
            f"Near: {', '.join(repr(shorten(each)) for each in near)}." if near else "This token sees none."
        )
        raise ConfigurationError(f"No Databricks pipeline is named {name!r}. {hint}")

    def _pipelines(self, **params: str) -> Procedure[list[Mapping[str, Any]]]:
        found: list[Mapping[str, Any]] = []
        token = ""
        for _ in range(_NAME_PAGES):
            body = (yield _list_request(**params, page_token=token)).body
            found += objects(body.get("statuses"))
            token = text_or_none(body.get("next_page_token")) or ""
            if not token:
                break
        return found

    def explain_run(self, run: Run) -> Procedure[Run]:
        """Name the flows that failed, and say what the update's own event says."""
        retries, _ = yield from self._retries(run.run_id)
        update_id = str(retries[-1].get("update_id")) if retries else str(run.run_id)
        message, failures = failures_in((yield from read_errors(self.pipeline_id, update_id)), run.url)
        return replace(run, message=run.message or message).with_failures(*failures)


def _list_request(*, page_token: str = "", **params: str) -> Request:
    query = {"max_results": str(PAGE), **params, **({"page_token": page_token} if page_token else {})}
    return Request(method="GET", path="/api/2.0/pipelines", params=query)


def _updates_in(pipelines: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for pipeline in pipelines:
        for update in objects(pipeline.get("latest_updates")):
            if update.get("state") != "FAILED":
                yield {"pipeline_id": pipeline.get("pipeline_id"), **update}


def _made_ms(update: Mapping[str, Any]) -> float:
    made = time_from_ms(update.get("creation_time")) or time_from_text(update.get("creation_time"))
    return made.timestamp() * 1000 if made else -1.0
