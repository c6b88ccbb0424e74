"""From a finished run to one stored asset event: when to send the next one, and what to write down before.

A trigger hands an event to its triggerer, which stores it about a second later and says nothing back. So the
run is written down as *sent* first, and counts as reported once its event is known to have arrived: by the
DAG run that it started, or by time. ``docs/decisions/0008-asset-events-one-by-one.md`` has the reasons.

What is reported may be something else than a run: all that is asked of it here is a number and a label.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from airflow_provider_pipehooks.compat.questions import count_dag_runs
from airflow_provider_pipehooks.core.run_cursor import Sent

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger(__name__)

#: Airflow 3.3.2 starts one DAG run for all events that come before its scheduler has looked (a second or
#: two), and that run sees only the first of them. So events are sent one by one, at least this far apart.
GAP_S = 5.0
#: Round trips to the triggerer's other process in that time: one that answers has stored what it got before.
GAP_LOOKS = 4
LOOK_S = 0.5
#: Then once a round: a DAG at its ``max_active_runs`` may take hours.
QUICK_LOOKS = 20
#: After a restart: how long the DAG run may take of an event that was possibly stored before it.
SETTLE_S = 30.0
#: How long a DAG without any active run may take to start; then it is paused, or not the one this starts.
IDLE_S = 600.0
#: The cursor is written with every event; otherwise this often, if it has changed.
SAVE_EVERY_S = 60.0
AGAIN_S = 5.0


class Store(Protocol):
    """Airflow's accessor of an asset's state store."""

    async def aget(self, key: str, default: Any = None) -> Any:
        """Read a value."""

    async def aset(self, key: str, value: Any) -> None:
        """Write a value, which may not be None."""


class Reported(Protocol):
    """Something that is reported once."""

    @property
    def run_id(self) -> int | str:
        """Its number."""

    @property
    def label(self) -> str:
        """How messages name it."""


class Cursor(Protocol):
    """Where a watcher stands; never changed, but replaced. Those that are equal are stored equal."""

    @property
    def owed(self) -> tuple[Any, ...]:
        """What is still to be reported."""

    @property
    def sent(self) -> Sent | None:
        """What is being reported."""

    def send(self, run_id: int, dag_runs: int | None) -> Self: ...

    def arrived(self) -> Self: ...

    def send_again(self) -> Self: ...

    def to_json(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=Reported)
T_co = TypeVar("T_co", bound=Reported, covariant=True)
C = TypeVar("C", bound=Cursor)


class Watcher(Protocol[C, T_co]):
    """Has something to report.

    :param cursor: None until its first round.
    """

    cursor: C | None

    def next_run(self) -> T_co | None:
        """The next one to report; None when there is none."""


class Delivery(Generic[C, T]):
    """Reports the runs of one watcher.

    :param stores: of the assets that the watcher is attached to, with the same cursor in each; none keeps
        the cursor in memory only.
    :param read: makes a cursor of what was stored; raises ValueError for anything else.
    :param dag_id: the DAG whose runs tell that an event has arrived; None goes by time.
    :param clock: seconds, of this process only.
    """

    def __init__(
        self,
        watcher: Watcher[C, T],
        stores: list[Store],
        key: str,
        dag_id: str | None = None,
        *,
        read: Callable[[Any], C],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watcher, self.stores, self.key, self.dag_id = watcher, stores, key, dag_id
        self._read_cursor, self._clock = read, clock
        self._saved: C | None = None
        self._saved_s = 0.0
        #: Since when we wait for the event on its way, and of what, if this process has sent it.
        self._since_s: float | None = None
        self._ours: T | None = None
        self._looks = 0

    async def load(self) -> None:
        """Read where the watcher stands; the first asset that knows tells."""
        for store in self.stores:
            if (record := await self._read(store)) is None:
                continue
            try:
                self.watcher.cursor = self._saved = self._read_cursor(record)
                return
            except ValueError as err:
                log.error("The cursor %r is not used; beginning as if for the first time: %s", self.key, err)

    async def _read(self, store: Store) -> Any:
        while True:
            try:
                return await store.aget(self.key)
            except Exception:
                # Without an answer it may not begin anew: what finished meanwhile would be lost.
                log.exception("The cursor %r could not be read; trying again in %s s", self.key, AGAIN_S)
                await asyncio.sleep(AGAIN_S)

    async def save(self) -> None:
        """Write down where the watcher stands; goes on trying, since nothing may be sent without."""
        cursor = self.cursor
        while cursor != self._saved:
            try:
                for store in self.stores:
                    await store.aset(self.key, cursor.to_json())
                self._saved, self._saved_s = cursor, self._clock()
            except Exception:
                log.exception("The cursor %r could not be stored; trying again in %s s", self.key, AGAIN_S)
                await asyncio.sleep(AGAIN_S)

    @property
    def cursor(self) -> C:
        assert self.watcher.cursor is not None
        return self.watcher.cursor

    async def runs(self, within_s: float) -> AsyncIterator[T]:
        """The runs to report now; each counts as sent from the moment it is yielded.

        :param within_s: come back after about so long, for the next round; the rest stays owed.
        """
        if self.watcher.cursor is None:
            return
        until_s = self._clock() + within_s
        while True:
            if self.cursor.sent and not await self._settle():
                if self._clock() >= until_s or self._looks > QUICK_LOOKS:
                    break
                await asyncio.sleep(LOOK_S)
            elif (run := self.watcher.next_run()) is None:
                break
            else:
                dag_runs = await self._dag_runs()
                # Not before: while we ask, the watcher may have been given more.
                self.watcher.cursor = self.cursor.send(int(run.run_id), dag_runs)
                await self.save()
                self._since_s, self._ours, self._looks = self._clock(), run, 0
                yield run
        saved = self._saved
        if (
            saved is None
            or (saved.owed, saved.sent) != (self.cursor.owed, self.cursor.sent)
            or self._clock() - self._saved_s >= SAVE_EVERY_S
        ):
            await self.save()

    async def _settle(self) -> bool:
        """Find out what became of the event on its way.

        :return: whether anything can be sent: it has arrived, or is owed again.
        """
        sent = self.cursor.sent
        assert sent is not None
        if self._since_s is None:
            self._since_s = self._clock()
        waited_s = self._clock() - self._since_s
        dag_runs = await self._dag_runs()
        self._looks += 1
        if sent.dag_runs is not None and dag_runs is not None and dag_runs != sent.dag_runs:
            # Fewer: somebody deleted DAG runs, so it is counted from there.
            fewer = dag_runs < sent.dag_runs
            self.watcher.cursor = self.cursor.send(sent.run_id, dag_runs) if fewer else self.cursor.arrived()
            return not fewer
        if self._ours is None:
            again = sent.dag_runs is None or waited_s >= SETTLE_S
            if again:
                self.watcher.cursor = self.cursor.send_again()
            return again
        if sent.dag_runs is None:
            arrived = waited_s >= GAP_S and self._looks >= GAP_LOOKS
        else:
            arrived = waited_s >= IDLE_S and not await self._dag_runs("queued", "running")
            if arrived:
                log.warning(
                    "DAG %r has not started within %.0f s of the event of %s. Is it paused, or is dag_id "
                    "not the DAG that this asset starts? Going on.",
                    self.dag_id,
                    waited_s,
                    self._ours.label,
                )
        if arrived:
            self.watcher.cursor = self.cursor.arrived()
        return arrived

    async def _dag_runs(self, *states: str) -> int | None:
        """How many runs the DAG has; None when that is not known. Always a round trip to the supervisor."""
        try:
            if self.dag_id is not None:
                return await count_dag_runs(self.dag_id, list(states) or None)
            for store in self.stores[:1]:
                await store.aget(self.key)
        except Exception:
            log.exception("Could not ask Airflow for the runs of DAG %r", self.dag_id)
        return None
