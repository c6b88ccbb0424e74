"""The pause until the next look at a run that is well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.triggers.poller import pace
from airflow_provider_pipehooks.triggers.poller.pace import Usual, UsualDurations, pause_s

seconds = st.floats(min_value=0, max_value=1e6)
USUALLY_600 = Usual(mean_s=600.0, deviation_s=10.0)


@given(
    poll=st.floats(min_value=0.01, max_value=3600),
    waited=seconds,
    elapsed=st.none() | st.floats(min_value=-1e6, max_value=1e6),
    usual=st.none() | st.builds(Usual, seconds, seconds),
)
def test_a_pause_is_never_longer_than_the_tasks_poll_interval_and_never_nothing(
    poll: float, waited: float, elapsed: float | None, usual: Usual | None
) -> None:
    assert 0 < pause_s(poll, waited, elapsed, usual) <= poll


def test_looks_at_a_new_run_come_soon_and_then_less_often() -> None:
    looks, waited = [], 0.0
    while waited < 300:
        waited += pause_s(60, waited, None, None)
        looks.append(waited)
    assert looks == [2.5, 7.5, 22.5, 67.5, 127.5, 187.5, 247.5, 307.5]


def test_around_the_usual_end_looks_come_often() -> None:
    """Mean 600 s, so the window is 540 to 660 s: six looks in it instead of two."""
    assert pause_s(60, 500.0, 500.0, USUALLY_600) == 40.0  # just to where the window opens
    assert pause_s(60, 540.0, 540.0, USUALLY_600) == 20.0
    assert pause_s(60, 661.0, 661.0, USUALLY_600) == 60.0


def test_what_is_usual_follows_the_newer_runs() -> None:
    usual = UsualDurations()
    for _ in range(30):
        usual.learn(7, 100.0)
    for _ in range(30):
        usual.learn(7, 200.0)
    learned = usual.of(7)
    assert learned is not None
    assert 195 < learned.mean_s <= 200


def test_nothing_is_learned_of_runs_without_a_job_or_a_duration() -> None:
    usual = UsualDurations()
    usual.learn(None, 100.0)
    usual.learn(7, -5.0)
    assert usual.of(7) is None
    assert usual.of(None) is None


def test_what_is_kept_has_a_bound() -> None:
    usual = UsualDurations()
    for job in range(10_005):
        usual.learn(job, 1.0)
    assert usual.of(4) is None
    assert usual.of(5) is not None


def test_one_more_run_moves_mean_and_deviation_a_fifth_of_the_way() -> None:
    assert Usual(100.0, 0.0).after(200.0) == Usual(120.0, 20.0)
    assert Usual(100.0, 10.0).after(50.0) == Usual(90.0, 18.0)
    assert Usual(100.0, 10.0).after(100.0) == Usual(100.0, 8.0)


def test_the_first_run_of_a_job_is_taken_as_it_is() -> None:
    usual = UsualDurations()
    usual.learn("job", 90.0)
    assert usual.of("job") == Usual(90.0, 0.0)
    assert usual.of("other") is None
    assert usual.of(None) is None


def test_nothing_is_learned_of_a_run_without_a_job_or_a_duration() -> None:
    usual = UsualDurations()
    usual.learn(None, 90.0)
    usual.learn(7, 0.0)
    usual.learn(7, -1.0)
    assert (usual.of(None), usual.of(7)) == (None, None)
    usual.learn(7, 0.5)
    assert usual.of(7) == Usual(0.5, 0.0)


def test_the_jobs_that_ended_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_JOBS_KEPT", 2)
    usual = UsualDurations()
    for job in (1, 2, 1, 3):
        usual.learn(job, 10.0)
    assert [usual.of(job) is not None for job in (1, 2, 3)] == [True, False, True]


def test_the_edges_of_the_window() -> None:
    """540 to 660 s: at its opening looks come often, at its end no more."""
    assert pause_s(60, 539.0, 539.0, USUALLY_600) == 2.5
    assert pause_s(60, 660.0, 660.0, USUALLY_600) == 20.0
    assert pause_s(60, 600.0, None, USUALLY_600) == 60.0
    assert pause_s(2, 600.0, 600.0, USUALLY_600) == 2.0
    assert pause_s(60, 600.0, 600.0, Usual(6.0, 0.1)) == 60.0
    assert pause_s(4, 0.0, 600.0, Usual(600.0, 0.1)) == 2.0
