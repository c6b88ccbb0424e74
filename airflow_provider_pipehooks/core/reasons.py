"""Why a run failed, as a class and a fingerprint: who has to act, and what is the same trouble. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import short_hash

#: Who has to act: whoever wrote the code or owns the data, whoever set it up, the platform's people, whoever
#: pays for the account; or a limit of time, a person, the platform itself, or Airflow ended it.
ReasonClass = Literal[
    "user",
    "configuration",
    "platform",
    "quota",
    "timeout",
    "cancelled_by_person",
    "cancelled_by_platform",
    "cancelled",
    "skipped",
    "ended_by_airflow",
    "unknown",
]

#: Names of tables, files, columns. An apostrophe is no quote: what it seems to end, and to begin, are words.
_QUOTED = r"(?<!\w)b?'[^'\n]{0,200}'(?!\w)|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`"
#: A number with its unit, which differs as the number does: 3.5 s, 1.2 GiB.
_QUANTITY = (
    r"\d[\d.,]{0,20} ?"
    r"(?:(?:milli)?seconds?|minutes?|hours?|days?|secs?|mins?|[hmd]|[mµ]?s|bytes?|[kmgt]?i?b)(?![a-z])"
)
#: What of a message tells one occurrence from another of the same trouble, most telling first. Hex counts as
#: a number: some of it has no letters.
_VARIES = tuple(
    (re.compile(pattern, re.IGNORECASE), shown)
    for pattern, shown in (
        # What the reason is wrapped in: by us, by Py4J, by Spark, by Databricks.
        (r" \(its output could not be read: .*", ""),
        (r"an error occurred while calling \S+\s*: ", ""),
        (r"job aborted due to stage failure: .{,40} failed \d+ times(?:, most recent failure: [^:]*)?: ", ""),
        (r"unexpected failure while waiting for the cluster .{,90} is in unexpected state terminated: ", ""),
        # Which host it is says where a person has to look.
        (r"\b(host)(?: |=)['\"`]([\w.-]+)['\"`]", r"\1 \2"),
        # The same trouble meets whoever starts a run and whoever watches one.
        (r"\b(?-i:GET|POST|PUT|PATCH|DELETE|HEAD) (?:/|https?:)[^\s'\"`<>]+", "<call>"),
        (r"\b[a-z][a-z0-9+.-]*://[^\s'\"`<>]+", "<url>"),
        (r"(?<![\w<])(?:[a-z]:)?(?:[\\/][\w.@%+~=-]+){2,}[\\/]?(?:\?\S*)?", "<path>"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
        (r"\b[\w.+-]+@[\w-]+\.[\w.]+\b", "<mail>"),
        # A cluster of Databricks, the beginning of a pipeline's update, a pod of Kubernetes.
        (r"\b\d{4}-\d{6}-[a-z0-9]{6,10}\b", "<id>"),
        (r"\b(update) [0-9a-f]{6}\b|\b(pod) (?:[a-z0-9]+[-.])+[a-z0-9]+", r"\1\2 <id>"),
        (r"(?:\bid|_id|(?-i:[a-z]I[dD]))[ :=#]{1,3}(?=\S*\d)[\w+/=.-]+", "<id>"),
        (r"(?<!\d)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<time>"),
        (r"(?<!\d)\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?!\d)", "<time>"),
        (_QUOTED, "<value>"),
        (r"\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,})\b", "<n>"),
        # Letters and digits mixed twice: what programs call their machines and requests.
        (r"\b(?=[a-z]*\d+[a-z]+\d)[a-z0-9]{5,}\b", "<n>"),
        (rf"{_QUANTITY}(?:,? ?(?:and )?{_QUANTITY})*", "<n>"),
        (r"[0-9]+(?:[.,][0-9]+)*", "<n>"),
        # As many of them as there may be, and one of them or several.
        (r"(?:<\w+>[^\w<>]{1,3})+(<\w+>)", r"\1"),
        (r"(<n> [a-z]{3,}?)s\b", r"\1"),
    )
)
#: Not every occurrence knows which file it was.
_LAST = re.compile(r"[^\w<>.!]*<\w+>[^\w<>]*$")
#: Of Python's own errors, and of ours about settings: there the quotes hold what a person has to look for.
_NAMES = re.compile(
    r"(?:[\w.]+\.)?(?:KeyError|NameError|UnboundLocalError|AttributeError|TypeError|ImportError|ModuleNotFoundError"
    r"|UndefinedError|AirflowNotFoundException|AirflowRuntimeError|ConfigurationError)\b"
)
_QUOTES = re.compile(r"['\"`]")
#: An error class as Databricks and Spark write it, [TABLE_OR_VIEW_NOT_FOUND.WITH_HINT]; why a cluster ended,
#: AZURE_QUOTA_EXCEEDED_EXCEPTION(CLIENT_ERROR); an error of Snowflake, 002003 (42S02).
_CODE = re.compile(
    r"\[([A-Z][A-Z0-9]*(?:[_.][A-Z0-9]+)+)\]"
    r"|\b([A-Z]+(?:_[A-Z]+)+) ?\((?:CLIENT_ERROR|SERVICE_FAULT|CLOUD_FAILURE)\)"
    r"|\b(\d{6}) \([0-9A-Z]{5}\)"
)
#: Those that anything may be behind.
_SAYS_NOTHING = frozenset(
    {
        "CLOUD_PROVIDER_LAUNCH_FAILURE",
        "FAILED_EXECUTE_UDF",
        "INTERNAL_ERROR",
        "INVALID_ARGUMENT",
        "PYTHON.EXCEPTION",
        "STREAM_FAILED",
    }
)
#: A number that says what the trouble is.
_STATUS = re.compile(
    r"\b(?:answered|status(?: code)?|http(?: error)?|errno|sqlstate|code)[ :=]+"
    r"(-?(?=[A-Z]*\d)[0-9A-Z]{1,5})\b",
    re.IGNORECASE,
)
#: The trouble is a whole database's, whichever model of dbt met it: the class of its SQLSTATE, or words.
_WHOLE = re.compile(
    r"\((?:08|28|53|57|58)[0-9A-Z]{3}\)|\bsqlstate[ :=]+(?:08|28|53|57|58)"
    r"|\b(?:connect(?:ion)?s?|login|log in|password|credentials?|authenticat\w+|unauthori[sz]ed|quota"
    r"|unavailable)\b",
    re.IGNORECASE,
)
#: As dbt begins: Database Error in model orders (models/orders.sql).
_IN_NODE = re.compile(r"\bin \w+ \S+ \([^)]*\)")
#: As dbt names a macro that no installed package has: a trouble of the project, whichever model came first.
_NO_MACRO = re.compile(r"['\"`](\w+)['\"`] is undefined\. This can happen when calling a macro")
#: Whose token or setting it is that a person has to renew.
_CONNECTION = re.compile(r"\bconn(?:ection|_id) ['\"`]([\w.-]+)['\"`]")
#: Of what these say, the name is that of something a person opens; a task of a job is no more than a place.
_NODES_OF = frozenset({"dbt_cloud", "databricks_pipelines"})
#: Of a text, so much says what the trouble is, to the end of a sentence; or so much, if there is none. Texts
#: come cut at 300 characters: where that falls depends on how long the ids in them are.
_TELLING, _OF_A_SENTENCE = 200, 120
#: Of a fingerprint.
DIGITS = 12


def class_of_run(run: Run) -> ReasonClass:
    """What kind of trouble a failed run is in."""
    if run.kind != "cancelled":
        return run.kind or "unknown"
    if run.cancelled_by or "USER" in run.status:
        return "cancelled_by_person"
    # Databricks: USER_CANCELED is a person's, CANCELED alone is not.
    by_platform = run.service == "databricks_jobs" and run.status.endswith(" CANCELED")
    return "cancelled_by_platform" if by_platform else "cancelled"


def told_by_run(run: Run) -> tuple[str, str]:
    """What failed inside a failed run, if anything is named, and what was said about it, in a line."""
    if run.failures:
        failure = min(run.failures, key=lambda each: each.name)
        return failure.name, first_line(failure.message)
    return "", first_line(run.message or run.status)


def fingerprint_of(trouble: str, name: str, said: str, service: str | None = None) -> str:
    """The same for the same trouble, wherever it strikes: of its class and its code, or its normalised text.

    Numbers, ids, times, hex, paths, addresses and quoted values do not count, nor does the task of a job. A
    model or flow does, unless the trouble is its database's; so does a connection, whose token somebody has
    to renew.

    :param trouble: its class.
    :param name: what failed inside the run, if anything is named.
    :param said: what was said about it, in a line.
    :param service: of the run, if it is about one.
    :return: 12 hex digits.
    """
    if service not in _NODES_OF:
        name = ""
    elif name:
        said = _IN_NODE.sub("", said)
        if macro := _NO_MACRO.search(said):
            name, said = macro[1], "no such macro"
        name = "" if _WHOLE.search(re.sub(_QUOTED, "", said)) else name
    return short_hash(trouble, *_told_by(name, said), digits=DIGITS)


def _told_by(name: str, said: str) -> Iterator[str]:
    """What of a name and a message tells one trouble from another."""
    # A step of dbt is named by its command, which differs; a node's name is one word.
    yield normalised(name) if " " in name else name
    codes = ["".join(code) for code in _CODE.findall(said)]
    if telling := [code for code in codes if code not in _SAYS_NOTHING]:
        yield telling[0]
        return
    yield from _CONNECTION.findall(said)[:1]
    yield from _STATUS.findall(said)[:1]
    yield normalised(said)


def normalised(text: str) -> str:
    """A message without what differs from one occurrence to the next."""
    if _NAMES.match(text):
        text = _QUOTES.sub(" ", text)
    for pattern, shown in _VARIES:
        text = pattern.sub(shown, text)
    text = _LAST.sub("", " ".join(text.lower().split()))
    if len(text) > _OF_A_SENTENCE:
        text = text[:_TELLING].rpartition(". ")[0] or text[:_OF_A_SENTENCE]
    return text.rstrip(".")


def first_line(text: str) -> str:
    """What a text says first, no longer than it takes to know it."""
    # Py4J says in its second line what has happened.
    lines = text.replace("\n: ", " : ").splitlines()
    return next((line.strip() for line in lines if line.strip()), "")[: 4 * _TELLING]
