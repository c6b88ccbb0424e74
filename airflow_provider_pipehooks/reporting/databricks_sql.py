"""Databricks' SQL as DuckDB takes it: what the published queries use, and nothing more.

DuckDB reserves the name ``system`` for a catalog of its own: nothing can be made in it, and no database can
be attached under it. So ``system.lakeflow.jobs`` has to become ``lakeflow.jobs`` in the text. It is read word
by word, with literals and comments kept apart; what DuckDB would not take, or would take for something else,
is changed. What both understand stays as it is; functions that are only missing are macros.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_pipehooks.core.errors import ConfigurationError

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<text> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" )   # both are literals there, with escapes
  | (?P<quoted> `(?:[^`]|``)*` )
  | (?P<word> [^\W\d]\w* )
  | (?P<number> \d\w* )
  | (?P<marker> (?<![:\w]):[^\W\d]\w* )
  | (?P<other> :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "%": r"\%", "_": r"\_"}

#: Functions whose first argument may be a bare unit. DuckDB's ``date_diff`` counts the borders of units that
#: lie between two times, Databricks' three count whole units, as ``date_sub`` does.
_WITH_UNIT = {
    **dict.fromkeys(("datediff", "date_diff", "timestampdiff"), "date_sub"),
    **dict.fromkeys(("dateadd", "date_add", "timestampadd"), "units_later"),
}
_UNITS = frozenset(
    ("microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
)
#: The same without a unit: in days.
_IN_DAYS = {
    **dict.fromkeys(("datediff", "date_diff"), "days_between"),
    **dict.fromkeys(("dateadd", "date_add"), "days_later"),
    "date_sub": "days_earlier",
}
_RENAMED = {
    **dict.fromkeys(("percentile", "percentile_approx", "approx_percentile"), "quantile_cont"),
    **dict.fromkeys(("size", "array_size"), "len"),
    "array_join": "array_to_string",
    "explode": "unnest",
}
_WHOLE_NUMBERS = frozenset({"long", "bigint", "int", "integer"})

#: What DuckDB lacks. An interval can be summed and be a number of seconds there, but not here.
MACROS = (
    "CREATE MACRO current_timestamp() AS now()",
    "CREATE MACRO to_date(x) AS CAST(x AS DATE)",
    "CREATE MACRO unix_timestamp(x) AS CAST(floor(epoch(CAST(x AS TIMESTAMPTZ))) AS BIGINT)",
    "CREATE MACRO days_between(x, since) AS CAST(x AS DATE) - CAST(since AS DATE)",
    "CREATE MACRO days_later(x, days) AS CAST(x AS DATE) + CAST(days AS INTEGER)",
    "CREATE MACRO days_earlier(x, days) AS CAST(x AS DATE) - CAST(days AS INTEGER)",
    "CREATE MACRO units_later(unit, n, x) AS x + CAST(n AS INTEGER) * CAST('1 ' || unit AS INTERVAL)",
    "CREATE MACRO collect_list(x) AS list(x) FILTER (WHERE x IS NOT NULL)",
    "CREATE MACRO collect_set(x) AS list(DISTINCT x) FILTER (WHERE x IS NOT NULL)",
    "CREATE MACRO try_divide(a, b) AS CASE WHEN b <> 0 THEN a / b END",
    "CREATE MACRO first_known(x, wanted) AS any_value(x)",
    # the type of what is itself a macro is not known when an overload is chosen: the first one is taken
    "CREATE MACRO sum_of(x) AS sum(x), (x INTERVAL) AS to_microseconds(CAST(sum(epoch_us(x)) AS BIGINT))",
    # a cast cuts there and rounds here; an id of 18 digits is no DOUBLE
    "CREATE MACRO whole(x) AS CASE "
    "WHEN typeof(x) = 'INTERVAL' THEN CAST(trunc(epoch(TRY_CAST(CAST(x AS VARCHAR) AS INTERVAL))) AS BIGINT) "
    "WHEN typeof(x) = 'BOOLEAN' THEN CAST(TRY_CAST(CAST(x AS VARCHAR) AS BOOLEAN) AS BIGINT) "
    "WHEN regexp_matches(typeof(x), '^(DOUBLE|FLOAT|DECIMAL)') "
    "THEN CAST(trunc(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) AS BIGINT) "
    "ELSE CAST(CAST(x AS VARCHAR) AS BIGINT) END",
)


@dataclass
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        """In lower case, of a name or a keyword; "" for anything else."""
        return self.text.strip("`").lower() if self.kind in ("word", "quoted") else ""


def to_duckdb(query: str) -> str:
    """The text of one query, or of several, for DuckDB.

    :raises ConfigurationError: it reads a schema of ``system`` that the history has nothing of.
    """
    tokens = [_Token(match.lastgroup or "other", match.group()) for match in _TOKEN.finditer(query)]
    told = [token for token in tokens if token.kind != "space"]
    for at, token in enumerate(told):
        before = _at(told, at - 1).text
        if token.word == "system" and before != "." and _at(told, at + 1).text == ".":
            _without_catalog(told, at)
        elif token.kind == "word" and before != "." and _at(told, at + 1).text == "(":
            _function(told, at)
    return "".join(_written(token) for token in tokens)


_NOTHING = _Token("other", "")


def _at(told: list[_Token], at: int) -> _Token:
    return told[at] if 0 <= at < len(told) else _NOTHING


def _without_catalog(told: list[_Token], at: int) -> None:
    schema = _at(told, at + 2).word
    if schema != "lakeflow":
        raise ConfigurationError(f"The history has system.lakeflow only; the query reads system.{schema}.")
    told[at].text = told[at + 1].text = ""


def _function(told: list[_Token], at: int) -> None:
    """Change a call; ``at`` is its name, and the next one the opening parenthesis."""
    name, first = told[at].word, _at(told, at + 2)
    if name in _WITH_UNIT and first.word in _UNITS and _at(told, at + 3).text == ",":
        told[at].text, first.text, first.kind = _WITH_UNIT[name], f"'{first.word}'", "text"
    elif name in _IN_DAYS:
        told[at].text = _IN_DAYS[name]
    elif name in _RENAMED:
        told[at].text = _RENAMED[name]
    elif name in ("sum", "first", "cast"):
        _by_its_end(told, at, name)


def _by_its_end(told: list[_Token], at: int, name: str) -> None:
    """Change a call of which more than its begin has to be seen."""
    depth, commas, end = 0, 0, at
    for end in range(at + 1, len(told)):
        depth += {"(": 1, ")": -1}.get(told[end].text, 0)
        commas += depth == 1 and told[end].text == ","
        if not depth:
            break
    plain = _at(told, at + 2).word != "distinct" and _at(told, end + 1).word != "filter"
    if name == "sum" and plain:
        told[at].text = "sum_of"
    elif name == "first" and commas and plain:
        told[at].text = "first_known"
    elif name == "cast" and told[end - 2].word == "as" and told[end - 1].word in _WHOLE_NUMBERS:
        told[at].text, told[end - 2].text, told[end - 1].text = "whole", "", ""


def _written(token: _Token) -> str:
    if token.kind == "text" and len(token.text) > 1:
        quote = token.text[0]
        inside = _ESCAPE.sub(lambda each: _ESCAPES.get(each[1], each[1]), token.text[1:-1])
        return "'" + inside.replace(quote * 2, quote).replace("'", "''") + "'"
    if token.kind == "quoted" and token.text:
        return '"' + token.text[1:-1].replace("``", "`").replace('"', '""') + '"'
    return f"${token.text[1:]}" if token.kind == "marker" else token.text
