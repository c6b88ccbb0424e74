"""How fast the triggerer may ask one account: a token bucket that everything in an event loop shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from weakref import WeakKeyDictionary

#: Requests that may go at once after a quiet time, as seconds of the rate.
_BURST_S = 1.0
#: From nothing back to the full rate.
_RECOVERY_S = 10.0
#: Calls that were under way together are refused together: that halves the rate once.
_ONE_REFUSAL_S = 5.0
#: However often it was halved, an account is still asked this often.
_SLOWEST_PER_S = 0.2
#: A ``Retry-After`` that is longer than this is for the single call, not for the whole account.
_LONGEST_HOLD_S = 60.0


class RateLimit:
    """Gives out turns, first come, first served.

    A 429 halves the rate and holds everything for as long as the remote asked; the rate then grows back
    evenly.

    :param per_s: requests a second.
    """

    def __init__(
        self,
        per_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.full_per_s = self.per_s = max(per_s, _SLOWEST_PER_S)
        self._clock, self._sleep = clock, sleep
        self._next_s = float("-inf")
        self._held_until_s = float("-inf")
        self._recovered_s = clock()
        self._halved_s = float("-inf")

    async def turn(self) -> None:
        """Wait for one's turn to send one request."""
        now_s = self._clock()
        self._recover(now_s)
        at_s = max(self._next_s, now_s - _BURST_S, self._held_until_s)
        self._next_s = at_s + 1 / self.per_s
        while (pause_s := max(at_s, self._held_until_s) - self._clock()) > 0:
            await self._sleep(pause_s)

    def refused(self, retry_after_s: float | None) -> None:
        """The remote answered 429."""
        now_s = self._clock()
        self._recover(now_s)
        if now_s - self._halved_s >= _ONE_REFUSAL_S:
            self.per_s = max(self.per_s / 2, _SLOWEST_PER_S)
            self._halved_s = now_s
        hold_s = min(retry_after_s or 0.0, _LONGEST_HOLD_S)
        self._held_until_s = max(self._held_until_s, now_s + hold_s)

    def _recover(self, now_s: float) -> None:
        grown = self.full_per_s * (now_s - self._recovered_s) / _RECOVERY_S
        self.per_s = min(self.full_per_s, self.per_s + grown)
        self._recovered_s = now_s


_Account = tuple[str, "int | None"]
_LIMITS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Account, Mapping[str, RateLimit]]] = (
    WeakKeyDictionary()
)


def rate_limits_of(
    base_url: str, account_id: int | None, rates: Mapping[str, float]
) -> Mapping[str, RateLimit]:
    """The limits of an account in this event loop, whatever connection leads to it.

    :param rates: name -> requests a second; each name has a limit of its own.
    """
    accounts = _LIMITS.setdefault(asyncio.get_running_loop(), {})
    fresh = {name: RateLimit(per_s) for name, per_s in rates.items()}
    return accounts.setdefault((base_url, account_id), fresh)
