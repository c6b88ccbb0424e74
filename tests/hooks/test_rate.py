"""How fast one account is asked: in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from airflow_provider_pipehooks.hooks.rate import RateLimit, rate_limits_of
from tests import virtual_time

Clock = Callable[[], float]


def turns(
    per_s: float, count: int, refused_at: int | None = None, retry_after: float | None = None
) -> list[float]:
    """When each of ``count`` requests that are made at once got its turn."""

    async def work(clock: Clock) -> list[float]:
        limit, begin, at = RateLimit(per_s, clock=clock), clock(), list[float]()

        async def one(number: int) -> None:
            await limit.turn()
            at.append(clock() - begin)
            if number == refused_at:
                limit.refused(retry_after)

        await asyncio.gather(*(one(number) for number in range(count)))
        return at

    return virtual_time.run(work)


def test_after_a_second_of_burst_the_rate_is_kept() -> None:
    at = turns(10.0, 61)
    assert at[10] == pytest.approx(0.0)
    assert at[60] == pytest.approx(5.0)


def test_turns_come_in_the_order_they_were_asked_for() -> None:
    async def work(clock: Clock) -> list[int]:
        limit, order = RateLimit(5.0, clock=clock), list[int]()

        async def one(number: int) -> None:
            await limit.turn()
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(50)))
        return order

    assert virtual_time.run(work) == list(range(50))


def test_429s_of_one_moment_halve_the_rate_once_and_it_grows_back() -> None:
    async def work(clock: Clock) -> list[float]:
        limit, rates = RateLimit(10.0, clock=clock), list[float]()
        for _ in range(8):
            limit.refused(None)
        for pause in (0, 2.5, 5):
            await asyncio.sleep(pause)
            await limit.turn()
            rates.append(limit.per_s)
        return rates

    assert virtual_time.run(work) == pytest.approx([5.0, 7.5, 10.0])


def test_all_hold_as_long_as_the_remote_asked_even_those_that_had_a_turn_coming() -> None:
    at = turns(10.0, 30, refused_at=12, retry_after=20.0)
    assert max(at[:13]) < 1
    assert min(at[13:]) >= 20


def test_a_retry_after_of_a_day_does_not_hold_the_account_for_a_day() -> None:
    assert max(turns(10.0, 12, refused_at=0, retry_after=86_400.0)) < 65


def test_however_often_it_was_refused_an_account_is_still_asked() -> None:
    async def work(clock: Clock) -> float:
        limit, begin = RateLimit(10.0, clock=clock), clock()
        for _ in range(50):
            await limit.turn()
            limit.refused(None)
        return clock() - begin

    assert virtual_time.run(work) <= 50 * 5


def test_an_account_has_one_set_of_limits_in_an_event_loop() -> None:
    async def work(clock: Clock) -> tuple[bool, bool]:
        rates = {"": 5.0}
        one = rate_limits_of("https://a", 1, rates)
        return one is rate_limits_of("https://a", 1, rates), one is rate_limits_of("https://a", 2, rates)

    assert virtual_time.run(work) == (True, False)


def test_each_kind_of_call_has_a_limit_of_its_own() -> None:
    async def work(clock: Clock) -> tuple[float, float]:
        limits = rate_limits_of("https://a", 1, {"/runs/get": 100.0, "": 1.0})
        begin = clock()
        for _ in range(3):
            await limits["/runs/get"].turn()
        reads_s = clock() - begin
        for _ in range(3):
            await limits[""].turn()
        return reads_s, clock() - begin

    reads_s, all_s = virtual_time.run(work)
    assert reads_s < 0.1
    assert all_s >= 1.0
