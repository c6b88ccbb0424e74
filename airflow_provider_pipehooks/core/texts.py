"""Texts that others wrote, made fit to be shown: short, without colours of a terminal, without secrets."""

from __future__ import annotations

import hashlib
import re

#: Escape sequences of a terminal, such as colours.
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# Tokens by their shape, as they may stand in error texts that others wrote. Words alone ("unexpected token
# customers") are left: they are what people need to read.
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic|authorization: *token)\s+[a-z0-9_\-.=+/]{8,}"), r"\1 ***"),
    (re.compile(r"(://[^/\s:@]*:)[^@\s/]+@"), r"\1***@"),
    (re.compile(r"\b(dapi|dose|dkea|dbtc_|dbtu_|AKIA|ASIA)[A-Za-z0-9_\-]{12,}"), r"\1***"),
    (
        re.compile(r"(?i)\b([\w\-]*(?:password|passwd|secret|token|api_key|access_key)\w*=)[^\s,;&]+"),
        r"\1***",
    ),
)


#: What a log, a database or a mail cannot hold: control characters but newline and tab, lone surrogates.
#: Postgres refuses a NUL, whatever writes UTF-8 a surrogate: in a trigger's event either of them
#: ends the whole triggerer (seen on Airflow 3.3.2).
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def storable(text: str) -> str:
    """A text that can be stored, logged and sent: without colours, and with a sign for what cannot be."""
    return _UNFIT.sub("\ufffd", ANSI.sub("", text.replace("\r\n", "\n"))) if _UNFIT.search(text) else text


def cut(text: str, limit: int) -> str:
    """As much of a text as a record should hold, with a mark where it was longer."""
    return text if len(text) <= limit else f"{text[: limit - 6]} [...]"


def without_secrets(text: str) -> str:
    """Hide what looks like a token or password in a text that we did not write."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def short_hash(*parts: str, digits: int = 16) -> str:
    """What tells texts apart, as hex digits: for ids and names of files."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:digits]


def last_lines(text: str, lines: int = 8, limit: int = 1_500) -> str:
    """The end of a log or a trace, which says most; blank lines left out, the beginning cut with a mark."""
    found = [line.rstrip() for line in text.splitlines() if line.strip()]
    kept = without_secrets("\n".join(found[-lines:]))
    return kept if len(kept) <= limit else f"[...] {kept[-(limit - 6) :]}"


def shorten(text: str, limit: int = 300) -> str:
    """One line, cut with a mark: bodies and logs can be megabytes."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
