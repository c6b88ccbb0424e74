"""WATCH: what Python's garbage collector need not look through again and again.

A full pass looks at everything alive and holds the event loop meanwhile: 0.1 s for what Airflow imports,
0.25 s with ten thousand waits; Airflow warns of a blocked loop from 0.1 s on. Nothing is found there: waits
end by reference count. ``gc.freeze`` sets aside what is alive at that moment; Airflow does the same before
it forks. Garbage in cycles that is set aside with it stays, so this happens a few times in a process's life.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

_FIRST_STEP = 500


class Heap:
    """Sets aside what is alive with the first wait of a process, and each time there are twice as many.

    :param freeze: does it.
    """

    def __init__(self, freeze: Callable[[], object] = gc.freeze) -> None:
        self._freeze = freeze
        self._next = 1

    def holds(self, waits: int) -> None:
        """So many waits are alive now."""
        if waits >= self._next:
            self._next = 2 * max(waits, _FIRST_STEP)
            self._freeze()

    def forget(self) -> None:
        """As if no wait had been."""
        self._next = 1


#: Of this process, whatever watchers it has.
HEAP = Heap()
