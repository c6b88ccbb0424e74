"""What the stand-in remembers of a workspace beside its jobs, pipelines and statements."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError

Json = dict[str, Any]

OWNER = "standin@example.com"


@dataclass
class Machine:
    """A cluster or a warehouse: each read shows a state, and the next read the one after it.

    :param coming: states that follow, one at each read.
    :param libraries: installed on it, as they were sent.
    """

    id: str
    name: str
    state: str
    coming: list[str] = field(default_factory=list)
    message: str = ""
    libraries: list[Json] = field(default_factory=list)

    def read(self) -> str:
        """The state as it is seen now."""
        seen = self.state
        if self.coming:
            self.state = self.coming.pop(0)
        return seen

    def go(self, *states: str) -> None:
        """Be in the first of these states, and come to the others."""
        self.state, *self.coming = states


@dataclass
class Repo:
    """A Git folder."""

    id: int
    path: str
    url: str
    provider: str
    branch: str = "main"


class World:
    """The machines, rights and repositories of one workspace.

    :param has_job: whether there is such a job; rights are kept here, jobs elsewhere.
    """

    def __init__(self, has_job: Callable[[int], bool] = lambda _: True) -> None:
        # Tests read from another thread than the one that serves.
        self.lock = threading.RLock()
        self.has_job = has_job
        self.reset()

    def reset(self) -> None:
        """Forget everything, as after a fresh start."""
        with self.lock:
            self.clusters: dict[str, Machine] = {}
            self.warehouses: dict[str, Machine] = {}
            #: Job -> who (``user_name`` and so on, with the name) -> level.
            self.rights: dict[int, dict[tuple[str, str], str]] = {}
            self.repos: dict[int, Repo] = {}
            self._ids = itertools.count(7_001)

    def add_cluster(self, name: str = "shared", state: str = "TERMINATED") -> str:
        """Define a cluster and give its id."""
        with self.lock:
            cluster_id = f"1127-140000-{next(self._ids):08x}"
            self.clusters[cluster_id] = Machine(cluster_id, name, state)
            return cluster_id

    def add_warehouse(self, name: str = "shared", state: str = "STOPPED") -> str:
        """Define a SQL warehouse and give its id."""
        with self.lock:
            warehouse_id = f"{next(self._ids):016x}"
            self.warehouses[warehouse_id] = Machine(warehouse_id, name, state)
            return warehouse_id

    def cluster(self, cluster_id: Any) -> Machine:
        """:raises ApiError: 400, there is none."""
        if cluster_id not in self.clusters:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Cluster {cluster_id} does not exist")
        return self.clusters[cluster_id]

    def warehouse(self, warehouse_id: str) -> Machine:
        """:raises ApiError: 404, there is none."""
        if warehouse_id not in self.warehouses:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {warehouse_id} does not exist.")
        return self.warehouses[warehouse_id]

    def rights_of(self, job_id: int) -> dict[tuple[str, str], str]:
        """:raises ApiError: 404, there is no such job."""
        if not self.has_job(job_id):
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Job {job_id} does not exist.")
        return self.rights.setdefault(job_id, {("user_name", OWNER): "IS_OWNER"})

    def repo(self, repo_id: int) -> Repo:
        """:raises ApiError: 404, there is none."""
        if repo_id not in self.repos:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Repo with id {repo_id} does not exist.")
        return self.repos[repo_id]

    def define_repo(self, path: str, url: str, provider: str) -> Repo:
        """:raises ApiError: 400, something is at this path."""
        if any(each.path == path for each in self.repos.values()):
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        repo = Repo(next(self._ids), path, url, provider)
        self.repos[repo.id] = repo
        return repo
