"""``python -m tests.import_line.lane``: every text with the official imports and with ours, a table by shape.

``ONLY=dbt_`` takes those whose name holds that. What ``dag.test()`` cannot show: several processes, retries
after a kill, a triggerer that is shared, a DAG that was serialized. Those have lanes of their own.
"""

from __future__ import annotations

import os
import sys
import time

import tests.conftest  # noqa: F401  # a fresh AIRFLOW_HOME, before anything imports Airflow


def main() -> int:
    """Run all; 1 if one differs."""
    import aiohttp
    from airflow.utils.db import initdb

    from airflow_provider_pipehooks.standin import StandIn
    from tests.import_line.running import (
        NAMES,
        connect_all,
        differences,
        ours,
        run_text,
        shape_of,
        text_of,
        trusting,
    )

    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    initdb()
    wanted = [name for name in NAMES if os.environ.get("ONLY", "") in name]
    rows: list[tuple[str, str, str, float, float]] = []
    with StandIn(tls=True) as standin:
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            os.environ[name] = str(standin.ca_file)
        connect_all(_connect, standin)
        aiohttp.connector._SSL_CONTEXT_VERIFIED = trusting(standin)
        for name in wanted:
            begin = time.monotonic()
            official = run_text(text_of(name), standin)
            between = time.monotonic()
            found = differences(official, run_text(ours(text_of(name)), standin))
            end = time.monotonic()
            told = "same" if not found else "DIFFERS"
            rows.append((name, shape_of(name), told, between - begin, end - between))
            for line in found:
                print(f"!! {name}: {line}", flush=True)
    print(f"\n{'text':<26}{'official s':>11}{'ours s':>8}  {'result':<10}shape")
    for name, shape, told, theirs_s, ours_s in rows:
        print(f"{name:<26}{theirs_s:>11.1f}{ours_s:>8.1f}  {told:<10} {shape}")
    counts = {word: sum(row[2].startswith(word) for row in rows) for word in ("same", "DIFFERS")}
    print(f"\n{len(rows)} texts: " + ", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["DIFFERS"] else 0


def _connect(conn_id: str, **fields: object) -> None:
    import json

    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(fields)


if __name__ == "__main__":
    sys.exit(main())
