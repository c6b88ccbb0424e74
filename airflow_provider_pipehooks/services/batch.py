"""Runs that are read together: which, and what was found of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from airflow_provider_pipehooks.core.run import Run

Data = Mapping[str, Any]
#: A number where the service counts its runs, a text where it names them; a batch has keys of one kind.
Key: TypeAlias = Any


def number_of(run_id: int | str) -> int | None:
    """The key of a run that its service counts."""
    return int(run_id) if str(run_id).isdecimal() else None


@dataclass(frozen=True)
class Batch:
    """Runs to read together.

    :param wanted: the run as last seen by what batches know it by, None if it was never seen.
    :param ended_only: only those that have ended need to be found.
    """

    wanted: Mapping[Key, Run | None]
    ended_only: bool = False


class Found:
    """What answers have told of a batch so far; it stays when a later request of the batch fails.

    :param on_found: called with run id and object as soon as an answer has it.
    :param elsewhere: who else looks for a run that is not of this batch.
    """

    def __init__(
        self,
        batch: Batch,
        *,
        on_found: Callable[[Key, Data], object] = lambda run_id, data: None,
        elsewhere: Callable[[Key], Found | None] = lambda run_id: None,
    ) -> None:
        self.batch = batch
        self.runs: dict[Key, Data] = {}
        #: How many requests were needed, and how many runs they told: those of other batches too.
        self.requests = 0
        self.told = 0
        self._on_found, self._elsewhere = on_found, elsewhere

    @property
    def missing(self) -> dict[Key, Run | None]:
        """What is wanted and was not told yet, by this batch's answers or another's."""
        return {run_id: run for run_id, run in self.batch.wanted.items() if run_id not in self.runs}

    def take(self, page: Iterable[Data], key: str) -> int:
        """Take in the answer of one request.

        :param key: where an object has its run id.
        :return: how many runs it told that were not told before.
        """
        self.requests += 1
        fresh = 0
        for data in page:
            run_id = data.get(key)
            if not isinstance(run_id, (int, str)):
                continue
            found = self if run_id in self.batch.wanted else self._elsewhere(run_id)
            if found is not None:
                fresh += run_id not in found.runs
                found.runs[run_id] = data
                found._on_found(run_id, data)
        self.told += fresh
        return fresh
