"""``pipehooks check``: try the connections and the way of an alert, and say what is the matter."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout

from airflow_provider_pipehooks.checks.arguments import ARGUMENTS, HELP
from airflow_provider_pipehooks.checks.findings import LIMIT_S, Finding, findings_of, fit, warning
from airflow_provider_pipehooks.compat.stored import in_environment, stored_connections, with_stored

#: A database that is away answers late or never.
DATABASE_LIMIT_S = 15.0


def run(argv: list[str]) -> int:
    """``pipehooks check``.

    :return: 0 all ok or a warning, 1 something is WRONG, 2 it was called wrongly.
    """
    parser = argparse.ArgumentParser(prog="pipehooks check", description=f"{HELP[0].upper()}{HELP[1:]}.")
    for flag, about in ARGUMENTS.items():
        parser.add_argument(flag, **about)
    return check(parser.parse_args(argv))


def in_airflow(given: argparse.Namespace) -> None:
    """``airflow pipehooks check``: Airflow takes no exit code from a command."""
    sys.exit(check(given))


def check(given: argparse.Namespace) -> int:
    """Look at everything, print a line for each thing as it is found, or JSON at the end.

    :return: the exit code, as :func:`run`.
    """
    told: list[Finding] = []
    # Airflow tells each login that it uses; a warning is still shown, on stderr.
    quiet = in_environment("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    with quiet, _only_findings_on_stdout() as show:
        for finding in findings(given):
            told.append(finding)
            if not given.json:
                show(str(finding))
        if given.json:
            show(json.dumps([vars(finding) for finding in told], indent=2))
        else:
            count = Counter(finding.state for finding in told)
            show(f"{count['ok']} ok, {count['warning']} to look at, {count['WRONG']} wrong.")
    return 1 if any(finding.state == "WRONG" for finding in told) else 0


@contextmanager
def _only_findings_on_stdout() -> Iterator[Callable[[str], None]]:
    """What is printed meanwhile goes to stderr: Airflow logs to stdout, and a receiver's module may print."""
    out, kept = sys.stdout, os.dup(1)
    out.flush()
    os.dup2(2, 1)

    def show(line: str) -> None:
        os.dup2(kept, 1)
        try:
            print(line, file=out, flush=True)
        finally:
            os.dup2(2, 1)

    try:
        with redirect_stdout(sys.stderr):
            yield show
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def findings(given: argparse.Namespace) -> Iterator[Finding]:
    """Everything that was looked at, one after the other.

    :param given: the arguments in ``ARGUMENTS``.
    """
    from airflow_provider_pipehooks.checks import connections, outbox, settings, topic

    stored, trouble = _ids(
        "Airflow's database", lambda: stored_connections(connections.TYPES), limit_s=DATABASE_LIMIT_S
    )
    yield from (fit(warning(each.what, f"{each.text} {_NOT_SEEN}")) for each in trouble)
    # Else Airflow would wait for its database at each connection and Variable.
    with nullcontext() if trouble else with_stored():
        conn_ids, trouble = given.conn_id, []
        if not conn_ids:
            conn_ids, trouble = _ids("connections", lambda: connections.ids_to_check(stored))
        yield from trouble
        yield from connections.connection_findings(conn_ids)
        if not conn_ids and not trouble:
            yield connections.none_found()
        parts: dict[str, Callable[[], Iterable[Finding]]] = {
            "alert path": lambda: topic.alert_path_findings(
                given.target_arn, given.aws_conn_id or None, send_test=given.send_test
            ),
            "outbox": outbox.outbox_findings,
            "options": settings.option_findings,
            "functions": settings.function_findings,
            "rules": settings.rule_findings,
        }
        for what, look in parts.items():
            yield from findings_of(what, look)


_NOT_SEEN = "Connections and Variables that are stored there are not seen from here, but by tasks."


def _ids(
    what: str, find: Callable[[], Iterable[str]], *, limit_s: float = LIMIT_S
) -> tuple[list[str], list[Finding]]:
    """What a search finds, and why it found no more."""
    found: list[str] = []

    def look() -> Iterable[Finding]:
        found.extend(find())
        return ()

    trouble = findings_of(what, look, limit_s=limit_s)
    return list(found), trouble
