"""Imported by Python as it starts: the triggerer's ``time.time()`` is off by what a file says, in seconds.

Only there: the clock of the machine is everybody's, and cannot be set for a test.
"""

import os
import sys
import time

_FILE = os.environ.get("PIPEHOOKS_CLOCK_OFF_BY")

if _FILE and "triggerer" in sys.orig_argv:
    _right = time.time

    def _wrong() -> float:
        try:
            with open(str(_FILE)) as file:
                return _right() + float(file.read())
        except (OSError, ValueError):
            return _right()

    time.time = _wrong
