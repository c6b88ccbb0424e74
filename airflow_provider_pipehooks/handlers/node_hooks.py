"""HOOKS: methods of an operator that are called at moments of its task. Bamboo's, on any Airflow operator.

::

    class Load(NodeHooks, PythonOperator):
        need_run_hook = True

        def node_execute_fail(self, data, parent_data):
            tell_someone(data.get_one_of_outputs("ex_data"))
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from airflow_provider_pipehooks.handlers.lifecycle import Call, Followed, Follower, is_written_in
from airflow_provider_pipehooks.handlers.node.calling import NodeTeller
from airflow_provider_pipehooks.handlers.node.checks import (
    AIRFLOWS_TOO,
    check_names,
    check_none_is_hidden,
    is_airflows,
    takes_callback,
)
from airflow_provider_pipehooks.handlers.node.data import NodeData
from airflow_provider_pipehooks.handlers.node.moments import MOMENTS
from airflow_provider_pipehooks.handlers.node.process import NodeRun

log = logging.getLogger(__name__)

Body = Callable[..., Any]
#: In the operator's ``__dict__``, since operators guard their attributes.
_TELLS = "_pipehooks_tells"


class NodeHooks(Followed):
    """Base to put before an operator's: ``class Load(NodeHooks, PythonOperator)``.

    Define hooks as methods ``(self, data, parent_data)``, or with ``callback_data=None`` where there can be
    one; ``docs/node_hooks.md`` lists them. A hook that raises is logged and recorded, and changes nothing.
    """

    #: Whether hooks are called. The signals of the same moments do not depend on it.
    need_run_hook: bool = False
    #: Bamboo's name for the same; either switches on.
    __need_run_hook__: bool = False
    #: A failure is told and logged, and the task succeeds all the same.
    error_ignorable: bool = False
    #: Whether False from ``execute`` or from the method a wait resumes with is a failure, as in Bamboo. None:
    #: only where that method was written in a class with NodeHooks; an operator's own False is its result.
    false_is_failure: bool | None = None

    #: The scheduler itself marks an EmptyOperator done, and no worker would call its hooks.
    inherits_from_empty_operator: Any = False

    _node_hooks: dict[str, bool] = {}  # noqa: RUF012  replaced in each class, never changed

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_names(cls)
        cls._node_hooks = {name: _checked(cls, name) for name in MOMENTS if _is_defined(cls, name)}
        check_none_is_hidden(cls)
        for name in AIRFLOWS_TOO:
            if name in vars(cls) and name in cls._node_hooks:
                setattr(cls, name, _either(cls, name, vars(cls)[name]))

    @property
    def tells_of_itself(self) -> bool:
        """Whether its body was reached: from then on every moment is told by the task itself."""
        return _TELLS in vars(self)

    def _teller(self, call: Call) -> Follower:
        vars(self)[_TELLS] = True
        teller = NodeTeller(self, call.context, hooks=_hooks_to_call(self))
        return NodeRun(teller, call, false_fails=_false_fails(type(self), call.method))


def _is_defined(cls: type, name: str) -> bool:
    if not hasattr(cls, name) or is_airflows(cls, name):
        return False
    return inspect.getattr_static(cls, name) is not vars(NodeHooks).get(name)


def _checked(cls: type, name: str) -> bool:
    """Whether the hook takes ``callback_data``; one that a base class has was looked at there."""
    hook = inspect.getattr_static(cls, name)
    for base in cls.__mro__[1:]:
        known = vars(base).get("_node_hooks", {})
        if name in known and inspect.getattr_static(base, name) is hook:
            return bool(known[name])
    return takes_callback(cls, name)


# Default hooks, so that a hook can call super()'s. Made from the table; typed ones would forbid the shorter
# signature that Bamboo documents.


def _default(name: str) -> Body:
    def hook(self: NodeHooks, *args: Any, **kwargs: Any) -> Any:
        return True

    hook.__name__ = name
    hook.__qualname__ = f"NodeHooks.{name}"
    hook.__doc__ = MOMENTS[name].when
    return hook


def _either(cls: type, name: str, hook: Body) -> Body:
    """A hook whose name is a method of Airflow's too: who calls, is told by what it is called with."""

    @wraps(hook)
    def either(self: NodeHooks, *args: Any, **kwargs: Any) -> Any:
        if "data" in kwargs or (args and isinstance(args[0], NodeData)):
            return hook(self, *args, **kwargs)
        return getattr(super(cls, self), name)(*args, **kwargs)

    return either


def _hooks_to_call(task: NodeHooks) -> dict[str, bool]:
    if task.need_run_hook or task.__need_run_hook__:
        return task._node_hooks
    if task._node_hooks:
        log.info("%s has node hooks, but none is called: need_run_hook is not True", type(task).__qualname__)
    return {}


def _false_fails(cls: type[NodeHooks], method: str) -> bool:
    if cls.false_is_failure is not None:
        return cls.false_is_failure
    written_in = next((base for base in cls.__mro__ if is_written_in(base, method)), object)
    return issubclass(written_in, NodeHooks)


for _name in MOMENTS:
    _hook = _default(_name)
    setattr(NodeHooks, _name, _either(NodeHooks, _name, _hook) if _name in AIRFLOWS_TOO else _hook)
