"""Whether options, the functions and the rules that they name hold, as at Airflow's start."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from airflow_provider_pipehooks.checks.findings import (
    Finding,
    findings_of,
    heard,
    ok,
    told_of,
    warning,
    wrong,
)
from airflow_provider_pipehooks.handlers.dotted import load
from airflow_provider_pipehooks.options import OPTIONS, SECTION, read, without_effect
from airflow_provider_pipehooks.plugins import rules

#: To import one function: several that hang have to fit into the time of a whole check.
IMPORT_LIMIT_S = 15.0


def option_findings() -> Iterator[Finding]:
    """What cannot be read, and what is set and does nothing."""
    unread = [finding for name in OPTIONS if (finding := _unread(name))]
    yield from unread
    if unread:
        return  # what has no effect shows when all can be read
    sentences = list(without_effect())
    yield from (warning("options", sentence) for sentence in sentences)
    if not sentences:
        yield ok("options", f"All of [{SECTION}] can be read, and nothing is set in vain.")


def _unread(name: str) -> Finding | None:
    try:
        read(name)
    except Exception as err:
        return wrong("options", f"[{SECTION}] {name} cannot be read: {told_of(err)}. Correct it.")
    return None


def function_findings() -> Iterator[Finding]:
    """A finding for each receiver of pipeline events, and for what gets an alert that SNS did not take.

    None for receivers while signals are off: nothing loads them then.
    """
    paths = read("pipeline_event_receivers").split(",") if read("enable_pipeline_event_signals") else []
    named = [("receiver", path.strip()) for path in paths] + [("alert_fallback", read("alert_fallback"))]
    for kind, path in named:
        if path:
            # Each has a time of its own: to import is to run what somebody wrote.
            look = partial(_function, f"{kind} {path}", path)
            yield from findings_of(f"{kind} {path}", look, limit_s=IMPORT_LIMIT_S)


def _function(what: str, path: str) -> Iterator[Finding]:
    try:
        load(path)
    except Exception as err:
        yield wrong(
            what, f"It is never called, it cannot be loaded: {told_of(err)}. Correct its path, or its module."
        )
    else:
        yield ok(what, "It can be loaded.")


def rule_findings() -> Iterator[Finding]:
    """Which rules of the listener hold, and why others do not; none while it is off."""
    path = read("listener_rules")
    if not (read("enable_listener") and path):
        return
    with heard(rules.log) as told:
        held = rules.read_rules(path)
    yield from (wrong(f"rules {path}", text) for text in told)
    for rule in held:
        yield ok(f"rule {rule.action}", f"On {', '.join(rule.transitions)} of DAG {', '.join(rule.dags)}.")
    if not held and not told:
        yield warning(f"rules {path}", "It has none: the listener tells receivers of signals only.")
