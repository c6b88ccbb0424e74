"""When a message goes out: Alertmanager's rules, step by step, and over every order of events."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.notifications.storm import FORGOTTEN_AFTER_S, Event, Group, Pace, step
from tests.core.anything import fewer

PACE = Pace()


def fails(at: float, member: str = "a", *, recovers: bool = True) -> Event:
    return Event(at=at, member=member, is_failure=True, recovers=recovers)


def recovers(at: float, member: str = "a") -> Event:
    return Event(at=at, member=member, is_failure=False)


def test_the_first_failure_waits_for_others() -> None:
    assert step(None, [fails(0)], 29, PACE).kind == "wait"
    assert step(None, [fails(0)], 29, PACE).again_at == 30
    sent = step(None, [fails(0), fails(10, "b")], 30, PACE)
    assert (sent.kind, sent.group and sent.group.firing) == ("firing", {"a": 0, "b": 10})


def test_what_is_critical_waits_for_no_others_and_news_wait_longer() -> None:
    critical, news = (replace(fails(0), severity=severity) for severity in ("critical", "info"))
    assert step(None, [critical], 0, PACE).kind == "firing"
    assert step(None, [fails(-1), critical], 0, PACE).kind == "firing"
    assert step(None, [news], 299, PACE).kind == "wait"
    assert step(None, [news], 300, PACE).kind == "firing"
    # Later ones keep the interval, or a critical task that fails every second is a message every second.
    group = step(None, [critical], 0, PACE).group
    assert step(group, [replace(critical, at=1)], 299, PACE).kind == "wait"


def test_what_recovers_while_it_waits_is_not_told() -> None:
    done = step(None, [fails(0), recovers(10)], 30, PACE)
    assert (done.kind, done.group) == ("nothing", None)


def test_what_comes_later_waits_for_the_interval() -> None:
    group = step(None, [fails(0)], 30, PACE).group
    assert step(group, [fails(40)], 329, PACE).kind == "wait"
    again = step(group, [fails(40)], 330, PACE)
    assert (again.kind, again.group and again.group.number) == ("firing", 2)


def test_a_recovery_is_told_once_after_the_last_failing_member() -> None:
    group = step(None, [fails(0), fails(1, "b")], 30, PACE).group
    partly = step(group, [recovers(40)], 330, PACE)
    assert (partly.kind, partly.group and dict(partly.group.firing)) == ("nothing", {"b": 1})
    wholly = step(partly.group, [recovers(400, "b")], 640, PACE)
    assert wholly.kind == "resolved"
    assert step(wholly.group, [], 10_000, PACE) == type(wholly)("nothing", None)


def test_a_recovery_of_what_was_not_told_is_not_told() -> None:
    assert step(None, [recovers(0)], 100, PACE).kind == "nothing"
    group = step(None, [fails(0, recovers=False)], 30, PACE).group
    assert step(group, [recovers(40)], 330, PACE).kind == "nothing"


def test_a_group_that_fails_again_after_a_recovery_does_not_recover() -> None:
    group = step(None, [fails(0)], 30, PACE).group
    assert step(group, [recovers(40), fails(50)], 330, PACE).kind == "firing"
    assert step(group, [fails(40), recovers(50)], 330, PACE).kind == "resolved"


def test_what_still_fails_is_said_again_after_a_while() -> None:
    group = step(None, [fails(0)], 30, PACE).group
    assert step(group, [], 30 + 14_399, PACE).kind == "wait"
    again = step(group, [], 30 + 14_400, PACE)
    assert again.kind == "repeat"
    assert step(again.group, [], 30 + 14_401, PACE).kind == "wait"


def test_what_never_recovers_by_itself_is_not_said_again() -> None:
    group = step(None, [fails(0, recovers=False)], 30, PACE).group
    assert step(group, [], 30 + 14_400, PACE) == step(None, [], 0, PACE)


def test_what_nobody_told_of_for_a_week_is_forgotten() -> None:
    group = step(None, [fails(0)], 30, PACE).group
    later = FORGOTTEN_AFTER_S + 1
    after = step(group, [fails(later, "b")], later + 30, PACE).group
    assert after is not None
    assert set(after.firing) == {"b"}


@pytest.mark.parametrize("given", [{"group_wait": -1}, {"group_interval": "soon"}, {"repeat_interval": None}])
def test_a_pace_that_cannot_be_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        Pace(**given)


def test_what_is_remembered_can_be_stored() -> None:
    group = step(None, [fails(0)], 30, PACE).group
    assert group is not None
    assert Group.from_json(group.to_json()) == group
    with pytest.raises(ValueError, match="a group of alerts"):
        Group.from_json({"number": "x"})


EVENTS = st.lists(
    st.tuples(st.floats(0, 2000), st.sampled_from("abc"), st.booleans()).map(
        lambda drawn: Event(at=drawn[0], member=drawn[1], is_failure=drawn[2], recovers=True)
    ),
    max_size=30,
)


@fewer
@given(EVENTS)
def test_every_failure_is_in_exactly_one_message_or_recovered_untold(events: list[Event]) -> None:
    group, waiting, told, kinds = None, sorted(events, key=lambda event: event.at), 0, []
    for now in range(0, 20_000, 25):
        come = [event for event in waiting if event.at <= now]
        decided = step(group, come, now, PACE)
        if decided.kind == "wait":
            continue
        waiting = [event for event in waiting if event.at > now]
        group = decided.group
        if decided.kind in ("firing", "resolved"):
            told += sum(event.is_failure for event in come)
            kinds.append(decided.kind)
        elif decided.kind == "nothing":
            told += sum(event.is_failure for event in come)
            assert not any(event.is_failure for event in come) or group is None
    assert told == sum(event.is_failure for event in events)
    assert waiting == []
    # A recovery follows a message of failures, never another recovery.
    assert all(pair != ("resolved", "resolved") for pair in pairwise(kinds))
    assert not kinds or kinds[0] == "firing"
