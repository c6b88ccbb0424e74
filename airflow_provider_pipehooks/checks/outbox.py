"""Whether alerts can be laid into the outbox, and whether what lies there is sent."""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.checks.findings import Finding, ok, told_of, warning, wrong
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.notifications.outbox import Notice, Outbox

#: A notice that nobody has sent for so long is stuck: without a sender it should have gone out at once.
STUCK_AFTER_S = 600.0
#: Those that wait longest are read; there may be thousands, each a request to an object store.
_READ = 200
#: ``put`` begins a notice's name with its time, in milliseconds.
_TIME = re.compile(r"(\d{14})-")


def outbox_findings(
    open_outbox: Callable[[], Outbox] = Outbox, *, clock: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """The folder, the sender, and what waits.

    :param clock: the time, in seconds since the epoch.
    """
    try:
        outbox = open_outbox()
    except Exception as err:
        yield wrong("outbox", f"[pipehooks] outbox cannot be used: {told_of(err)}. Correct it.")
        return
    yield writing_finding(outbox.root)
    try:
        yield from waiting_findings(outbox, clock())
    except Exception as err:
        yield wrong(f"outbox {outbox.root}", f"It cannot be read: {told_of(err)}. {_hint(err)}")
    yield from place_findings(outbox.root)


def _hint(err: Exception) -> str:
    if isinstance(err, OSError):
        return "Give the user that tasks run as the right to read and write there, or set [pipehooks] outbox."
    return "Install or correct what its address needs, or set [pipehooks] outbox to another one."


def writing_finding(root: Folder) -> Finding:
    """Write a file, read it back and delete it: not where a sender looks, and nothing stays."""
    what = f"outbox {root}"
    folder, name, data = root.folder("checks"), f"{secrets.token_hex(8)}.json", b'{"check": true}'
    try:
        with _as_it_was(folder):
            folder.write(name, data)
            read = folder.read(name)
            folder.delete(name)
    except Exception as err:
        return wrong(
            what,
            f"User {_user()} cannot write there: {told_of(err)}. What cannot be sent is lost. {_hint(err)}",
        )
    if read != data:
        return wrong(what, f"What is written there is not what is read: {read!r}. Use another place.")
    return ok(what, f"User {_user()} can write and read there.")


@contextmanager
def _as_it_was(folder: Folder) -> Iterator[None]:
    """Take away the folders that were made: made by whoever checks, tasks of another user could not write."""
    paths = [folder.path, *folder.path.parents] if folder.is_local else []
    missing: list[Path] = [path for path in paths if not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):
            for path in missing:
                path.rmdir()


def _user() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # in containers
        return str(uid)


def waiting_findings(outbox: Outbox, now: float) -> Iterator[Finding]:
    """Who sends, what waits and since when, what is no notice.

    :raises OSError: the outbox cannot be read.
    """
    names, has_sender = outbox.new.names(), outbox.has_sender
    yield ok("outbox sender", _AT_WORK if has_sender else _NONE)
    yield _waiting(names, now, has_sender=has_sender)
    unreadable = [
        *outbox.unreadable.names(),
        *(name for name in names[:_READ] if not _is_notice(outbox, name)),
    ]
    if unreadable:
        yield warning(
            "outbox unreadable",
            f"{len(unreadable):,} files are no notices, such as {unreadable[0]}: what they were for is not "
            f"told. pipehooks outbox list moves them to {outbox.unreadable}: look there, then delete them.",
        )


_AT_WORK = "A sender is at work: failures of one cause become one message."
_NONE = "None is at work: each alert is sent at once. pipehooks outbox send is one."


def _waiting(names: list[str], now: float, *, has_sender: bool) -> Finding:
    what = "outbox notices"
    if not names:
        return ok(what, "Nothing waits.")
    times = [int(found[1]) / 1000 for name in names if (found := _TIME.match(name))]
    age_s = now - min(times, default=now)
    text = f"{len(names):,} to be told, the oldest {age_s / 60:,.0f} min old."
    if not has_sender and age_s > STUCK_AFTER_S:
        return warning(what, f"{text} They could not be sent: pipehooks outbox send --once sends them.")
    # A sender may keep one back for that long, to tell it with others.
    if has_sender and age_s > STUCK_AFTER_S + options.read("alert_group_interval"):
        return warning(what, f"{text} The sender does not get rid of them: look at its log.")
    return ok(what, text)


def _is_notice(outbox: Outbox, name: str) -> bool:
    """Without moving it away, as a sender would: a look changes nothing."""
    data = outbox.new.read(name)
    if data is None:  # sent meanwhile
        return True
    try:
        Notice.from_json(json.loads(data))
    except ValueError:
        return False
    return True


def place_findings(root: Folder) -> Iterator[Finding]:
    """Whether all who have something to tell lay it into the same outbox."""
    from airflow.sdk.configuration import conf

    executors = str(conf.get("core", "executor", fallback="LocalExecutor"))
    # [team=][alias:]path.Class, separated by commas, and teams by semicolons.
    names = {re.split(r"[=:.]", each.strip())[-1] for each in re.split(r"[,;]", executors) if each.strip()}
    remote = sorted(names - {"LocalExecutor"})
    if remote and root.is_local and not options.read("outbox"):
        yield warning(
            f"outbox {root}",
            f"With {', '.join(remote)} tasks run on other machines, and each has an outbox of its own there: "
            "no sender sees all. Set [pipehooks] outbox to a folder that they share, or to an address such "
            "as s3://aws_default@bucket/alerts.",
        )
