"""Which operators one task has executed: usually itself, once.

People execute operators inside a task of their own (``SomeOperator(...).execute(context)``), several of
them, or one in a loop. All have the context of that one task, and what each wants is to be told apart.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

#: The task instance that this process runs, and who was executed in it: processes run one at a time.
_NOW: list[tuple[Any, Counter[Any]]] = []


def next_turn(ti: Any, who: Any) -> int:
    """How often ``who`` was executed by now in this try, from 1.

    Counted anew in each try: one that follows does the same things in the same order.
    """
    if not _NOW or _NOW[0][0] is not ti:
        _NOW[:] = [(ti, Counter())]
    turns = _NOW[0][1]
    turns[who] += 1
    return turns[who]
