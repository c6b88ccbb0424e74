"""What calling a hook costs over calling the function, and whether 100,000 transitions leave anything behind.

``python -m benchmarks.hook_call``. Times are the best of several rounds: noise of a shared machine only adds.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook
from airflow_provider_pipehooks.handlers.state.given import hooks_of
from airflow_provider_pipehooks.handlers.state.states import Pending, Running, State
from airflow_provider_pipehooks.handlers.state.transitions import Handlers

CALLS = 20_000
ROUNDS = 7
HANDLERS = 5
TRANSITIONS = 100_000
#: Design section 8, over a bare call.
BUDGET_US = 5.0
#: What may be left after all transitions: a few objects of the measuring itself, not one per transition.
BUDGET_LEFT_BYTES = 10_000


def handler(subject: Any, old: State, new: State) -> None:
    """Does nothing: only the way to it is measured."""


def cost_us(call: Callable[[], Any], hooks_per_call: int = 1) -> float:
    """Microseconds for one hook, the best of several rounds."""
    return min(_seconds(call) for _ in range(ROUNDS)) / CALLS / hooks_per_call * 1e6


def _seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        call()
    return time.process_time() - start


def measure() -> dict[str, float]:
    """Microseconds of one hook call, over a bare call: through the dispatcher, and through a transition."""
    old, new = Pending(), Running()
    bare = cost_us(lambda: handler(None, old, new))
    one = Dispatcher([Hook(handler)])
    five = Handlers(hooks_of([handler] * HANDLERS))
    return {
        "bare call": bare,
        "dispatcher, one hook": cost_us(lambda: one.dispatch(None, old, new)) - bare,
        "observing transition, five handlers": cost_us(lambda: five.tell(None, old, new), HANDLERS) - bare,
        "deciding transition, five handlers": cost_us(lambda: five.decide(None, old, new), HANDLERS) - bare,
    }


def many_transitions() -> tuple[bool, int]:
    """Tell five handlers of 100,000 transitions.

    :return: whether each was told in order, and how many bytes are left.
    """
    order: list[int] = []
    in_order = [True]

    def numbered(number: int) -> Callable[..., None]:
        def note(subject: Any, old: State, new: State) -> None:
            order.append(number)

        return note

    handlers = Handlers(hooks_of([numbered(number) for number in range(HANDLERS)]))
    expected = list(range(HANDLERS))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for count in range(TRANSITIONS):
        order.clear()
        handlers.decide(None, Pending(), Running(str(count)))
        in_order[0] &= order == expected
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return in_order[0], after - before


def main() -> None:
    print(f"{'one hook call over a bare call':<42}{'microseconds':>14}{'at most':>10}")
    for name, cost in measure().items():
        limit = "" if name == "bare call" else f"{BUDGET_US:.0f}"
        print(f"{name:<42}{cost:>14.2f}{limit:>10}")
    in_order, left = many_transitions()
    order = "all in order" if in_order else "OUT OF ORDER"
    print(f"\n{TRANSITIONS:,} transitions with {HANDLERS} handlers: {order}, ", end="")
    print(f"{left:,} bytes left (at most {BUDGET_LEFT_BYTES:,})")


if __name__ == "__main__":
    main()
