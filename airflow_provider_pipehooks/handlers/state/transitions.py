"""HOOKS: one transition, and one try of a task: who is told, in which order, and what comes of it.

Pure: the task in Airflow and ``handlers.testing`` both go through here. The rules are Prefect 1.4's as
recorded; where they differ, the comment says so and ``docs/state_handlers.md`` lists it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook, Record
from airflow_provider_pipehooks.handlers.endings import Ending, ending_of, is_never_retried
from airflow_provider_pipehooks.handlers.state.raised import StateSignal
from airflow_provider_pipehooks.handlers.state.states import Failed, Retrying, Running, Skipped, State

OnHandlerError = Literal["fail", "log"]


class Handlers:
    """The state handlers of a task or DAG, with what happens when one of them fails.

    :param on_handler_error: ``fail`` the task, as Prefect does, or ``log`` and go on.
    :param handler_error_retries: a task that failed because of a handler still gets its retries. Prefect's
        does not: there a notifier that cannot reach its server costs the task all of them.
    :raises ValueError: another word for ``on_handler_error``.
    """

    def __init__(
        self,
        hooks: Sequence[Hook],
        *,
        on_handler_error: OnHandlerError = "fail",
        handler_error_retries: bool = True,
        record: Record | None = None,
    ) -> None:
        if on_handler_error not in get_args(OnHandlerError):
            raise ValueError(f"on_handler_error must be 'fail' or 'log', not {on_handler_error!r}.")
        self.dispatcher = Dispatcher(hooks, record=record)
        self.fails = on_handler_error == "fail"
        self.handler_error_retries = handler_error_retries

    def __deepcopy__(self, memo: dict[int, Any]) -> Handlers:
        """Airflow deep-copies operators; handlers are code, and may hold what cannot be copied."""
        return self

    def tell(self, subject: Any, old: State, new: State) -> None:
        """Tell every handler; none can change anything."""
        self.dispatcher.dispatch(subject, old, new)

    def decide(self, subject: Any, old: State, new: State) -> Decision:
        """Tell every handler of the state as the one before left it; the last word counts."""
        for hook in self.dispatcher.hooks:
            try:
                # Whether it is falsy may be asked of anything, and may fail: a data frame's answer raises.
                returned = hook.function(subject, old, new) or None
            except StateSignal as signal:
                return Decision(copy.copy(signal.state))
            except Exception as err:
                if (said := _said(err)) is not None:
                    return said
                if self.fails:
                    self.dispatcher.failed(hook, err, then="and the task for it, being a state handler")
                    return Decision(_failed("Unexpected error while calling state handlers", err), "raised")
                self.dispatcher.failed(hook, err)
                continue
            if returned is None or returned is new:
                continue
            if not isinstance(returned, State):
                # Prefect hands it to the next handler and then trips over it; the next one is spared here.
                error = TypeError(f"State handler {hook.name} returned {returned!r}, not a State or None")
                if not self.fails:
                    self.dispatcher.failed(hook, error)
                    continue
                return Decision(_failed("Unexpected error", error), "garbage")
            # A copy: a handler may well return the same object for every task.
            new = copy.copy(returned)
            new.context = old.context
        return Decision(new)


def _said(error: Exception) -> Decision | None:
    """What a handler decides by one of Airflow's exceptions, which mean to it what they mean in a task."""
    ending = ending_of(error)
    if ending is Ending.SKIPPED:
        return Decision(Skipped(str(error), result=error))
    if ending is Ending.SAID_NO and is_never_retried(error):
        return Decision(Failed(str(error), result=error), "final")
    return None


def _failed(what: str, error: Exception) -> Failed:
    return Failed(f"{what}: {error!r}", result=error)


@dataclass(frozen=True)
class Decision:
    """What came of one transition.

    :param cause: the state stands as told or returned, is ``final`` whatever retries are left, a handler
        ``raised``, or one returned ``garbage``.
    """

    state: State
    cause: Literal["told", "final", "raised", "garbage"] = "told"


@dataclass
class Attempt:
    """One try of a task, from its start to its end or its wait, as its handlers see it.

    :param number: of this try, from 1.
    :param tries: how many are allowed; for the message.
    :param retries_left: a failure of this one is followed by another, unless something speaks against it.
    :param state: the one it is in; at first the one before it runs.
    :param failed: the failure that is about to be retried.
    :param killed: Airflow is ending the process; handlers are told, and asked no more.
    """

    handlers: Handlers
    subject: Any
    number: int
    tries: int
    retries_left: bool
    state: State
    context: Mapping[str, Any] = field(default_factory=dict)
    failed: State | None = None
    killed: bool = False

    def begin(self, retrying: Retrying | None = None) -> State | None:
        """Tell that it starts.

        :param retrying: as for ``end``, should it fail already here.
        :return: None to go on with the body, or the state that it ended in without it.
        """
        decision = self._move(Running("Starting task run."))
        if decision.state.is_running():
            return None
        # Prefect: a Failed that a handler returns here is not retried.
        return self._settle(decision, can_retry=decision.cause != "told", retrying=retrying)

    def end(self, new: State, *, can_retry: bool = True, retrying: Retrying | None = None) -> State:
        """Tell how it ended, or that it waits; and if it failed, that it is retried.

        :param can_retry: False for a failure that must not be retried.
        :param retrying: what is then told; made up from the numbers if not given.
        :return: the state that counts.
        """
        return self._settle(self._move(new), can_retry=can_retry, retrying=retrying)

    def tell(self, new: State) -> None:
        """Tell what is already decided."""
        old, self.state = self.state, new
        old.context = new.context = self.context
        self.handlers.tell(self.subject, old, new)

    def _settle(self, decision: Decision, *, can_retry: bool, retrying: Retrying | None = None) -> State:
        lost = decision.cause == "raised" and not self.handlers.handler_error_retries
        lost = lost or decision.cause == "final"
        if decision.state.is_failed() and can_retry and self.retries_left and not lost:
            return self._retry(decision.state, retrying or retrying_after(self.number, self.tries))
        if isinstance(decision.state, Retrying) and decision.state.run_count is None:
            decision.state.run_count = self.number
        return decision.state

    def _retry(self, failed: State, retrying: Retrying) -> State:
        self.failed = failed
        decision = self._move(retrying)
        if decision.cause == "raised" and self.handlers.handler_error_retries:
            self.state = retrying
            return retrying
        return decision.state

    def _move(self, new: State) -> Decision:
        old, self.state = self.state, new
        old.context = new.context = self.context
        decision = self.handlers.decide(self.subject, old, new)
        if decision.cause == "garbage":
            # As in Prefect this failure is told too; garbage returned for it is no news.
            decision.state.context = self.context
            told = self.handlers.decide(self.subject, old, decision.state)
            decision = Decision(told.state if told.cause != "garbage" else decision.state, "garbage")
        decision.state.context = self.context
        self.state = decision.state
        return decision


def retrying_after(number: int, tries: int, **details: Any) -> Retrying:
    """The state between a failed attempt and the next one.

    :param details: ``start_time``, where it is known.
    """
    of = max(tries, number + 1)  # a handler may grant more than there were
    return Retrying(f"Retrying Task (after attempt {number} of {of})", run_count=number, **details)
