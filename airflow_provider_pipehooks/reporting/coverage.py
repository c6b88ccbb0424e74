"""Which spans of time were read of an account, and when: what is missing is read, wherever it lies.

By when runs were made, told by the remote's clock: neither a clock that jumps nor a run from the future may
have a later sync take for read what is not.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_ENDING = ".json"


@dataclass(frozen=True, order=True)
class Span:
    """Every run that was made in it was told at ``read_at``. Ends belong to it."""

    begin: datetime
    end: datetime
    read_at: datetime

    def without(self, begin: datetime, end: datetime) -> Iterator[Span]:
        """What is left of it outside another span."""
        if end <= self.begin or self.end <= begin:
            yield self
            return
        if self.begin < begin:
            yield replace(self, end=begin)
        if end < self.end:
            yield replace(self, begin=end)


def missing(spans: Iterable[Span], begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """What of a time no span covers, oldest first."""
    gaps = []
    for span in sorted(spans):
        if span.begin > begin and begin < end:
            gaps.append((begin, min(span.begin, end)))
        begin = max(begin, span.end)
    if begin < end:
        gaps.append((begin, end))
    return gaps


def to_read(
    spans: Sequence[Span], since: datetime, now: datetime, *, again_from: datetime, fresh_from: datetime
) -> list[tuple[datetime, datetime]]:
    """What has to be read: what never was, and of the time since ``again_from`` what was not of late.

    :param fresh_from: what was read since then is not read again. A time after ``now`` is none.
    """
    counting = [span for span in spans if fresh_from <= span.read_at <= now]
    counting += [replace(span, end=min(span.end, again_from)) for span in spans if span.begin < again_from]
    return missing(counting, since, now)


def days_of(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A span by days (UTC), oldest first."""
    while begin < end:
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        yield begin, min(midnight, end)
        begin = midnight


def merged(spans: Iterable[Span], *, settled: datetime) -> list[Span]:
    """The same with fewer spans: of what was before ``settled`` only that it was read counts."""
    old: list[Span] = []
    kept: list[Span] = []
    for span in spans:
        (old if span.end <= settled else kept).append(span)
    joined: list[Span] = []
    for span in sorted(old):
        if joined and span.begin <= joined[-1].end:
            last = joined[-1]
            joined[-1] = Span(last.begin, max(last.end, span.end), min(last.read_at, span.read_at))
        else:
            joined.append(span)
    return joined + sorted(set(kept))


class Coverage:
    """The spans of a service's accounts, in small files of the history: each is written once, then replaced.

    A new file holds all that those hold which it replaces, and they are deleted after it is there. Of two
    syncs at once, each replaces what it has read.

    :raises OSError: the history cannot be read.
    """

    def __init__(self, root: Folder, service: str, account: str) -> None:
        self._folder = root.folder("read").folder(f"service={service}")
        self._account = account
        self._names: list[str] = []
        self._spans: dict[str, list[Span]] = {}
        for name in self._folder.names():
            if name.endswith(_ENDING) and (found := self._read(name)) is not None:
                self._names.append(name)
                for whose, spans in found.items():
                    self._spans.setdefault(whose, []).extend(spans)

    @property
    def spans(self) -> list[Span]:
        """Of this account."""
        return self._spans.setdefault(self._account, [])

    @property
    def until(self) -> datetime | None:
        """The end of the last span."""
        return max((span.end for span in self.spans), default=None)

    def add(self, span: Span, *, settled: datetime) -> None:
        """Write down what was read.

        :raises OSError: it cannot be written.
        """
        self.spans.append(span)
        self._spans[self._account] = merged(self.spans, settled=settled)
        self._write()

    def forget(self, begin: datetime, end: datetime) -> None:
        """What was read of this time has been lost, of all accounts.

        :raises OSError: it cannot be written.
        """
        for whose, spans in self._spans.items():
            self._spans[whose] = [left for span in spans for left in span.without(begin, end)]
        self._write()

    def _write(self) -> None:
        accounts = {
            whose: [[_text(each.begin), _text(each.end), _text(each.read_at)] for each in spans]
            for whose, spans in self._spans.items()
        }
        name = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}{_ENDING}"
        self._folder.write(name, json.dumps({VERSION_KEY: VERSION, "accounts": accounts}).encode())
        for old in self._names:
            self._folder.delete(old)
        self._names = [name]

    def _read(self, name: str) -> Mapping[str, list[Span]] | None:
        """What a file holds; nothing where it has gone or is damaged: that is read again."""
        if (data := self._folder.read(name)) is None:
            return None
        try:
            return {
                str(whose): [_span(each) for each in spans]
                for whose, spans in json.loads(data)["accounts"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as err:
            log.error("%s/%s is damaged, what it tells of is read again: %s", self._folder, name, err)
            return {}


def _span(told: Any) -> Span:
    begin, end, read_at = (datetime.fromisoformat(each) for each in told)
    return Span(begin, end, read_at)


def _text(when: datetime) -> str:
    return when.astimezone(timezone.utc).isoformat()
