"""What a call would not run is refused where it is given, or told where it was called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.plain import is_never_run
from airflow_provider_pipehooks.handlers.signals import PipelineEvent
from airflow_provider_pipehooks.handlers.state_handlers import callback_factory, on_failure, state_handlers


async def coroutine(*args: Any, **kwargs: Any) -> None:
    """Never runs."""


def generator(*args: Any, **kwargs: Any) -> Any:
    yield


async def both(*args: Any, **kwargs: Any) -> Any:
    yield


def plain(*args: Any, **kwargs: Any) -> None:
    """Runs."""


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Async:
    async def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Never runs."""

    async def method(self, *args: Any, **kwargs: Any) -> None:
        """Never runs."""


class Plain:
    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Runs."""


NEVER = [
    coroutine,
    generator,
    both,
    wrapped(coroutine),
    wrapped(wrapped(generator)),
    functools.partial(coroutine, 1),
    functools.partial(wrapped(coroutine)),
    Async(),
    Async().method,
]
RUNS = [plain, wrapped(plain), functools.partial(plain, 1), Plain(), Plain, print, lambda *args: None]


@pytest.mark.parametrize("function", NEVER)
def test_it_is_known_by_its_kind(function: Any) -> None:
    assert is_never_run(function)


@pytest.mark.parametrize("function", RUNS)
def test_what_runs_is_taken(function: Any) -> None:
    assert not is_never_run(function)


@pytest.mark.parametrize("function", NEVER)
@pytest.mark.parametrize(
    "give",
    [
        state_handlers,
        on_failure,
        lambda function: state_handlers(on_failure=function),
        lambda function: state_handlers(function, of="dag"),
        lambda function: callback_factory(function, plain),
        lambda function: callback_factory(plain, function),
    ],
    ids=["handler", "on_failure", "on_failure=", "of a DAG", "callback", "check"],
)
def test_it_is_refused_where_it_is_given(give: Callable[[Any], Any], function: Any) -> None:
    with pytest.raises(TypeError, match="must be a plain function"):
        give(function)


@pytest.mark.parametrize("function", [coroutine, generator, wrapped(coroutine)])
def test_as_a_node_hook_it_ends_the_class(function: Any) -> None:
    with pytest.raises(TypeError, match="must be a plain method"):
        type("Hooked", (NodeHooks,), {"node_finish": function})


@pytest.mark.parametrize(
    "function", [coroutine, generator, Async().method], ids=["coroutine", "generator", "method"]
)
def test_as_a_receiver_it_is_told_of_when_it_is_called(
    function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Receivers are connected by blinker, which asks nothing."""
    signals.recent_failures.clear()
    signals.pipeline_event.connect(function, weak=False)
    try:
        signals.send(PipelineEvent(event_type="node_enter", data={"dag_id": "d"}), "d")
    finally:
        signals.pipeline_event.disconnect(function)
    assert "which nobody runs" in caplog.text
    assert len(signals.recent_failures) == 1
