"""Failures that no callback told of: its process was killed before it could, or Airflow dropped it.

Airflow's database knows of every failed task, the outbox of every failure that was told. What is in the
first only is laid into the outbox like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase

from airflow_provider_pipehooks.compat.failures import FailedInstance
from airflow_provider_pipehooks.notifications.failed_tasks import DagRunRef
from airflow_provider_pipehooks.notifications.message import FailedTask, key_of_instance
from airflow_provider_pipehooks.notifications.outbox import REACH_S, Notice, Outbox, Times
from airflow_provider_pipehooks.notifications.sending import notice_of
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

log = logging.getLogger(__name__)

#: A callback may take so long: the DAG processor calls those of killed tasks when it comes to that.
GRACE_S = 300.0
EVERY_S = 30.0
#: Operators whose tasks are alerts.
ALERT_TYPES = ("SnsAlertOperator",)
UNTOLD = "no callback told of it: its process was ended before it could"


class Sweep:
    """Looks for failures that were not told.

    :param target: where those are told.
    :param failed_between: the failed tasks that somebody should have told of, by begin and end.
    :param dags: patterns of DAG ids, such as ``sales_*``.
    :param after_s: how long after a task's end a callback may still tell of it.
    :param clock: the time, in seconds since the epoch.
    """

    def __init__(
        self,
        outbox: Outbox,
        target: SnsTarget,
        failed_between: Callable[[float, float, Sequence[str]], Iterable[FailedInstance]],
        clock: Callable[[], float],
        *,
        dags: Collection[str] = ("*",),
        after_s: float = GRACE_S,
    ) -> None:
        self.outbox, self.target, self.dags, self.after_s = outbox, target, dags, after_s
        self._failed_between, self._clock = failed_between, clock
        self._swept_at: float | None = None
        self._files: dict[str, Times] = {}

    def look(self, waiting: Iterable[Notice]) -> int:
        """Lay down what was not told, if it is time for that.

        :param waiting: what lies in the outbox.
        :return: how many failures that were.
        :raises OSError: the outbox cannot be read or written.
        """
        now = self._clock()
        if self._swept_at is not None and now - self._swept_at < EVERY_S:
            return 0
        begin = max(self._since(now), now - REACH_S)
        told = self._told(waiting)
        untold = [
            one
            for one in self._failed_between(begin, now - self.after_s, ALERT_TYPES)
            if any(fnmatchcase(one.dag_id, pattern) for pattern in self.dags)
            and told.get(_key_of(one), -1.0) < one.began
        ]
        for one in untold:
            log.warning("Nobody told that task %s of %s failed; it is told now", one.task_id, one.dag_id)
            self.outbox.put(self._notice(one))
        self._swept_at = now
        return len(untold)

    def _since(self, now: float) -> float:
        """What failed before the first sweep is not looked at: nobody had to write down what was told."""
        record = self.outbox.swept()
        since = record.get("since") if self.outbox.is_swept_at(now) else now
        since = since if isinstance(since, (int, float)) else now
        self.outbox.sweeps(since, now)
        return float(since)

    def _told(self, waiting: Iterable[Notice]) -> dict[str, float]:
        """When each task instance was told of last."""
        self._files = self.outbox.told_since(self._clock() - 2 * REACH_S, self._files)
        told: dict[str, float] = {}
        for keys in (*self._files.values(), *(dict.fromkeys(one.tells, one.at) for one in waiting)):
            for key, at in keys.items():
                told[key] = max(told.get(key, 0.0), at)
        return told

    def _notice(self, one: FailedInstance) -> Notice:
        ref = DagRunRef(dag_id=one.dag_id, run_id=one.run_id)
        task = FailedTask(
            task_id=one.task_id,
            map_index=one.map_index,
            try_number=one.try_number,
            max_tries=one.max_tries,
            exception=UNTOLD,
        )
        when = datetime.fromtimestamp(self._clock(), timezone.utc)
        return notice_of(ref.alert([ref.with_log(task)], when=when), self.target)


def _key_of(one: FailedInstance) -> str:
    return key_of_instance(one.dag_id, one.run_id, one.task_id, one.map_index)
