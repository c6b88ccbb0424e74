"""Every official name has its verdict, the page says what the code does, and no word is left over."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.core.errors import ConfigurationError
from tests.contract import signatures
from tests.contract.left_out import MORE, REFUSED, STAYS
from tests.contract.signatures import MISSING, PAGE, Row, other_call, page, parameter_rows, rows

WRITE = "python -m tests.contract.signatures writes it anew."


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return rows()


def test_the_page_is_as_the_code() -> None:
    assert PAGE.read_text() == page(), WRITE


def test_every_official_name_has_a_verdict(found: list[Row]) -> None:
    assert [row for row in found if row.verdict == MISSING] == [], "build it, or say in left_out.py why not"
    assert len(found) > 250, "otherwise little was compared"


def test_no_word_is_about_a_name_that_is_not_official(found: list[Row]) -> None:
    assert set(REFUSED) | set(MORE) | set(STAYS) <= {row.key for row in found}


def test_no_name_is_refused_that_is_here(found: list[Row]) -> None:
    refused = {row.key for row in found if row.verdict.startswith("refused")}
    assert set(REFUSED) <= refused


def test_what_is_used_most_is_the_same_or_more(found: list[Row]) -> None:
    verdicts = {row.key: row.verdict.partition(":")[0] for row in found}
    used = (
        "DatabricksHook.get_run_output",
        "DatabricksHook._do_api_call",
        "DatabricksHook.get_run_page_url",
        "DatabricksHook.get_run_state",
        "DatabricksHook.submit_run",
        "DbtCloudHook.list_job_runs",
        "DbtCloudHook.get_job_run_artifact",
        "DbtCloudHook.connection",
        "DbtCloudHook.retry_args",
        "DbtCloudJobRunStatus",
        "DbtCloudRunJobOperator.job_id",
    )
    assert {verdicts[name] for name in used} <= {"same", "more"}


# --- what the comparing sees ------------------------------------------------------------------------------


class Theirs(BaseOperator):
    def __init__(
        self, *, a: int = 1, b: str = "b", gone: bool = False, no: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)


class Base(BaseOperator):
    def __init__(self, *, a: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Ours(Base):
    def __init__(self, *, b: str = "other", no: Any = None, **kwargs: Any) -> None:
        if no:
            raise ConfigurationError("no is not supported: use a.")
        super().__init__(**kwargs)


def test_parameters_are_compared_through_the_bases_and_tried() -> None:
    verdicts = {row.name: row.verdict for row in parameter_rows(Theirs, Ours)}
    assert verdicts == {
        "a": "same",
        "b": "more: the default is `'other'`, not `'b'`",
        "gone": MISSING,
        "no": "refused: use a",
    }


def call(a: int, b: int = 2) -> None: ...


def takes_more(a: int, b: int = 2, *, c: int = 3) -> None: ...


def takes_less(a: int) -> None: ...


def other_order(b: int, a: int = 2) -> None: ...


def other_default(a: int, b: int = 3) -> None: ...


async def awaited(a: int, b: int = 2) -> None: ...


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (call, ""),
        (takes_more, "takes `c`, too"),
        (takes_less, None),
        (other_order, None),
        (other_default, None),
        (awaited, None),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_calls_are_compared_by_names_order_and_defaults(ours: Any, expected: str | None) -> None:
    assert other_call(call, ours) == expected


def test_a_method_that_is_missing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_one(kind: type) -> list[str]:
        return [name for name in members(kind) if kind is DatabricksHook or name != "get_run_output"]

    members = signatures.members
    monkeypatch.setattr(signatures, "members", without_one)
    ours = signatures.our_names()["DatabricksHook"][1]
    assert missing_in(signatures.hook_rows(DatabricksHook, ours)) == ["get_run_output"]


def missing_in(found: Iterator[Row]) -> list[str]:
    return [row.name for row in found if row.verdict == MISSING]


def test_keys_of_xcoms_are_found_in_the_source() -> None:
    from airflow.providers.databricks.operators import databricks

    module = inspect.getmodule(databricks.DatabricksRunNowOperator)
    assert module is not None
    assert signatures.pushed(module, databricks.DatabricksRunNowOperator) >= {"run_id", "run_page_url"}
