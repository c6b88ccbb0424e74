"""HOOKS: the listener's rule file: which transition of which DAGs calls which action. TOML.

::

    [[rule]]
    transitions = ["failed", "run_failed"]
    dags = ["sales_*"]                       # left out: all
    tags = ["critical", "daily"]             # one of them is enough; left out: all
    action = "my_company.alerts.page"        # a function, or a notifier's class
    kwargs = { channel = "#data" }

A function is called as ``page(event, **kwargs)``; a notifier is made with the arguments and called as Airflow
does it. Read once a process. A rule that is wrong is left out, loudly; the others hold.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.handlers.dotted import load

log = logging.getLogger(__name__)

#: Airflow's words for the new state of a task; ``resumed``: it runs again after a deferral or a reschedule.
OF_TASKS = ("running", "resumed", "success", "skipped", "up_for_retry", "failed")
OF_RUNS = ("run_running", "run_success", "run_failed")

#: Gives the context that a notifier wants.
ContextOf = Callable[[], Any]


@dataclass(frozen=True)
class Rule:
    """One ``[[rule]]``.

    :param dags: globs; a DAG id that fits one of them.
    :param tags: a DAG that has one of them; none stands for every DAG.
    :param action: dotted path of a function, or of a notifier's class.
    """

    transitions: tuple[str, ...]
    action: str
    dags: tuple[str, ...] = ("*",)
    tags: frozenset[str] = frozenset()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, transition: str, dag_id: str, tags: Callable[[], Iterable[str]]) -> bool:
        """Whether this is what the rule waits for.

        :param tags: gives the DAG's tags; called only when all else fits.
        """
        if transition not in self.transitions or not any(fnmatchcase(dag_id, glob) for glob in self.dags):
            return False
        return not self.tags or not self.tags.isdisjoint(tags())

    @cached_property
    def _action(self) -> Callable[..., Any]:
        return load(self.action)

    def act(self, event: PipelineEvent, context: ContextOf) -> None:
        """Call the action; whatever it returns is ignored, and what it raises is the caller's to contain."""
        from airflow.sdk import BaseNotifier

        action: Any = self._action
        if isinstance(action, type) and issubclass(action, BaseNotifier):
            # A new one each time: rendering its templates changes a notifier.
            action(**self.kwargs)(context())
        else:
            action(event, **self.kwargs)


def read_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a file; those that are wrong are logged and left out.

    :return: none when the file cannot be read, which is logged, too.
    """
    try:
        document = _toml(Path(path).read_text("utf-8"))
        rows = document.pop("rule", [])
        if document or not isinstance(rows, list):
            raise ConfigurationError(f"only [[rule]] tables are known, not {sorted(document) or 'rule'!r}")
    except Exception as err:
        log.exception(
            "No listener rule holds, %r cannot be read: %s. Mend it, restart Airflow.", str(path), err
        )
        return ()
    return tuple(_good(rows, str(path)))


def _good(rows: list[Any], path: str) -> Iterable[Rule]:
    for number, row in enumerate(rows, start=1):
        try:
            yield _rule(row)
        except Exception as err:
            log.exception("Rule %s of %r is left out: %s", number, path, err)


def _rule(row: Mapping[str, Any]) -> Rule:
    """One table as a rule.

    :raises ConfigurationError: a key or value that is not known; says which.
    """
    wanted = {"transitions": list, "action": str, "dags": list, "tags": list, "kwargs": dict}
    for key, value in row.items():
        if key not in wanted:
            raise ConfigurationError(f"{key!r} is not a key of a rule. Known are {', '.join(wanted)}.")
        if not isinstance(value, wanted[key]):
            raise ConfigurationError(f"{key} must be a {wanted[key].__name__}, not {value!r}.")
        if strange := [item for item in value if isinstance(value, list) and not isinstance(item, str)]:
            raise ConfigurationError(f"{key} must hold texts, not {strange[0]!r}.")
    if missing := [key for key in ("transitions", "action") if not row.get(key)]:
        raise ConfigurationError(f"{missing[0]} is missing.")
    if unknown := set(row["transitions"]) - {*OF_TASKS, *OF_RUNS}:
        raise ConfigurationError(
            f"{sorted(unknown)[0]!r} is not a transition. Known are {', '.join((*OF_TASKS, *OF_RUNS))}."
        )
    rule = Rule(
        transitions=tuple(row["transitions"]),
        action=row["action"],
        dags=tuple(row.get("dags") or ("*",)),
        tags=frozenset(row.get("tags") or ()),
        kwargs=row.get("kwargs") or {},
    )
    rule._action  # noqa: B018  # a dotted path that leads nowhere is told now, not when something fails
    return rule


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # Airflow brings no TOML reader; setup.cfg asks for this one on Python 3.10 only.
        import tomli as tomllib  # type: ignore[import-not-found]
    found: dict[str, Any] = tomllib.loads(text)
    return found
