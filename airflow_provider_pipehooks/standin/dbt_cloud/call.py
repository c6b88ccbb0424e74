"""A request to the dbt Cloud of the stand-in, read: what every handler gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_pipehooks.standin.dbt_cloud import answers, listing
from airflow_provider_pipehooks.standin.dbt_cloud.answers import ApiError
from airflow_provider_pipehooks.standin.dbt_cloud.defined import Job
from airflow_provider_pipehooks.standin.dbt_cloud.run import Run
from airflow_provider_pipehooks.standin.dbt_cloud.world import World


@dataclass(frozen=True)
class Listed:
    """The answer of a list endpoint: rows and what goes into ``extra``."""

    data: list[Any]
    extra: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request, read."""

    world: World
    account_id: int
    ids: Mapping[str, int]
    path: str
    query: Mapping[str, str]
    body: Any

    @property
    def related(self) -> frozenset[str]:
        """``include_related``: one comma-separated value."""
        return frozenset(filter(None, self.query.get("include_related", "").split(",")))

    def run(self) -> Run:
        """The run the path names, as it is now; counts as a poll."""
        run = self.world.known_runs.get(self.ids["run_id"])
        if run is None or run.account_id != self.account_id:
            raise ApiError(404, answers.NOT_FOUND)
        return run

    def job(self) -> Job:
        """The job the path names."""
        job = self.world.jobs.get(self.ids["job_id"])
        if job is None or job.account_id != self.account_id:
            raise ApiError(404, answers.NOT_FOUND)
        return job


def owned(call: Call, thing: Any) -> Any:
    """The thing, if it is there and belongs to the account of the path; forbidden looks like missing."""
    if thing is None or thing.account_id != call.account_id:
        raise ApiError(404, answers.NOT_FOUND)
    return thing


def listed(page: listing.Page, data: list[Any]) -> Listed:
    """A page with its ``extra``."""
    pagination = {"count": len(data), "total_count": page.total}
    return Listed(data, {"filters": page.filters, "order_by": page.order_by, "pagination": pagination})


def page_of(
    call: Call,
    rows: Iterable[Any],
    known: Mapping[str, listing.Filter],
    render: Callable[[Any], dict[str, Any]],
) -> Listed:
    """One page of things that do not move: jobs, projects, environments."""
    defaults = {"account_id": call.account_id, "state": "active"}
    page = listing.paged(rows, call.query, known=known, orders=listing.JOB_ORDERS, defaults=defaults)
    return listed(page, [render(row) for row in page.rows])
