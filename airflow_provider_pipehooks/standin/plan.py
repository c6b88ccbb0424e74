"""How a run of the stand-in moves from its first state to its last: at once, or after polls or seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The life of one run, decided before it starts.

    With neither ``polls`` nor ``seconds`` the run is at its last state when it is first read.

    :param outcome: how it ends, in the words of the service's own table of outcomes; each service
        names them beside its routes.
    :param polls: it ends at this many reads of the run; the states between are spread evenly.
    :param seconds: it ends this many seconds after its start (divided by the stand-in's speed).
    :param hold: stay at the last state that is not terminal until cancelled or told otherwise.
    :param states: the remote's own words, in order, instead of the service's usual path; the last is
        final. For states the service's table does not know.
    :param message: the text the remote gives with the last state.
    :param details: what only this service understands; its routes say which keys.
    """

    outcome: str = "success"
    polls: int = 0
    seconds: float = 0.0
    hold: bool = False
    states: tuple[str | int, ...] = ()
    message: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read a plan sent to a control route.

        :raises TypeError: a key that is not a parameter of a plan; names it.
        """
        return cls(**{**data, "states": tuple(data.get("states", ()))})

    @property
    def ends_when_read(self) -> bool:
        """Nothing but the first read is awaited."""
        return not (self.hold or self.polls or self.seconds)

    def position(self, path_length: int, *, polls: int, elapsed_s: float) -> int:
        """Where on its path of states the run is now.

        :param path_length: how many states the path has, at least one.
        :param polls: reads of this run so far, the present one included.
        :param elapsed_s: since the start, already multiplied by the stand-in's speed.
        :return: 0 to ``path_length - 1``.
        """
        last = path_length - 1
        if self.hold:
            return max(last - 1, 0)
        if self.polls:
            return min(last, last * polls // self.polls)
        if self.seconds:
            return min(last, int(last * elapsed_s / self.seconds))
        return last
