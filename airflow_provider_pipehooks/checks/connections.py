"""Whether the remotes accept the connections: the test of Airflow's connection form, which Airflow hides.

Tried are the connections of our types that can be found: in the environment, in Airflow's database where it
can be reached, and those with a default id wherever they are. A secrets backend cannot be asked what it has:
what lies there under another id has to be named, and so do those of type ``http``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_pipehooks.checks.findings import Finding, findings_of, heard, ok, warning, wrong
from airflow_provider_pipehooks.hooks.connection import PLAIN_TYPES, base_url
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: For one call; where a token is fetched first, that is another one.
TIMEOUT_S = 10.0
_VARIABLE = "AIRFLOW_CONN_"
_HOOKS = (DbtCloudHook, DatabricksHook)
#: Connection type -> the hook that it is for.
HOOK_OF: dict[str | None, type[DbtCloudHook | DatabricksHook]] = {
    conn_type: hook for hook in _HOOKS for conn_type in hook.accepted_types if conn_type not in PLAIN_TYPES
}
TYPES = tuple(str(conn_type) for conn_type in HOOK_OF)


def connection_findings(conn_ids: Iterable[str]) -> Iterator[Finding]:
    """A finding for each connection; one that does not answer holds up no other."""
    for conn_id in conn_ids:
        yield from findings_of(f"connection {conn_id}", partial(connection_finding, conn_id))


def connection_finding(conn_id: str) -> Iterator[Finding]:
    """Whether the remote accepts a connection."""
    conn, what = _read(conn_id), f"connection {conn_id}"
    # Of one that is not there any hook says so, and how to add it.
    hook = DbtCloudHook if conn is None else _hook_of(conn)
    if hook is None:
        conn_type = conn.conn_type if conn is not None else None
        yield wrong(what, f"It has the type {conn_type!r}; known are {', '.join((*TYPES, *PLAIN_TYPES))}.")
        return
    with heard(logging.getLogger(base_url.__module__)) as told:
        is_accepted, text = hook(conn_id, timeout_seconds=TIMEOUT_S, retry_limit=1).test_connection()
    if conn is not None and conn.conn_type in PLAIN_TYPES:
        text = f"Taken for {hook.hook_name.partition(' (')[0]}. {text}"
    yield ok(what, text) if is_accepted else wrong(what, text)
    yield from (warning(what, sentence) for sentence in told)


def ids_to_check(stored: Collection[str]) -> Iterator[str]:
    """The connections that can be found, each once.

    :param stored: those of our types in Airflow's database.
    """
    found = set(stored)
    for name in os.environ:
        if name.startswith(_VARIABLE):
            conn_id = name.removeprefix(_VARIABLE).lower()
            conn = _read(conn_id)
            # One that cannot be read may be of our types: its test says what is wrong with it.
            if conn is None or conn.conn_type in HOOK_OF:
                found.add(conn_id)
    found |= {hook.default_conn_name for hook in _HOOKS if _read(hook.default_conn_name) is not None}
    yield from sorted(found)


def none_found() -> Finding:
    return warning(
        "connections",
        "None of dbt Cloud or Databricks was found. Name those that a secrets backend has, or that are of "
        "type http: --conn-id ID.",
    )


def _read(conn_id: str) -> Connection | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def _hook_of(conn: Connection) -> type[DbtCloudHook | DatabricksHook] | None:
    if conn.conn_type not in PLAIN_TYPES:
        return HOOK_OF.get(conn.conn_type)
    # Hosts of Databricks have it in their names, on every cloud; dbt Cloud has hosts of many kinds.
    return DatabricksHook if "databricks" in f"{conn.conn_id} {conn.host}".lower() else DbtCloudHook
