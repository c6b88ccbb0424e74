"""All that the package keeps for as long as a process lives, and how to begin anew.

Each is kept in the module that understands it; this is the list of them. Data first, no side effects.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from operator import attrgetter

_PACKAGE = "airflow_provider_pipehooks"

#: What empties each, below the package as ``module:attribute`` -> what it is.
KEPT: Mapping[str, str] = {
    "handlers.signals:_named.clear": "receivers of signals that the next event connects",
    "handlers.signals:recent_failures.clear": "the last failures of receivers",
    "handlers.signal.sending:is_on.cache_clear": "whether signals are sent, as the option said",
    "hooks.auth:_TOKENS.clear": "access tokens, shared by all hooks of a login",
    "hooks.rate:_LIMITS.clear": "how fast each account may be asked, for each event loop",
    "hooks.remote:_FETCHING.clear": "who is fetching a token now, for each event loop",
    "plugins.background:forget": "the queue of events for slow receivers, and its thread",
    "plugins.shown.alerts:_known.clear": "what the page has read of the outbox",
    "plugins.shown.figures:_kept.clear": "figures of the page, for some minutes",
    "plugins.plugin:warn_once.cache_clear": "whether options without effect were told of",
    "tasks.turns:_NOW.clear": "the task that runs, and which operators it has executed",
    "triggers.assets.rounds:_WATCHERS.clear": "watchers of finished runs, by whom they ask",
    "triggers.assets.pipeline_rounds:_WATCHERS.clear": "watchers of events, by whose log they read",
    "triggers.poller.gc_freeze:HEAP.forget": "at how many waits the heap is set aside again",
    "triggers.poller.watcher:_WATCHERS.clear": "the poller of each connection, for each event loop",
}


def forget() -> None:
    """Begin anew, as a process that has just started; for tests, and for whoever changes options at run time.

    Waits and watchers that go on meanwhile are not told: their poller is no longer found by new ones.
    """
    for path in KEPT:
        module, _, attribute = path.partition(":")
        loaded = sys.modules.get(f"{_PACKAGE}.{module}")
        if loaded is not None:
            attrgetter(attribute)(loaded)()
