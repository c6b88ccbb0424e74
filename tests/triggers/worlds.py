"""Two remotes in memory, in virtual time: as much of them as the watcher's looks ask for."""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.core.errors import NotFound, RemoteCallError
from airflow_provider_pipehooks.hooks.rate import RateLimit
from airflow_provider_pipehooks.services.base import Answer, Request


async def driven(
    procedure: Generator[Request, Answer, Any],
    answered: Callable[[Request], Awaitable[Answer | RemoteCallError]],
) -> Any:
    """The result of a procedure whose requests are answered one after the other."""
    answer: Answer | RemoteCallError | None = None
    while True:
        try:
            if isinstance(answer, RemoteCallError):
                request = procedure.throw(answer)
            else:
                request = procedure.send(answer) if answer else next(procedure)
        except StopIteration as end:
            return end.value
        answer = await answered(request)


@dataclass
class World(ABC):
    """Runs by id, each with start and end on the loop's clock; doubles as the hook that asks for them.

    :param faults: share of the requests that get no usable answer.
    :param rates: as the real hook has them; turns are waited for as it does.
    """

    clock: Callable[[], float]
    faults: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    runs: dict[int, tuple[float, float]] = field(default_factory=dict)
    journal: list[Request] = field(default_factory=list)
    closed: int = 0
    reread: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(1))
    #: Called with each request before it is answered; may raise.
    before: Callable[[Request], None] = lambda _: None

    def __post_init__(self) -> None:
        self.limits = {end: RateLimit(per_s, clock=self.clock) for end, per_s in self.rates.items()}

    async def acall(self, procedure: Generator[Request, Answer, Any], *, tries: int = 1) -> Any:
        return await driven(procedure, self._answered)

    async def _answered(self, request: Request) -> Answer | RemoteCallError:
        for limit in [limit for end, limit in self.limits.items() if request.path.endswith(end)][:1]:
            await limit.turn()
        self.journal.append(request)
        await asyncio.sleep(self.random.uniform(0.02, 0.2))
        try:
            self.before(request)
            if self.random.random() < self.faults:
                return RemoteCallError(f"{request} answered 503", status_code=503, retryable=True)
            return Answer(status=200, body=self.answer(request))
        except RemoteCallError as err:
            return err

    async def aclose(self) -> None:
        self.closed += 1

    async def areread(self) -> None:
        self.reread += 1

    @abstractmethod
    def answer(self, request: Request) -> dict[str, Any]:
        """The body of a good answer."""


class DbtWorld(World):
    def answer(self, request: Request) -> dict[str, Any]:
        if ids := request.params.get("pk__in"):
            runs = [self._run(run_id) for run_id in json.loads(ids) if run_id in self.runs]
            statuses = json.loads(request.params.get("status__in", "[3, 10]"))
            found = [run for run in runs if run["status"] in statuses]
            return {"data": found[: int(request.params["limit"])]}
        run_id = int(request.path.split("/runs/")[1].split("/")[0])
        if run_id not in self.runs:
            raise NotFound(f"{request} answered 404", status_code=404)
        return {"data": self._run(run_id)}

    def _run(self, run_id: int) -> dict[str, Any]:
        start, end = self.runs[run_id]
        run = {"id": run_id, "job_definition_id": 1, "started_at": _iso(start)}
        if end > self.clock():
            return {**run, "status": 3}
        return {**run, "status": 10, "finished_at": _iso(end)}


@dataclass
class DatabricksWorld(World):
    """Lists are cut into pages as they are at that moment, so runs move between pages.

    :param finer: times are kept finer than they are shown, so a window that ends at a run leaves it out.
    """

    finer: bool = False
    _starts: list[float] = field(default_factory=list)
    _ids: list[int] = field(default_factory=list)

    def answer(self, request: Request) -> dict[str, Any]:
        if request.path.endswith("runs/cancel"):
            return {}
        if request.path.endswith("runs/get"):
            return self._run(int(request.params["run_id"]))
        return self._list(dict(request.params))

    def _list(self, params: dict[str, str]) -> dict[str, Any]:
        low = float(params.get("start_time_from", "-inf"))
        active, size = params.get("active_only") == "true", int(params["limit"])
        page: list[int] = []
        for at in range(self._begin(params), -1, -1):
            run_id = self._ids[at]
            start, end = self.runs[run_id]
            if int(start * 1000) < low:
                break
            if (end > self.clock()) != active:
                continue
            if len(page) == size:
                return {"runs": [self._run(run_id) for run_id in page], "next_page_token": str(at)}
            page.append(run_id)
        return {"runs": [self._run(run_id) for run_id in page]}

    def _begin(self, params: dict[str, str]) -> int:
        """Where a page begins among the runs, which are made in the order of their starts."""
        if len(self._starts) != len(self.runs):
            shown = [int(start * 1000) for start, _ in self.runs.values()]
            self._starts = [start + 0.4 for start in shown] if self.finer else [*map(float, shown)]
            self._ids = list(self.runs)
        if token := params.get("page_token"):
            return int(token)
        return bisect_right(self._starts, float(params.get("start_time_to", "inf"))) - 1

    def _run(self, run_id: int) -> dict[str, Any]:
        start, end = self.runs[run_id]
        run = {"run_id": run_id, "job_id": 1, "start_time": int(start * 1000)}
        if end > self.clock():
            return {**run, "state": {"life_cycle_state": "RUNNING"}}
        state = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
        return {**run, "end_time": int(end * 1000), "state": state}


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, tz=timezone.utc).isoformat()
