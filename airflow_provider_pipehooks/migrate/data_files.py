"""YAML and JSON that DAGs are made of: an operator's path is changed where it is a whole value."""

from __future__ import annotations

from airflow_provider_pipehooks.migrate.findings import PATH, Finding, Rewritten, ours_of
from airflow_provider_pipehooks.migrate.rewriting import CannotRewrite

_QUOTES = "\"'"


def rewrite(data: bytes) -> Rewritten:
    """The file with our paths; others that it mentions are told of.

    :raises CannotRewrite: it is not UTF-8.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise CannotRewrite(f"is not UTF-8: {err}") from err
    lines = text.splitlines(keepends=True)
    findings: list[Finding] = []
    for number, line in enumerate(lines):
        for found in reversed(list(PATH.finditer(line))):
            before, after = line[: found.start()], line[found.end() :]
            if not found.group(2) and _is_whole(before, after):
                line = f"{before}{ours_of(found.group(1))}{after}"
            else:
                says = f"a text holds {found.group(0)!r}: here it is {ours_of(found.group(1))!r}"
                findings.append(Finding(number + 1, says))
        lines[number] = line
    return Rewritten("".join(lines).encode(), findings)


def _is_whole(before: str, after: str) -> bool:
    """Whether what stands between the two is a value of its own."""
    before, after = before.rstrip(" \t"), after.rstrip("\r\n")
    quote = before[-1:] if before[-1:] in _QUOTES and before else ""
    if quote:
        if not after.startswith(quote):
            return False
        before, after = before[:-1].rstrip(" \t"), after[1:]
    elif before.lstrip().startswith("#"):
        return False
    after = after.split(" #")[0].strip(" \t")
    return before[-1:] in ("", ":", "-", ",", "[", "{") and after[:1] in ("", ",", "]", "}", ":")
