"""HOOKS: calls event hooks as Databricks does, with what it promises and no less.

Events in the order they are given; for each, every hook in the order it was registered, strictly one at a
time. Only STABLE events, and never those about hooks. A failure is one that the hook raised; one too many in
a row switches it off until the next update of the pipeline.
"""

from __future__ import annotations

import copy
import marshal
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, cast

from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.core.records import NUMBER, TEXT, VERSION, VERSION_KEY, known, reading
from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook
from airflow_provider_pipehooks.handlers.event.filters import Event, Where
from airflow_provider_pipehooks.handlers.event.own_process import OwnProcess
from airflow_provider_pipehooks.handlers.signals import staying

#: The newest updates; an event that comes late belongs to one of them, and begins none anew.
_UPDATES_KEPT = 20

Record = Callable[[HookProgress], None]


class EventDispatcher:
    """The hooks of one pipeline, while its events come in.

    :param hooks: each with the events that it wants.
    :param record: is told of every hook that is enabled, fails or is disabled; never an event for hooks.
    :param limit_s: how long a call may take, in a process of its own, which :meth:`close` ends. None: in this
        process, and without end.
    """

    def __init__(
        self,
        hooks: Iterable[tuple[Hook, Where]],
        *,
        record: Record | None = None,
        limit_s: float | None = None,
    ) -> None:
        self._record = record or (lambda progress: None)
        self._process = OwnProcess(limit_s) if limit_s is not None else None
        #: What goes to another process is a copy.
        self._given: Callable[[Event], Event] = _copy if limit_s is None else _same
        self._hooks = [(_staying(hook, self._process), where) for hook, where in hooks]
        self._dispatcher = Dispatcher((hook for hook, _ in self._hooks), record=self._record)
        self._updates: deque[str] = deque(maxlen=_UPDATES_KEPT)
        #: Events given, and calls made, failed ones too.
        self.seen = 0
        self.calls = 0
        self.enable()

    @property
    def disabled(self) -> list[str]:
        """The names of the hooks that are switched off now."""
        return [hook.name for hook, _ in self._hooks if not hook.enabled]

    def handle(self, event: Event) -> None:
        """Call the hooks that one event concerns, each with its own copy; no failure reaches the caller."""
        self.seen += 1
        self._enter(event)
        if not concerns_hooks(event):
            return
        for hook, where in self._hooks:
            if hook.enabled and where.fits(event):
                self.calls += 1
                self._dispatcher.call(hook, self._given(event))

    def close(self) -> None:
        """End the process of the hooks, if they have one."""
        if self._process is not None:
            self._process.close()

    def __enter__(self) -> EventDispatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter(self, event: Event) -> None:
        """A new update of the pipeline begins with every hook on, and no failures."""
        origin = event.get("origin")
        update_id = origin.get("update_id") if isinstance(origin, Mapping) else None
        if isinstance(update_id, str) and update_id and update_id not in self._updates:
            self._updates.append(update_id)
            if any(hook.failures or not hook.enabled for hook, _ in self._hooks):
                self.enable()

    def enable(self, names: Collection[str] | None = None) -> None:
        """Switch hooks on again, with no failures.

        :param names: which; all if not given.
        """
        for hook, _ in self._hooks:
            if names is None or hook.name in names:
                hook.enabled, hook.failures = True, 0
                self._record(HookProgress(hook_name=hook.name, state="ENABLED"))

    # What outlives a process

    def to_json(self) -> dict[str, Any]:
        """The counters: a retry that reads on in the same update goes on from them."""
        hooks = [{"name": hook.name, "failures": hook.failures} for hook, _ in self._hooks]
        return {VERSION_KEY: VERSION, "updates": list(self._updates), "hooks": hooks, "off": self.disabled}

    def restore(self, record: Any) -> None:
        """Go on from what :meth:`to_json` gave; hooks that it does not know begin anew.

        :raises ValueError: not such a record; quotes it.
        """
        with reading("event hooks", record):
            updates = [str(each) for each in record["updates"]]
            failures = [known(each, {"name": TEXT, "failures": NUMBER}) for each in record["hooks"]]
            off = [str(each) for each in record["off"]]
        counted = {each["name"]: each["failures"] for each in failures}
        self._updates.extend(updates)
        for hook, _ in self._hooks:
            hook.failures = counted.get(hook.name, 0)
            hook.enabled = hook.name not in off


def concerns_hooks(event: Event) -> bool:
    """Whether Databricks would call hooks for it at all."""
    return event.get("maturity_level") == "STABLE" and event.get("event_type") != "hook_progress"


def _staying(hook: Hook, process: OwnProcess | None) -> Hook:
    """The same, for this dispatcher alone, and one that cannot end the process it is called in."""
    function: Callable[..., Any] = staying(hook.function)
    if process is not None:
        function = process.calling(function, hook.name)
    return Hook(function, name=hook.name, max_allowable_consecutive_failures=hook.limit)


def _same(event: Event) -> Event:
    return event


def _copy(event: Event) -> dict[str, Any]:
    """A hook may change what it is given, and may keep it."""
    try:
        copied: dict[str, Any] = marshal.loads(marshal.dumps(cast("Any", event)))
    except ValueError:
        try:
            copied = copy.deepcopy(dict(event))
        except RecursionError:  # as deep as a parser goes; a hook may have it, if not for its own
            copied = dict(event)
    return copied
