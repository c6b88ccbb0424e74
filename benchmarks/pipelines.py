"""Updates of 500 pipelines watched together; an event log of 50,000 events; a replay of a million.

``python -m benchmarks.pipelines``. Requests are counted by the stand-in, which runs in another process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psutil
import requests

WAITS, POLL_S = 500, 5.0
FIRST_END_S, LAST_END_S = 40.0, 60.0
#: Of one get for each task and poll.
WATCH_BUDGET = 50
EVENTS, HOOKS = 50_000, 5
LIST_BUDGET = 51
#: Design section 8, over a bare call; each hook has its own copy of the event besides.
CALL_BUDGET_US = 5.0
#: Between a fifth of the log and all of it: the ids of 100,000 events are kept at most.
GROWTH_BUDGET_MB = 20.0
REPLAYED = 1_000_000
REPLAY_BUDGET_S = 60.0
BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)


def event(number: int) -> dict[str, Any]:
    """An event as the API gives it, about 700 bytes."""
    at = BEGIN + timedelta(milliseconds=7 * number)
    return {
        "id": f"{number:08x}-0000-11f1-8000-{number:012x}",
        "sequence": {
            "data_plane_id": {"instance": "execution", "seq_no": number},
            "control_plane_seq_no": number,
        },
        "origin": {
            "cloud": "AWS",
            "region": "eu-west-1",
            "pipeline_id": "2f8c1f0e-5a3b-4a0e-9a52-0d8c9b6f7a11",
            "pipeline_name": "orders",
            "update_id": "4518bf9e-1d2c-4c83-a2f5-2a6b5a1c9d70",
            "flow_name": f"flow_{number % 40}",
        },
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z",
        "message": f"Flow 'flow_{number % 40}' is RUNNING.",
        "level": "INFO",
        "maturity_level": "STABLE",
        "event_type": "flow_progress",
        "details": {"flow_progress": {"status": "RUNNING", "metrics": {"num_output_rows": number}}},
    }


class Remote:
    """The stand-in in a process of its own, and Airflow's connection to it."""

    def __enter__(self) -> Remote:
        command = [sys.executable, "-m", "airflow_provider_pipehooks", "standin", "--port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        conn = {"conn_type": "pipehooks_databricks", "host": self.url, "password": "a-token"}
        os.environ["AIRFLOW_CONN_DATABRICKS_DEFAULT"] = json.dumps(conn)
        self._session = requests.Session()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._process.terminate()
        self._process.wait()

    def post(self, path: str, body: Any) -> dict[str, Any]:
        """Make something, and get what it answers."""
        url = f"{self.url}/_standin/databricks_pipelines/{path}"
        answer = self._session.post(url, json=body, timeout=120)
        answer.raise_for_status()
        return dict(answer.json())

    def requests(self, path: str) -> int:
        """How many have come to paths with this in them."""
        answer = self._session.get(f"{self.url}/_standin/journal?path_contains={path}", timeout=60)
        return int(answer.json()["count"])


# 500 updates, one poller


def watch() -> Iterator[str]:
    """As a triggerer does: 500 triggers in one event loop, each on a pipeline of its own."""
    from airflow_provider_pipehooks.triggers.remote_run import RemoteRunTrigger

    lasts = [FIRST_END_S + (LAST_END_S - FIRST_END_S) * number / WAITS for number in range(WAITS)]
    with Remote() as remote:
        ids = [
            remote.post("pipelines", {"name": f"p{number}", "plan": {"seconds": last}})["pipeline_id"]
            for number, last in enumerate(lasts)
        ]
        updates = [remote.post(f"pipelines/{each}/start", {})["update_id"] for each in ids]
        triggers = [
            RemoteRunTrigger(
                service="databricks_pipelines",
                conn_id="databricks_default",
                run_id=update_id,
                poll_interval=POLL_S,
                options={"pipeline_id": pipeline_id},
            )
            for pipeline_id, update_id in zip(ids, updates, strict=True)
        ]
        told = asyncio.run(ends_of(triggers))
        needed = remote.requests("/api/")
    ended = sum(each["run"]["state"] == "SUCCESS" for each in told)
    right = {each["run"]["run_id"] for each in told} == set(updates) and ended == WAITS
    one_by_one = sum(last / POLL_S for last in lasts)
    rightly = "yes" if right else "NO"
    yield f"{WAITS} updates of {WAITS} pipelines, poll {POLL_S:g} s"
    yield f"  requests                     {needed:>8,}   with one get a task and poll: {one_by_one:,.0f}"
    yield f"  share                        {f'1/{one_by_one / needed:.0f}':>8}   at most 1/{WATCH_BUDGET}"
    yield f"  ended rightly, each once     {rightly:>8}"


async def ends_of(triggers: list[Any]) -> list[Any]:
    """The one event of each."""

    async def end_of(trigger: Any) -> Any:
        return [each.payload async for each in trigger.run()]

    return [each for found in await asyncio.gather(*map(end_of, triggers)) for each in found]


# A log of 50,000 events


class Store(dict[str, Any]):
    """What outlives a process, as JSON, as Airflow's store keeps it."""

    def recall(self, key: str) -> Any:
        return json.loads(self[key]) if key in self else None

    def remember(self, key: str, record: Any) -> None:
        self[key] = json.dumps(record)

    def forget(self, key: str) -> None:
        self.pop(key, None)


def listen() -> Iterator[str]:
    """Five hooks over a log that is there already, through the real hook and the stand-in."""
    from airflow_provider_pipehooks.handlers.event_hooks import EventHooks
    from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
    from airflow_provider_pipehooks.tasks.listening import Listening, PipelineLog

    told = [0] * HOOKS
    wrong = 0
    ids = [event(number)["id"] for number in range(EVENTS)]
    memory_mb: dict[int, float] = {}
    process = psutil.Process()

    def noting(number: int) -> Any:
        def note(each: dict[str, Any]) -> None:
            nonlocal wrong
            wrong += each["id"] != ids[told[number]]
            told[number] += 1
            if number == 0 and told[0] in (EVENTS // 5, EVENTS):
                gc.collect()
                memory_mb[told[0]] = process.memory_info().rss / 2**20

        return note

    with Remote() as remote:
        log = [event(number) for number in range(EVENTS)]
        pipeline_id = remote.post("pipelines", {"name": "log", "events": log})["pipeline_id"]
        del log
        hooks = EventHooks([noting(number) for number in range(HOOKS)])
        began_s = time.monotonic()
        listening = Listening(
            hooks,
            PipelineLog(DatabricksHook().call, pipeline_id),
            Store(),
            logging.getLogger("benchmark"),
            of={"run_id": "u"},
            since=None,
            batch_size=100,
        )
        assert listening.read()
        took_s = time.monotonic() - began_s
        lists = remote.requests(f"/{pipeline_id}/events")
    in_order = "yes" if told == [EVENTS] * HOOKS and not wrong else "NO"
    growth_mb = memory_mb[EVENTS] - memory_mb[EVENTS // 5]
    yield f"{EVENTS:,} events, {HOOKS} hooks, read and handled in {took_s:.1f} s"
    yield f"  list requests                {lists:>8,}   at most {LIST_BUDGET}"
    yield f"  each hook told in order      {in_order:>8}"
    yield (
        f"  memory from event {EVENTS // 5:,} on {growth_mb:>8.1f} MB at most {GROWTH_BUDGET_MB:.0f}: "
        "the ids that are kept"
    )


def slow_hook() -> Iterator[str]:
    """A hook that takes 2 s once: the others wait, and nothing is lost."""
    from airflow_provider_pipehooks.handlers.event_hooks import EventHooks

    order: list[tuple[str, int]] = []

    def slow(each: dict[str, Any]) -> None:
        if not order:
            time.sleep(2)
        order.append(("slow", each["sequence"]["control_plane_seq_no"]))

    def other(each: dict[str, Any]) -> None:
        order.append(("other", each["sequence"]["control_plane_seq_no"]))

    began_s = time.monotonic()
    dispatcher = EventHooks([slow, other]).dispatcher()
    for number in range(100):
        dispatcher.handle(event(number))
    took_s = time.monotonic() - began_s
    right = order == [(name, number) for number in range(100) for name in ("slow", "other")]
    in_turn = "yes" if right else "NO"
    yield f"a hook of 2 s beside another one, 100 events: {took_s:.1f} s, all told in turn: {in_turn}"


def call_cost() -> Iterator[str]:
    """CPU of one call of a hook for an event, over a bare call; of it, the copy that the hook is given."""
    from airflow_provider_pipehooks.handlers.event.dispatching import _copy
    from airflow_provider_pipehooks.handlers.event_hooks import EventHooks

    def nothing(each: dict[str, Any]) -> None: ...

    sample = event(1)
    dispatcher = EventHooks([nothing] * HOOKS).dispatcher()
    bare = best_us(lambda: [function(sample) for function in [nothing] * HOOKS])
    copies = best_us(lambda: [_copy(sample) for _ in range(HOOKS)])
    calls = best_us(lambda: dispatcher.handle(sample))
    own = (calls - copies - bare) / HOOKS
    yield "one call of an event hook, CPU"
    yield f"  the dispatcher               {own:>8.2f} us at most {CALL_BUDGET_US:.0f}, over a bare call"
    yield f"  the copy of the event        {copies / HOOKS:>8.2f} us: a hook may change and keep what it gets"


def best_us(call: Any) -> float:
    def once() -> float:
        start = time.process_time()
        for _ in range(2_000):
            call()
        return (time.process_time() - start) / 2_000 * 1e6

    return min(once() for _ in range(7))


# A replay of a million


HOOK_FILE = """
from dlt import on_event_hook

seen = 0


@on_event_hook
def count(event):
    global seen
    seen += event["details"]["flow_progress"]["metrics"]["num_output_rows"] == seen
"""


def replay() -> Iterator[str]:
    """``pipehooks hooks replay`` as a person calls it, and what hooks are given against what was recorded."""
    from airflow_provider_pipehooks.handlers.event.replay import recorded
    from airflow_provider_pipehooks.handlers.event_hooks import EventHooks

    with tempfile.TemporaryDirectory() as folder:
        log, hooks = Path(folder) / "log.json", Path(folder) / "my_hooks.py"
        with log.open("w") as file:
            file.writelines(f"{json.dumps(event(number))}\n" for number in range(REPLAYED))
        hooks.write_text(HOOK_FILE)
        size_mb = log.stat().st_size / 2**20
        command = [sys.executable, "-m", "airflow_provider_pipehooks", "hooks", "replay", "--events"]
        began_s = time.monotonic()
        done = subprocess.run([*command, log, hooks], capture_output=True, text=True, check=False)
        took_s = time.monotonic() - began_s
        given: list[bool] = []
        dispatcher = EventHooks([lambda each: given.append(each == event(len(given)))]).dispatcher()
        for number, each in enumerate(recorded(log)):
            if number == REPLAYED // 10:
                break
            dispatcher.handle(each)
    equal = "yes" if all(given) else "NO"
    yield f"a replay of {REPLAYED:,} events ({size_mb:.0f} MB): {took_s:.0f} s, at most {REPLAY_BUDGET_S:.0f}"
    yield f"  {done.stdout.strip() or done.stderr.strip()[-300:]}"
    yield f"  what hooks get is what was recorded, of the first {len(given):,}: {equal}"


def main() -> None:
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pipehooks-bench-"))
    os.environ["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"] = "0"
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    logging.disable(logging.WARNING)
    for part in (listen, slow_hook, call_cost, replay, watch):
        print("\n".join(part()), flush=True)


if __name__ == "__main__":
    main()
