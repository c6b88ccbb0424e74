"""HOOKS: the methods of an operator that Airflow calls, wrapped once for all who follow a task through them.

Followers stand around the work in a fixed order, whatever the order of an operator's bases: who *decides* is
nearest, so that who *tells* tells what really became of the task. A follower is made for the outermost call
of a try or of a part of one; calls within it, such as ``super().execute``, go straight on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[], Any]

#: Methods of an operator that make its followers, the one nearest to the work first.
FOLLOWERS = ("_decider", "_teller")
#: Who follows now; in the operator's ``__dict__``, since operators guard their attributes.
_FOLLOWING = "_pipehooks_following"


@dataclass(frozen=True)
class Call:
    """What Airflow has called.

    :param method: ``execute``, or the method that the task goes on with after a wait.
    :param next_kwargs: what it then gets, such as the trigger's event; None for ``execute``.
    """

    context: Any
    method: str = "execute"
    next_kwargs: Mapping[str, Any] | None = None

    @property
    def resumes(self) -> bool:
        return self.method != "execute"


class Follower:
    """Follows a task through one of its processes; the defaults do nothing."""

    def judge(self, work: Work) -> Any:
        """Around the bare work, before anyone decides: what its result or error means."""
        return work()

    def around(self, work: Work) -> Any:
        """Around the work and whoever is nearer to it."""
        return work()

    def poke(self, work: Work) -> Any:
        """Around one ``poke`` of a sensor."""
        return work()

    def killed(self, on_kill: Callable[[], None]) -> None:
        """Around ``on_kill``."""
        on_kill()


@dataclass
class _Following:
    """Who follows a task now.

    :param inside: the methods of a follower that a call is in: calls within it go straight on.
    """

    followers: list[Follower]
    inside: set[str] = field(default_factory=set)


class Followed:
    """Mixed in before an operator, in any order; its subclasses may override the methods as ever."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, around in _AROUND.items():
            method = getattr(cls, name, None)
            # An inherited one that is wrapped already stays as it is.
            if name in vars(cls) or (method is not None and not hasattr(method, "_is_inherited")):
                _wrap(cls, name, around)


def _wrap(cls: type, name: str, around: Callable[..., Any]) -> None:
    """Put ``around`` over a method of a class; an inherited one is looked up when it is called."""
    own = vars(cls).get(name)

    def inherited(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(super(cls, self), name)(*args, **kwargs)

    body = own or inherited

    @functools.wraps(own or getattr(cls, name))
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(self, functools.partial(body, self), *args, **kwargs)

    wrapper._is_inherited = own is None  # type: ignore[attr-defined]
    setattr(cls, name, wrapper)


def is_written_in(cls: type, method: str) -> bool:
    """Whether a class's own body has the method, and not only our wrapper of an inherited one."""
    own = vars(cls).get(method)
    return own is not None and not getattr(own, "_is_inherited", False)


def _execute(task: Any, body: Callable[..., Any], context: Any, **kwargs: Any) -> Any:
    return _follow(task, Call(context), functools.partial(body, context, **kwargs))


def _resume(task: Any, body: Callable[..., Any], next_method: str, next_kwargs: Any, context: Any) -> Any:
    work = functools.partial(body, next_method, next_kwargs, context)
    return _follow(task, Call(context, next_method, next_kwargs or {}), work)


def _poke(task: Any, body: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _within(task, "poke", functools.partial(body, *args, **kwargs))


def _on_kill(task: Any, body: Callable[[], None]) -> None:
    _within(task, "killed", body)


def _within(task: Any, name: str, work: Work) -> Any:
    """Let those who follow now stand around a call of Airflow's in the middle of the work."""
    following: _Following | None = vars(task).get(_FOLLOWING)
    if following is None or name in following.inside:
        return work()
    for follower in following.followers:
        work = functools.partial(getattr(follower, name), work)
    following.inside.add(name)
    try:
        return work()
    finally:
        following.inside.discard(name)


_AROUND: Mapping[str, Callable[..., Any]] = {
    "execute": _execute,
    "resume_execution": _resume,
    "poke": _poke,
    "on_kill": _on_kill,
}


def _follow(task: Any, call: Call, work: Work) -> Any:
    if _FOLLOWING in vars(task):
        return work()
    makers = (getattr(task, name, None) for name in FOLLOWERS)
    followers = [follower for make in makers if make is not None and (follower := make(call)) is not None]
    vars(task)[_FOLLOWING] = _Following(followers)
    for follower in followers:
        work = functools.partial(follower.judge, work)
    for follower in followers:
        work = functools.partial(follower.around, work)
    try:
        return work()
    finally:
        del vars(task)[_FOLLOWING]
