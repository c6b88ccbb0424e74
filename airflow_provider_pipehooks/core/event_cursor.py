"""How far an event log has been handled: what a crash, an expired page or a late event may not change.

A log is read by time, again from a little before its newest handled event, since events come late, several
have the same time, and times have more digits than a filter may take. What is known to be handled is kept by
id, in chunks that are written once; the record that is written after each batch stays small.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

from airflow_provider_pipehooks.core.records import NUMBER, TEXT, VERSION, VERSION_KEY, Types, known, reading

Event = Mapping[str, Any]

#: How long before the newest handled event the log is read again.
OVERLAP_S = 120.0
CHUNK = 1_000
#: Ids that are kept; of more events than that, the oldest are only known by their time.
MOST_IDS = 100_000
_DIGEST_BYTES = 8
_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:Z|\+00:00)")


class EventCursor:
    """Which events of a log were handled.

    :param since: read from here on; None from the beginning.
    :param overlap_s: how late an event may come and still be read without a look at the whole log.
    :param most_ids: how many handled events are known by their id.
    """

    def __init__(
        self,
        since: datetime | None = None,
        *,
        overlap_s: float = OVERLAP_S,
        most_ids: int = MOST_IDS,
    ) -> None:
        self.overlap_s = overlap_s
        self.most_chunks = max(1, most_ids // CHUNK)
        #: Of the log, as sortable texts; "" for none.
        self.since = sortable(since.astimezone(timezone.utc).isoformat()) if since else ""
        self.newest = ""
        #: What is older, by more than the overlap, was read when it was there; see :meth:`settle`.
        self.settled = ""
        #: Events up to it may have been handled though their ids are not kept.
        self.forgotten = ""
        self.newest_id = ""
        self.count = 0
        #: Chunks that were completed: number -> its ids.
        self._sealed: deque[tuple[int, list[int], str]] = deque()
        self._open: list[int] = []
        self._known: set[int] = set()
        self._next = 0
        self._unwritten: list[int] = []

    def floor(self, *, settled: bool = False, whole: bool = False) -> str | None:
        """From when on to read, as a filter takes it: in milliseconds, rounded down.

        :param settled: from a little before what is settled, instead of what was handled.
        :param whole: as far back as ids are known, for events that came later than the overlap.
        """
        low = max(self.since, self.forgotten)
        base = self.settled if settled else self.newest
        if not whole and base:
            low = max(low, _earlier(base, self.overlap_s))
        return as_filter(low)

    def settle(self, time: str) -> None:
        """The log was read to its end, and what came after this time was read when it was there.

        Events go on coming while a long log is read, late ones into pages that were read already: so it is
        the beginning of the reading that counts, not the newest event it came to.

        :param time: as it sorts.
        """
        self.settled = max(self.settled, min(time, self.newest))

    def is_new(self, event: Event) -> bool:
        """Whether an event is still to be handled."""
        if digest_of(event) in self._known:
            return False
        return not self.forgotten or sortable(event.get("timestamp")) > self.forgotten

    def handled(self, event: Event, *, latest: str = "~") -> None:
        """Take it for done.

        :param latest: a time that no event can have, as it sorts: one that has it all the same would have
            all that follow it left unread.
        """
        digest = digest_of(event)
        self.count += 1
        self._known.add(digest)
        self._open.append(digest)
        time = sortable(event.get("timestamp"))
        if self.newest <= time < latest:
            self.newest, self.newest_id = time, str(event.get("id") or "")
        if len(self._open) == CHUNK:
            self._seal()

    def _seal(self) -> None:
        self._sealed.append((self._next, self._open, self.newest))
        self._unwritten.append(self._next)
        self._next, self._open = self._next + 1, []
        # Those of the newest time are kept, however many: nothing else tells them from others of that time.
        while len(self._sealed) > self.most_chunks and self._sealed[0][2] < self.newest:
            _, digests, newest = self._sealed.popleft()
            self._known.difference_update(digests)
            self.forgotten = newest

    # What outlives a process

    def new_chunks(self) -> dict[int, dict[str, Any]]:
        """Chunks completed since the last call: to be written before :meth:`to_json` is, each once."""
        sealed = {number: (digests, newest) for number, digests, newest in self._sealed}
        fresh = {number: sealed[number] for number in self._unwritten if number in sealed}
        self._unwritten = []
        return {
            number: {VERSION_KEY: VERSION, "ids": _packed(digests), "newest": newest}
            for number, (digests, newest) in fresh.items()
        }

    def to_json(self) -> dict[str, Any]:
        """A record of about 11 kB at most; times as they sort, ids as 8 bytes each in base64."""
        return {
            VERSION_KEY: VERSION,
            **{name: getattr(self, name) for name in _FIELDS},
            "ids": _packed(self._open),
            "first_chunk": self._sealed[0][0] if self._sealed else self._next,
            "next_chunk": self._next,
        }

    def restore(self, record: Any, chunk: Callable[[int], Any]) -> None:
        """Go on from what was written.

        :param chunk: what :meth:`new_chunks` gave under a number.
        :raises ValueError: not such a record; quotes it.
        """
        with reading("an event cursor", record):
            values = known(record, _FIELDS)
            self._open = _unpacked(record["ids"])
            self._next = int(record["next_chunk"])
            for number in range(int(record["first_chunk"]), self._next):
                kept = chunk(number)
                self._sealed.append((number, _unpacked(kept["ids"]), str(kept["newest"])))
        for name, value in values.items():
            setattr(self, name, value)
        self._known = {digest for _, digests, _ in self._sealed for digest in digests} | set(self._open)


_FIELDS: Mapping[str, Types] = {
    **dict.fromkeys(("since", "newest", "settled", "forgotten", "newest_id"), TEXT),
    "count": NUMBER,
}


def sortable(timestamp: Any) -> str:
    """A time of the log as a text that sorts: 19 characters to the second, 9 digits of it; "" for none."""
    match = _UTC.fullmatch(timestamp) if isinstance(timestamp, str) else None
    try:
        if match is not None:
            datetime.fromisoformat(match[1])  # a moment that there is
            return match[1] + (match[2] or "").ljust(9, "0")
        time = datetime.fromisoformat(str(timestamp).replace("Z", "+00:00"))
        time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S%f000")
    except (ValueError, OverflowError):
        return ""


def as_filter(sorted_time: str, *, up: bool = False) -> str | None:
    """A time as the log's filter takes it, in milliseconds, rounded down; None for none.

    :param up: rounded up.
    """
    if up and sorted_time:
        later = datetime.fromisoformat(sorted_time[:19]) + timedelta(milliseconds=int(sorted_time[19:22]) + 1)
        sorted_time = sortable(later.isoformat())
    return f"{sorted_time[:19]}.{sorted_time[19:22]}Z" if sorted_time else None


def digest_of(event: Event) -> int:
    """What an event is known by: its id, which is unique, or all of it where it has none."""
    known_by = event.get("id")
    try:
        text = known_by if isinstance(known_by, str) and known_by else json.dumps(event, sort_keys=True)
    except RecursionError:  # nested as deeply as a parser goes: what is not nested tells it from others
        text = json.dumps({key: value for key, value in event.items() if isinstance(value, str)})
    return int.from_bytes(blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest(), "big")


def _earlier(sorted_time: str, seconds: float) -> str:
    time = datetime.fromisoformat(sorted_time[:19])
    try:
        return (time - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S") + sorted_time[19:]
    except OverflowError:
        return ""


def _packed(digests: list[int]) -> str:
    return b64encode(b"".join(digest.to_bytes(_DIGEST_BYTES, "big") for digest in digests)).decode()


def _unpacked(text: str) -> list[int]:
    data = b64decode(text)
    return [int.from_bytes(data[at : at + _DIGEST_BYTES], "big") for at in range(0, len(data), _DIGEST_BYTES)]
