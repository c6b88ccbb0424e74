"""What operators and sensors share: waiting for one run, and ending as the run ended."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.compat import ledger
from airflow_provider_pipehooks.core.arguments import as_hook_params
from airflow_provider_pipehooks.core.changes import between
from airflow_provider_pipehooks.core.errors import AccessDenied, RemoteCallError, error_for
from airflow_provider_pipehooks.core.events import LookFailed, UnknownStatusSeen, WaitEnded, WatchEvent
from airflow_provider_pipehooks.core.texts import cut
from airflow_provider_pipehooks.hooks.registry import calls_of, open_hook
from airflow_provider_pipehooks.services.reading import LONGEST_MESSAGE
from airflow_provider_pipehooks.tasks.arguments import ReadsArguments
from airflow_provider_pipehooks.tasks.changes import Changes
from airflow_provider_pipehooks.tasks.waiting import Watched

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_pipehooks.core.run import Run
    from airflow_provider_pipehooks.hooks.remote import RemoteHook


#: Airflow's database holds 250 characters.
LONGEST_INSTANCE_NAME = 200
_PACKAGE = __name__.partition(".")[0]
#: By an attribute: a name comes from the remote, and could be a template itself.
_BY_JOB = "{{ task.instance_name }}"


class RemoteRunLink(BaseOperatorLink):
    """The button of a task in Airflow's UI that opens its remote run."""

    name = "Open remote run"
    #: XCom key of the address.
    key: ClassVar[str] = ledger.URL_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return ledger.url_of(ti_key, self.key)


class JoinsRun(ReadsArguments, ABC):
    """Mixed into operators and sensors; they name the service and give the connection.

    XComs of a joined run: ``return_value`` the run's id (not with ``do_xcom_push=False``), ``run_url``,
    ``run`` its record as JSON, and the keys that the official provider's class uses.
    """

    service_name: ClassVar[str]
    #: The official provider's XCom keys and which attribute of the run they hold.
    official_keys: ClassVar[Mapping[str, str]] = {}

    if TYPE_CHECKING:
        log: Any
        instance_name: str
        do_xcom_push: bool
        deferrable: bool
        hook_params: dict[str, Any]

    @classmethod
    def official_keys_of(cls, attribute: str) -> list[str]:
        """Under which of the official provider's keys an attribute of the run is pushed."""
        return [key for key, name in cls.official_keys.items() if name == attribute]

    @property
    @abstractmethod
    def conn_id(self) -> str:
        """The connection to use, after templates were rendered."""

    @property
    def account(self) -> int | None:
        """The account instead of the connection's, where the service has accounts."""
        return None

    @property
    def service_options(self) -> dict[str, Any]:
        """Options of the service, JSON only: they travel with the trigger."""
        return {}

    @property
    def hook_options(self) -> dict[str, Any]:
        """For the hook, JSON only: they travel with the trigger."""
        return self._numbers_of_retries(dict(self.hook_params))[0]

    def check_literals(self) -> None:
        super().check_literals()
        self.check_hook_options()

    def check_hook_options(self) -> None:
        as_hook_params(self.hook_options, self.name_of("hook_params"))

    def _numbers_of_retries(self, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """``retry_args`` as two numbers, and what of them is not used: tenacity's objects are no JSON."""
        retry_args = options.pop("retry_args", None)
        if not retry_args:
            return options, []
        from airflow_provider_pipehooks.tasks.official import retry_numbers

        numbers, unused = retry_numbers(retry_args, self.name_of("retry_args"))
        return {**options, **numbers}, unused

    # The next three have the official operators' names: subclasses override them.

    @cached_property
    def hook(self) -> RemoteHook:
        """Calls on the connection."""
        return self._hook

    @cached_property
    def _hook(self) -> RemoteHook:
        return self._get_hook(caller=type(self).__name__)

    def _get_hook(self, caller: str) -> RemoteHook:
        return open_hook(self.service_name, self.conn_id, self.account, hook_params=self.hook_options)

    def reopen(self, hook: RemoteHook) -> None:
        """Use another hook from now on."""
        vars(self)["hook"] = hook

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] != _PACKAGE:
            from airflow_provider_pipehooks.tasks.official import honour

            honour(cls)

    def not_acted_on(self) -> list[str]:
        """Official arguments of this task that change nothing here, a sentence for each."""
        return self._unused_of_retries(dict(self.hook_params))

    def _unused_of_retries(self, options: dict[str, Any]) -> list[str]:
        unused = self._numbers_of_retries(options)[1]
        return [f"{name!r} of the retry arguments is not used; 'stop' and 'wait' are." for name in unused]

    def tell_not_acted_on(self) -> None:
        for told in self.not_acted_on():
            self.log.warning("%s", told)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As Airflow's; what an ``execute_complete`` of the official form does not take is kept for ours."""
        kwargs = dict(next_kwargs or {})
        method = getattr(self, next_method) if next_method == "execute_complete" else None
        if method is not None and not method.__module__.startswith(f"{_PACKAGE}."):
            from airflow_provider_pipehooks.tasks.official import as_official_event, takes

            taken = takes(method, kwargs)
            self._kept = {name: kwargs.pop(name) for name in set(kwargs) - taken}
            if isinstance(kwargs.get("event"), Mapping):
                kwargs["event"] = as_official_event(kwargs["event"])
        return super().resume_execution(next_method, kwargs, context)  # type: ignore[misc]

    #: What goes to our ``execute_complete`` although an override in between does not pass it on.
    _kept: Mapping[str, Any] = MappingProxyType({})

    @cached_property
    def service(self) -> Any:
        # Any: subclasses call what only their own service has.
        return calls_of(self.service_name, self.service_options)

    @cached_property
    def changes(self) -> Changes:
        """What has happened to the runs of this task."""
        return Changes(self.log)

    def watched(self, run_id: int | str) -> Watched:
        return Watched(hook=self.hook, service=self.service, run_id=run_id)

    def tell(self, event: WatchEvent) -> None:
        warn = isinstance(event, (LookFailed, UnknownStatusSeen))
        (self.log.warning if warn else self.log.info)("%s", event)

    def record_of(self, run: Run) -> dict[str, Any]:
        """The run as JSON, with ``changes``: what has happened to it so far, and to runs of earlier tries."""
        self.changes.take(between(None, run, datetime.now(timezone.utc)))
        return {**run.to_json(), "changes": self.changes.to_json()}

    def while_waiting(self, context: Context, run: Run) -> None:
        """Called after each look at a run that goes on, and before the task defers."""

    def at_end(self, context: Context, run: Run, *, is_over: bool = True) -> None:
        """Called before the task ends as the run did.

        :param is_over: or, if it is not, because the wait took too long.
        """

    def wake_options(self, wakes: int) -> dict[str, Any]:
        """For the trigger, where a deferred task is to be woken before its run ends.

        :param wakes: how often it was by now.
        """
        return {}

    def push(self, context: Context, run: Run) -> None:
        """Write the run to XCom as it is known now; called at the start and at the end."""
        official = {key: getattr(run, attribute) for key, attribute in self.official_keys.items()}
        # Whoever wants no return value still wants the button, and an alert that says why.
        returned = {"return_value": run.run_id} if self.do_xcom_push else {}
        record = {**self.record_of(run), ledger.TRY_KEY: context["ti"].try_number}
        ours = {**returned, ledger.URL_KEY: run.url, ledger.RECORD_KEY: record}
        ledger.push(context, {**ours, **official})
        self._name_instance(context, run)

    def _name_instance(self, context: Context, run: Run) -> None:
        """In Airflow's UI a mapped instance has the name of its job, unless the DAG gives it another."""
        map_index = context["ti"].map_index
        if map_index is None or map_index < 0:
            return
        if context.get("map_index_template") in (None, _BY_JOB):
            self.instance_name = cut(str(run.name or run.job_id or run.run_id), LONGEST_INSTANCE_NAME)
            context["map_index_template"] = _BY_JOB

    def defer_until_end(
        self,
        run_id: int | str,
        *,
        poll_interval: float,
        deadline: float | None,
        on_cancel: str,
        kwargs: Mapping[str, Any] | None = None,
        wakes: int = 0,
        method_name: str = "execute_complete",
    ) -> None:
        """Hand the wait to the triggerer; the task goes on in a method of its own."""
        from airflow_provider_pipehooks.triggers.remote_run import RemoteRunTrigger

        trigger = RemoteRunTrigger(
            service=self.service_name,
            conn_id=self.conn_id,
            run_id=run_id,
            account_id=self.account,
            poll_interval=poll_interval,
            deadline=deadline,
            since=time.time(),
            options=self.service_options,
            hook_params=self.hook_options,
            on_cancel=on_cancel,
            **self.wake_options(wakes),
        )
        # No Airflow timeout: the trigger takes a last look at the deadline, Airflow would not.
        self.defer(  # type: ignore[attr-defined]
            trigger=trigger, method_name=method_name, kwargs=dict(kwargs or {}), timeout=None
        )

    def explained(self, run: Run) -> Run:
        """The run with what failed inside it. Not being able to ask is no reason to hide that it failed."""
        try:
            explained: Run = self.hook.call(self.service.explain_run(run))
            return explained
        except RemoteCallError as err:
            self.log.warning("Could not ask why %s ended: %s", run.label, err)
            told = f"{run.message or run.status} (what failed inside it could not be read: {err})"
            return replace(run, message=cut(told, LONGEST_MESSAGE))

    def end_as(self, context: Context, run: Run) -> int | str:
        """End the task as its run ended.

        :return: the run's id.
        :raises RunEnded: it did not end well; the subclass says how.
        """
        self.at_end(context, run)
        if run.is_failed:
            run = self.explained(run)
        self.push(context, run)
        if run.is_failed:
            raise error_for(run)
        self.log.info("%s succeeded: %s", run.label, run.url or "")
        return run.run_id


def deferring(task: object, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a task that is made by an old name of a class, which could do nothing but defer."""
    old, new = type(task).__mro__[:2]
    warnings.warn(
        f"{old.__name__} is an old name: use {new.__name__}(deferrable=True).",
        DeprecationWarning,
        stacklevel=4,
    )
    return {**arguments, "deferrable": True}


def asked_for(option: str) -> bool:
    """Whether Airflow's configuration asks for an injection of OpenLineage's, as the official defaults do."""
    return bool(conf.getboolean("openlineage", option, fallback=False))


def cannot_wait(end: WaitEnded) -> RemoteCallError:
    """The error of a wait that the remote's answer ended, not the run."""
    kind = AccessDenied if end.reason == "access_denied" else RemoteCallError
    return kind(end.message or f"The wait ended: {end.reason}")
