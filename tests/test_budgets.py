"""What the package costs to import and to install, in figures that do not flicker."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.imports import BUDGET, MEASURE, OURS

MOST_DISTRIBUTIONS = 2
BASE = ("apache-airflow", "apache-airflow-providers-http", "apache-airflow-providers-amazon")


def needed_by(*names: str) -> set[str]:
    """The installed distributions that these need without extras, themselves among them."""
    found: set[str] = set()
    todo = [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            wanted = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            continue
        found.add(name)
        todo += [canonicalize_name(need.name) for need in wanted if _applies(need)]
    return found


def _applies(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})


def test_an_install_adds_at_most_two_distributions_to_airflow_and_its_two_providers() -> None:
    added = needed_by("airflow-provider-pipehooks") - needed_by(*BASE) - {"airflow-provider-pipehooks"}
    assert len(added) <= MOST_DISTRIBUTIONS, added
    assert "aiohttp" in needed_by(*BASE), "otherwise this counts nothing"


def test_importing_every_operator_sensor_and_notifier_adds_at_most_sixty_modules() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *OURS], capture_output=True, text=True, check=True, timeout=120
    )
    cost = json.loads(done.stdout.splitlines()[-1])
    assert cost["modules"] <= BUDGET["modules"]
    assert cost["modules"] >= len(OURS), "otherwise nothing was imported"
