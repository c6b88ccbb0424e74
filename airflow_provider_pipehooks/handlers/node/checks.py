"""A node hook with a wrong name or signature is an error where its class is defined, not silence later."""

from __future__ import annotations

import inspect
import warnings
from difflib import get_close_matches
from typing import Any

from airflow_provider_pipehooks.handlers.node.moments import MOMENTS
from airflow_provider_pipehooks.handlers.plain import is_never_run

#: Airflow has methods of these names too: ``pre_execute(context)``, ``post_execute(context, result)``.
AIRFLOWS_TOO = ("pre_execute", "post_execute")
_SWITCH = "need_run_hook"


class NodeHookNeverCalled(UserWarning):
    """A class defines a hook for something that does not happen in Airflow."""


def check_names(cls: type) -> None:
    """See that no name in a class's own body looks like that of a hook, and is not.

    :raises TypeError: names the class, the name, and the one that may be meant.
    """
    for name, value in vars(cls).items():
        if name.startswith("_") or any(hasattr(base, name) for base in cls.__bases__):
            continue
        meant = _meant(name) if callable(value) else get_close_matches(name, [_SWITCH], 1, 0.85)
        if name not in MOMENTS and meant:
            raise TypeError(
                f"{cls.__qualname__}.{name} is not a node hook, so nothing would call or read it; "
                f"{' or '.join(meant)} is. Rename it, or begin its name with an underscore."
            )


def _meant(name: str) -> list[str]:
    """The hooks that a name may be meant for: it is a beginning of theirs, or a slip away from one."""
    cut_short = [
        hook
        for hook in MOMENTS
        if hook.startswith(f"{name}_") and name.startswith(("pre_", "post_", "node_"))
    ]
    return cut_short or get_close_matches(name, MOMENTS, 1, 0.85)


def takes_callback(cls: type, name: str) -> bool:
    """Whether a class's hook wants ``callback_data``, after a look at its signature.

    :raises TypeError: it cannot be called as it will be.
    """
    where = f"{cls.__qualname__}.{name}"
    hook = _bound(cls, name)
    if not callable(hook):
        raise TypeError(f"{where} must be a method, not {hook!r}: it is the name of a node hook.")
    if is_never_run(hook):
        raise TypeError(f"{where} must be a plain method: a coroutine or a generator would never run.")
    signature = inspect.signature(hook)
    moment = MOMENTS[name]
    wants = moment.callback != "never" and _wants_callback(signature)
    always = {"callback_data": None} if wants and moment.callback == "always" else {}
    try:
        signature.bind(data=None, parent_data=None, **always)
    except TypeError as err:
        raise TypeError(
            f"{where}{signature} cannot be called as a node hook: {err}. "
            "Define it as (self, data, parent_data) or (self, data, parent_data, callback_data=None)."
        ) from None
    if not moment.is_called:
        warnings.warn(f"{where}: {moment.differs}", NodeHookNeverCalled, stacklevel=5)
    return wants


def check_none_is_hidden(cls: type) -> None:
    """See that no hook of a base is hidden by Airflow's method of its name.

    :raises TypeError: names the class and the hook.
    """
    for base in cls.__mro__[1:]:
        hidden = vars(base).get("_node_hooks", {}).keys() - vars(cls)["_node_hooks"].keys()
        if hidden:
            raise TypeError(
                f"{cls.__qualname__}: the hook {min(hidden)!r} of {base.__qualname__} is hidden by Airflow's "
                "method of that name. Put the class with the hooks first among the bases."
            )


def is_airflows(cls: type, name: str) -> bool:
    """Whether the class's method is Airflow's of that name, and no hook."""
    method = _bound(cls, name)
    if name not in AIRFLOWS_TOO or not callable(method):
        return False
    return next(iter(inspect.signature(method).parameters), None) == "context"


def _bound(cls: type, name: str) -> Any:
    """As it is found on an instance, so that ``self`` is not part of its signature."""
    attribute = inspect.getattr_static(cls, name)
    return attribute.__get__(object(), cls) if hasattr(attribute, "__get__") else attribute


def _wants_callback(signature: inspect.Signature) -> bool:
    return "callback_data" in signature.parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()
    )
