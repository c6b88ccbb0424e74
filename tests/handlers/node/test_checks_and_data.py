"""What is known of node hooks without Airflow: the classes, the table, and what an exception means."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import exceptions

from airflow_provider_pipehooks.core import errors
from airflow_provider_pipehooks.core.errors import WaitTimedOut
from airflow_provider_pipehooks.handlers import endings
from airflow_provider_pipehooks.handlers.endings import Ending, NodeFailed, ending_of
from airflow_provider_pipehooks.handlers.node.checks import NodeHookNeverCalled
from airflow_provider_pipehooks.handlers.node.data import CallbackData, NodeData
from airflow_provider_pipehooks.handlers.node.moments import MOMENTS
from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.signal.event_types import EVENT_TYPES
from tests.core.anything import a_run

SEVENTEEN = {
    "node_enter",
    "node_finish",
    *(f"node_{phase}_{how}" for phase in ("execute", "schedule") for how in ("fail", "exception")),
    *(f"{when}_{what}_node" for when in ("pre", "post") for what in ("retry", "skip", "pause", "resume")),
    "pre_callback",
    "pre_forced_fail_activity",
    "post_forced_fail_activity",
}
MORE = {"pre_execute", "post_execute", "pre_schedule", "post_schedule", "post_callback"}


def define(**body: Any) -> type[NodeHooks]:
    return type("Load", (NodeHooks,), body)


def a_hook(self: Any, data: Any, parent_data: Any) -> None: ...


# --- the table --------------------------------------------------------------------------------------------


def test_every_hook_of_bamboo_is_in_the_table_and_on_the_mixin() -> None:
    assert len(SEVENTEEN) == 17
    assert set(MOMENTS) == SEVENTEEN | MORE
    assert all(hasattr(NodeHooks, name) for name in MOMENTS)


def test_every_moment_has_a_signal() -> None:
    assert set(MOMENTS) <= set(EVENT_TYPES)


def test_what_is_never_called_is_what_nobody_tells() -> None:
    never = {name for name, moment in MOMENTS.items() if not moment.is_called}
    assert never == {name for name in MOMENTS if EVENT_TYPES[name].told_by == "nobody"}


def test_the_page_of_node_hooks_has_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "node_hooks.md").read_text()
    for name, moment in MOMENTS.items():
        given = {"never": "", "maybe": "`callback_data`", "always": "`callback_data`"}[moment.callback]
        outputs = "read-only" if moment.read_only else "kept"
        row = f"| `{name}` | {moment.when} | {moment.where} | {outputs} | {given} | {moment.differs} |"
        assert row in page


# --- the class --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("node_finished", "node_finish"),
        ("pre_excute", "pre_execute"),
        ("on_node_enter", "node_enter"),
        ("pre_retry", "pre_retry_node"),
        ("post_forced_fail", "post_forced_fail_activity"),
        ("node_execute", "node_execute_exception or node_execute_fail"),
    ],
)
def test_a_name_that_is_nearly_a_hooks_is_refused(wrong: str, meant: str) -> None:
    with pytest.raises(TypeError, match=rf"Load\.{wrong} is not a node hook.*{meant}"):
        define(**{wrong: a_hook})


def test_a_switch_with_a_wrong_name_is_refused() -> None:
    with pytest.raises(TypeError, match="need_run_hook is"):
        define(need_run_hooks=True)


@pytest.mark.parametrize("name", ["execute_complete", "pre_flight", "node", "_node_finished", "refresh"])
def test_other_names_are_the_operators_own(name: str) -> None:
    assert name in vars(define(**{name: a_hook}))


def test_a_name_that_a_base_has_is_no_slip() -> None:
    class Base:
        def node_finished(self) -> None: ...

    class Load(NodeHooks, Base):
        def node_finished(self) -> None: ...

    assert "node_finished" in vars(Load)


async def waits(self: Any, data: Any, parent_data: Any) -> None: ...


def yields(self: Any, data: Any, parent_data: Any) -> Any:
    yield


def needs_more(self: Any, data: Any, parent_data: Any, callback_data: Any) -> None: ...


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        (lambda self: None, "cannot be called as a node hook"),
        (lambda self, data: None, "parent_data"),
        (lambda self, data, parent: None, "cannot be called as a node hook"),
        (needs_more, "callback_data=None"),
        (waits, "coroutine"),
        (yields, "generator"),
        (True, "must be a method"),
    ],
)
def test_a_hook_that_could_not_be_called_is_refused(hook: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why) as raised:
        define(node_finish=hook)
    assert "Load.node_finish" in str(raised.value)


@pytest.mark.parametrize(
    ("hook", "takes"),
    [
        (a_hook, False),
        (lambda self, data, parent_data, callback_data=None: None, True),
        (lambda self, **everything: None, True),
        (staticmethod(lambda data, parent_data: None), False),
        (classmethod(lambda cls, data, parent_data, callback_data=None: None), True),
    ],
)
def test_a_signature_says_whether_the_hook_wants_the_callback(hook: Any, takes: bool) -> None:
    assert define(node_finish=hook)._node_hooks == {"node_finish": takes}


def test_a_hook_that_always_has_a_callback_may_require_it() -> None:
    assert define(pre_callback=needs_more)._node_hooks == {"pre_callback": True}


@pytest.mark.parametrize("name", [name for name, moment in MOMENTS.items() if not moment.is_called])
def test_a_hook_that_is_never_called_warns_once(name: str) -> None:
    with pytest.warns(NodeHookNeverCalled, match=rf"Load\.{name}: Never called: Airflow pauses DAGs"):
        load = define(**{name: a_hook})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert name in type("Sub", (load,), {})._node_hooks  # type: ignore[attr-defined]


def test_a_hook_of_a_plain_mixin_is_one_too() -> None:
    class Alarm:
        def node_execute_fail(self, data: Any, parent_data: Any) -> None: ...

    class Load(Alarm, NodeHooks): ...

    assert Load._node_hooks == {"node_execute_fail": False}


def test_a_hook_may_call_the_one_it_overrides() -> None:
    class Load(NodeHooks):
        def node_enter(self, data: Any, parent_data: Any) -> Any:
            return super().node_enter(data=data, parent_data=parent_data)  # type: ignore[misc]

        def pre_execute(self, data: Any, parent_data: Any) -> Any:
            return super().pre_execute(data=data, parent_data=parent_data)  # type: ignore[misc]

    nothing = NodeData({})
    assert Load().node_enter(nothing, nothing) is True
    assert Load().pre_execute(nothing, nothing) is True


# --- what an exception means ------------------------------------------------------------------------------


def test_the_exceptions_are_airflows_or_ours() -> None:
    assert endings._KNOWN.keys() >= endings._NEVER_RETRIED
    for name, ending in endings._KNOWN.items():
        kind = getattr(exceptions, name, None) or getattr(errors, name)
        assert ending_of(kind.__new__(kind)) is ending


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError(), Ending.RAISED),
        (exceptions.AirflowException(), Ending.RAISED),
        (WaitTimedOut(a_run()), Ending.TIMED_OUT),
        (SystemExit(1), Ending.RAISED),
        (exceptions.TaskDeferralError(), Ending.RAISED),
        (NodeFailed(), Ending.SAID_NO),
        (type("AirflowSkipException", (Exception,), {})(), Ending.RAISED),
    ],
)
def test_everything_else_is_an_error(error: BaseException, ending: Ending) -> None:
    assert ending_of(error) is ending


def test_a_triggered_dag_run_that_is_waited_for_is_not_the_end() -> None:
    waiting = exceptions.DagRunTriggerException.__new__(exceptions.DagRunTriggerException)
    waiting.wait_for_completion = True
    assert ending_of(waiting) is Ending.WAITS


# --- what a hook is given ---------------------------------------------------------------------------------


def test_data_answers_as_bamboos() -> None:
    data = NodeData({"mode": "ok"})
    assert data.set_outputs("rows", 3) is True
    assert data.get_one_of_inputs("mode") == data.inputs.mode == data.get_inputs()["mode"] == "ok"
    assert data.get_one_of_outputs("rows") == data.outputs.rows == data.get_outputs()["rows"] == 3
    assert data.get_one_of_inputs("none") is None
    assert data.get_one_of_outputs("none", 0) == 0
    data.outputs.ex_data = "why"
    assert data.outputs_copy() == {"rows": 3, "ex_data": "why"}
    with pytest.raises(AttributeError, match="no value named 'cols', only"):
        _ = data.outputs.cols


def test_what_a_read_only_hook_sets_is_its_own() -> None:
    data = NodeData({}, {"rows": 3})
    data.detached().set_outputs("rows", 4)
    assert data.outputs == {"rows": 3}


def test_callback_data_is_held_as_bamboos() -> None:
    assert CallbackData({"answer": 1}).data == {"answer": 1}
