"""An event loop whose clock jumps to the next thing to do: hours of waiting in a moment, and no sleeping."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000_000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("Everything waits for ever: nothing is scheduled any more.")
        self.now_s += timeout
        return super().select(0)


def run(work: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
    """Run ``work(clock)``; every sleep inside takes no time, and the clock shows as if it had.

    Tasks that are left over are an error: whoever starts them has to end them.
    """
    selector = _Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]
    try:
        result = loop.run_until_complete(work(loop.time))
        left = asyncio.all_tasks(loop)
        assert not left, f"left behind: {left}"
        return result
    finally:
        loop.close()
