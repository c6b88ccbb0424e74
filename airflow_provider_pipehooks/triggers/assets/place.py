"""WATCH: where a watcher of a pipeline's events stands: one record in the asset's state store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_pipehooks.core.event_cursor import EventCursor
from airflow_provider_pipehooks.core.records import NUMBER, TEXT, VERSION, VERSION_KEY, known, reading
from airflow_provider_pipehooks.core.run_cursor import Sent
from airflow_provider_pipehooks.triggers.assets.log_events import LogEvent

#: Reported ones that a cursor knows by their ids: 13 characters each, below the 65,535 bytes of Airflow's
#: ``[state_store] max_value_storage_bytes`` with the event on its way. See :class:`EventCursor`.
MOST_IDS = 4_000


@dataclass(frozen=True, kw_only=True)
class Place:
    """A watcher's cursor, as :class:`Delivery <triggers.assets.delivery.Delivery>` asks for it.

    :param handled: the events that were reported, by id, and the times up to which the log was read. It
        goes on with this place and those made of it.
    :param newest: of those that were read: what makes this place another one.
    :param owed: events to report, in this order. They are not stored, but read again.
    :param sent: the one that is being reported, with ``on_way``.
    """

    handled: EventCursor = field(compare=False, repr=False)
    newest: str = ""
    owed: tuple[LogEvent, ...] = ()
    sent: Sent | None = None
    on_way: LogEvent | None = None
    chunks: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    def send(self, run_id: int, dag_runs: int | None) -> Place:
        known_ones = (*self.owed, *([self.on_way] if self.on_way else []))
        event = next(each for each in known_ones if each.run_id == run_id)
        owed = tuple(each for each in self.owed if each is not event)
        return replace(self, owed=owed, sent=Sent(run_id=run_id, dag_runs=dag_runs), on_way=event)

    def arrived(self) -> Place:
        assert self.on_way is not None
        self.report(self.on_way.key)
        return replace(self, sent=None, on_way=None)

    def send_again(self) -> Place:
        assert self.on_way is not None
        return replace(self, owed=(self.on_way, *self.owed), sent=None, on_way=None)

    def report(self, key: Mapping[str, str]) -> None:
        """Take an event for reported. The newest is moved as events are read, not by this."""
        if self.handled.is_new(key):
            self.handled.handled(key, latest="")

    def to_json(self) -> dict[str, Any]:
        """What the asset state store keeps: to read again from the first event that is not reported."""
        self.chunks.update(self.handled.new_chunks())
        handled = self.handled.to_json()
        for number in [each for each in self.chunks if each < handled["first_chunk"]]:
            del self.chunks[number]
        handled["settled"] = min((handled["settled"], *(each.time for each in self.owed if each.time)))
        return {
            VERSION_KEY: VERSION,
            "handled": handled,
            "chunks": {str(number): chunk for number, chunk in self.chunks.items()},
            "sent": self._sent_json(),
        }

    def _sent_json(self) -> dict[str, Any] | None:
        if self.sent is None or self.on_way is None:
            return None
        return {**self.on_way.key, "dag_runs": self.sent.dag_runs, "record": dict(self.on_way.record)}

    @classmethod
    def from_json(cls, record: Any) -> Place:
        """:raises ValueError: not the record of such a cursor; quotes it."""
        with reading("a cursor of pipeline events", record):
            chunks = {int(number): chunk for number, chunk in record.get("chunks", {}).items()}
            handled = EventCursor(most_ids=MOST_IDS)
            handled.restore(record["handled"], chunks.__getitem__)
            handled.floor()
            handled.floor(settled=True)  # its times are times
            place = cls(handled=handled, newest=handled.newest, chunks=chunks)
            if (sent := record.get("sent")) is None:
                return place
            key = known(sent, {"id": TEXT, "timestamp": TEXT})
            counted = known(sent, {"dag_runs": (*NUMBER, type(None))}).get("dag_runs")
            event = LogEvent({"id": key["id"], "timestamp": key["timestamp"]}, dict(sent["record"]))
            return replace(place, sent=Sent(run_id=event.run_id, dag_runs=counted), on_way=event)
