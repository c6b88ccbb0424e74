"""The names of the official provider's exceptions, and what a DAG that catches them sees."""

from __future__ import annotations

import inspect

import pytest
from airflow.providers.databricks import exceptions as official

from airflow_provider_pipehooks.core import databricks_errors as ours
from airflow_provider_pipehooks.core.errors import AccessDenied, ConfigurationError, NotFound, WaitTimedOut

#: There is no operator here that could raise it.
NOT_HERE = {"DatabricksWarehouseError"}
THEIRS = {
    name: kind
    for name, kind in inspect.getmembers(official, inspect.isclass)
    if name.startswith("Databricks")
}


def test_every_name_is_there() -> None:
    assert set(ours.__all__) == THEIRS.keys() - NOT_HERE


@pytest.mark.parametrize("name", ours.__all__)
def test_a_kind_of_another_is_one_here(name: str) -> None:
    for other in ours.__all__:
        if issubclass(THEIRS[name], THEIRS[other]):
            assert issubclass(getattr(ours, name), getattr(ours, other))


def test_what_is_raised_is_caught_by_them() -> None:
    assert issubclass(ConfigurationError, ours.DatabricksOperatorPayloadError)
    assert issubclass(WaitTimedOut, ours.DatabricksSqlExecutionTimeout)
    for kind in (AccessDenied, NotFound):
        assert issubclass(kind, ours.DatabricksApiError)
    assert ours.DatabricksApiError("no", status_code=404).http_status_code == 404
