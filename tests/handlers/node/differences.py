"""Where the calls differ from a record of Bamboo, on purpose. ``docs/node_hooks.md`` gives the reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

Call = tuple[str, str]


def pair(channel: str, operation: str) -> tuple[Call, Call]:
    return (channel, f"pre_{operation}"), (channel, f"post_{operation}")


def both(operation: str) -> tuple[Call, ...]:
    return (*pair("signal", operation), *pair("hook", operation))


@dataclass(frozen=True)
class Difference:
    """What one node of one record has and we have not, and the other way round.

    :param reason: as the page of node hooks words it.
    """

    reason: str
    missing: tuple[Call, ...] = ()
    added_at_the_end: tuple[Call, ...] = ()
    states: dict[str, str] = field(default_factory=dict)


_CALLED_WITHOUT = Difference(
    "A hook that does not take `callback_data` is called without it",
    added_at_the_end=(("hook", "node_finish"),),
)

DIFFERENCES: dict[str, Difference] = {
    "callback_01_success": _CALLED_WITHOUT,
    "op_07_pause_pipeline": _CALLED_WITHOUT,
    "op_04_skip": Difference(
        "Of a task that does not run, only the control plane tells, by signals",
        missing=both("skip_node"),
        states={"B": "failed", "C": "upstream_failed"},
    ),
    "op_09_forced_fail": Difference(
        "Signals of what a user does come from the control plane",
        missing=(
            ("signal", "post_execute"),
            ("hook", "post_execute"),
            *pair("signal", "forced_fail_activity"),
            *both("skip_node"),
        ),
        states={"B": "failed", "C": "upstream_failed"},
    ),
}
