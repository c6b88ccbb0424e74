"""What a connection says, as values: where to call, through which proxy, trusting whom."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_pipehooks.core.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_pipehooks.hooks.auth import Auth

#: Both are read by requests, the second by aiohttp's ssl; one of them is enough for both senders here.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a hook's calls go.

    :param base_url: scheme, host and port, no slash at the end.
    :param account_id: fills ``{account_id}`` in paths.
    :param proxies: by the scheme of the call, ``http`` and ``https``.
    :param verify: False, True for the system's authorities, or the path of a CA bundle.
    """

    conn_id: str
    base_url: str
    auth: Auth = field(repr=False)
    account_id: int | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True


def base_url(conn: Connection, *, default_host: str | None = None, api_path: str | None = None) -> str:
    """Scheme, host and port of a connection.

    :param default_host: for connection types whose host may stay empty.
    :param api_path: what may follow the host and is dropped, as a regular expression; the tutorial's
        ``dbt_api`` holds ``https://cloud.getdbt.com/api/v2/``.
    :raises ConfigurationError: no host, or one with a path.
    """
    host = (conn.host or default_host or "").strip()
    if not host:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r} has no host. Put the address you see in the browser into Host."
        )
    scheme = conn.schema if conn.schema in ("http", "https") else "https"
    try:
        parts = urlsplit(host if "://" in host else f"{scheme}://{host}")
        port = parts.port or conn.port
    except ValueError as err:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: host {host!r} is not an address: {err}."
        ) from err
    path = parts.path.rstrip("/")
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.query or parts.username:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: host {host!r} is not an address. Give it as 'https://ab123.us1.dbt.com'."
        )
    if path and not (api_path and re.fullmatch(api_path, path)):
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: host {host!r} has the path {path!r}. Give the host only: "
            f"'{parts.scheme}://{parts.netloc}'."
        )
    return f"{parts.scheme}://{parts.hostname}{f':{port}' if port else ''}"


def extra_of(conn: Connection) -> Mapping[str, Any]:
    """The connection's extra as an object; empty when there is none."""
    try:
        extra = conn.extra_dejson
    except ValueError as err:
        raise ConfigurationError(f"Connection {conn.conn_id!r}: extra is not JSON: {err}.") from err
    return extra if isinstance(extra, dict) else {}


def proxies_of(conn: Connection) -> dict[str, str]:
    """``{"http": url, "https": url}`` of the extra ``proxies``, as the official providers read it."""
    proxies = extra_of(conn).get("proxies") or {}
    if not isinstance(proxies, dict) or not all(
        scheme in ("http", "https") and isinstance(url, str) and url for scheme, url in proxies.items()
    ):
        # The value may hold a password, so it is not quoted.
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: extra 'proxies' must look like "
            '{"http": "http://proxy:8080", "https": "http://proxy:8080"}.'
        )
    return proxies


def verify_of(conn: Connection) -> bool | str:
    """The extra ``verify``: false, true, or the path of a CA bundle, as the http provider reads it."""
    verify = extra_of(conn).get("verify", True)
    if isinstance(verify, str) and verify.strip().lower() in ("true", "false", ""):
        verify = verify.strip().lower() != "false"
    if verify is True:
        return next((os.environ[name] for name in _BUNDLE_VARIABLES if os.environ.get(name)), True)
    if isinstance(verify, str) and not os.path.exists(verify):
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: the CA bundle {verify!r} of extra 'verify' is not on this machine."
        )
    return verify if isinstance(verify, (bool, str)) else True


def as_id(value: Any, what: str) -> int:
    """A whole number, from a number or the text a template makes of one.

    :param what: how the message names it: ``job_id of task 'build'``.
    :raises ConfigurationError: anything else.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdigit() or not int(text):
        raise ConfigurationError(f"{what} must be a whole number above 0, not {value!r}.")
    return int(text)
