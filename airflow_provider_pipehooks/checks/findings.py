"""What a check has found, and how it is run: nothing that one of them does may end or hold up the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.core.texts import shorten, storable

State = Literal["ok", "warning", "WRONG"]
#: Every call of a check has a shorter limit of its own; this one is for what knows no limit: a folder on a
#: server that is away, a module that waits while it is imported.
LIMIT_S = 60.0
_LONGEST = 600


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    :param what: its kind and its name: ``topic arn:aws:sns:...``.
    :param state: ``WRONG``: an alert, or a run, will fail because of it.
    :param text: what is the matter, and what to do; one line.
    """

    what: str
    state: State
    text: str

    def __str__(self) -> str:
        return f"{self.state:<8} {self.what}: {self.text}"


def ok(what: str, text: str) -> Finding:
    return Finding(what, "ok", text)


def warning(what: str, text: str) -> Finding:
    return Finding(what, "warning", text)


def wrong(what: str, text: str) -> Finding:
    return Finding(what, "WRONG", text)


def findings_of(
    what: str, check: Callable[[], Iterable[Finding]], *, limit_s: float = LIMIT_S
) -> list[Finding]:
    """All that a check finds, fit to be shown: in one line each, without secrets.

    :param what: names the check, where it raises or does not come to an end.
    :param limit_s: after so many seconds it is left alone; what it has found by then is kept.
    """
    found: list[Finding] = []
    ended_by: list[BaseException] = []

    def work() -> None:
        try:
            for finding in check():
                found.append(finding)
        # SystemExit, too: what is checked may be a user's module.
        except BaseException as err:
            ended_by.append(err)

    # Not waited for at the end of the process, which may be never.
    worker = threading.Thread(target=work, name=f"pipehooks-check-{what}", daemon=True)
    worker.start()
    worker.join(limit_s)
    told = list(found)
    if worker.is_alive():
        told.append(wrong(what, f"No answer within {limit_s:.0f} s: it was left alone."))
    elif ended_by:
        told.append(wrong(what, f"Could not be looked at: {told_of(ended_by[0])}."))
    return [fit(finding) for finding in told]


def fit(finding: Finding) -> Finding:
    """A finding as it may be shown: texts of remotes and of users are in it."""
    return replace(finding, what=_fit(finding.what), text=_fit(finding.text))


def _fit(text: str) -> str:
    # Masked as a whole: a secret that is cut is not known any more.
    return shorten(masked_text(storable(text)), _LONGEST)


def told_of(err: BaseException) -> str:
    """An error with its class, which often says more than its text; of many lines the first."""
    first = next(iter(str(err).strip().splitlines()), "")
    return f"{type(err).__name__}: {first}".rstrip(": .")


@contextmanager
def heard(logger: logging.Logger) -> Iterator[list[str]]:
    """What a logger is told, and not logged with its trace: what it says becomes a finding."""
    told: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    handler, propagate = Listening(logging.WARNING), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield told
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
