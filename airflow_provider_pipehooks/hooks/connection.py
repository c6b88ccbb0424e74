"""What a connection says, as values: where to call, through which proxy, trusting whom."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_pipehooks.core.errors import ConfigurationError

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_pipehooks.hooks.auth import Auth

#: Both are read by requests, the second by aiohttp's ssl; one of them is enough for both senders here.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
#: A name, an IPv4 or an IPv6 address; underscores occur in names of containers.
_HOST_NAME = re.compile(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*(%\w+)?")
#: Connections that are of no service; Airflow makes the second of ``https://...``.
PLAIN_TYPES = ("http", "https")
#: Nobody can listen there who could not read the connection, too.
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
#: Texts that stand for a yes or no.
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


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


def base_url(conn: Connection, *, default_host: str | None = None, behind: str = "") -> str:
    """Scheme, host and port of a connection; a query or fragment, as a browser shows it, is dropped.

    :param default_host: for connection types whose host may stay empty.
    :param behind: what may follow the host and is dropped, too, as a regular expression; the tutorial's
        ``dbt_api`` holds ``https://cloud.getdbt.com/api/v2/``.
    :raises ConfigurationError: no host, none that is an address, or one with another path.
    """
    host = (conn.host or default_host or "").strip()
    if not host:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r} has no host. Put the address you see in the browser into Host."
        )
    if "@" in host:
        # What stands before it may be a password, so it is not quoted.
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: the host has a user in it. Give the host only; who calls belongs "
            "into Login and Password."
        )
    scheme = conn.schema if conn.schema in ("http", "https") else "https"
    try:
        parts = urlsplit(host if "://" in host else f"{scheme}://{host}")
        name, port = parts.hostname or "", parts.port or conn.port
    except ValueError as err:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: host {host!r} is not an address: {err}."
        ) from err
    if not _HOST_NAME.fullmatch(name) or parts.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: host {host!r} is not an address. Give it as you see it in the "
            "browser, such as 'https://ab123.us1.dbt.com'."
        )
    name = f"[{name}]" if ":" in name else name
    url = f"{parts.scheme}://{name}{f':{port}' if port else ''}"
    if parts.scheme == "http" and name not in _LOOPBACK:
        log.warning(
            "Connection %r sends its token to %s without encryption: give the host as https://%s.",
            conn.conn_id,
            url,
            name,
        )
    path = parts.path.rstrip("/")
    if path and not re.fullmatch(behind, path):
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: host {host!r} is more than an address. Give the host only: "
            f"{url!r}."
        )
    return url


def extra_of(conn: Connection) -> Mapping[str, Any]:
    """The connection's extra as an object; empty when there is none.

    :raises ConfigurationError: it is not JSON, or not an object.
    """
    # Airflow itself logs an extra that is not JSON and goes on with an empty one.
    text = (conn.extra or "").strip()
    try:
        extra = conn.extra_dejson if not text or json.loads(text) is not None else {}
    except ValueError as err:
        raise ConfigurationError(f"Connection {conn.conn_id!r}: extra is not JSON: {err}.") from err
    if not isinstance(extra, dict):
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: extra is a {type(extra).__name__}; it must be a JSON object."
        )
    return extra


def proxies_of(conn: Connection) -> dict[str, str]:
    """``{"http": url, "https": url}`` of the extra ``proxies``, as the official providers read it."""
    proxies = extra_of(conn).get("proxies") or {}
    if isinstance(proxies, str):
        proxies = _json_or_text(proxies)
    if not isinstance(proxies, dict) or not all(
        scheme in ("http", "https") and _is_proxy(url) for scheme, url in proxies.items()
    ):
        # The value may hold a password, so it is not quoted.
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: extra 'proxies' must look like "
            '{"http": "http://proxy:8080", "https": "http://proxy:8080"}.'
        )
    return {scheme: _with_scheme(url) for scheme, url in proxies.items()}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with_scheme(url: str) -> str:
    """``proxy:8080`` is enough for requests, not for aiohttp."""
    return url if "://" in url else f"http://{url}"


def _is_proxy(url: Any) -> bool:
    """Whether both senders can use it; neither speaks SOCKS here."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(_with_scheme(url))
        _ = parts.port  # raises when it is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(_HOST_NAME.fullmatch(parts.hostname or ""))


def is_set(conn: Connection, name: str) -> bool:
    """Whether an extra asks for something; in a connection given as a URI every extra is a text."""
    value = extra_of(conn).get(name)
    return bool(_WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value)


def as_secret(conn: Connection, value: Any) -> str:
    """A token or secret as it goes into a header, without the line break that pasting leaves.

    :raises ConfigurationError: it cannot be sent as it is. Said here, since the sender's own error quotes it.
    """
    secret = str(value).strip()
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: the token or secret has a space, a line break or a character "
            "that is not ASCII in it. Copy it again."
        )
    return secret


def verify_of(conn: Connection) -> bool | str:
    """The extra ``verify``: false, true, or the path of a CA bundle, as the http provider reads it."""
    verify = extra_of(conn).get("verify", True)
    if isinstance(verify, str):
        verify = _WORDS.get(verify.strip().lower(), verify) if verify.strip() else True
    origin = "extra 'verify'"
    if verify is True:
        origin = next((name for name in _BUNDLE_VARIABLES if os.environ.get(name)), "")
        verify = os.environ.get(origin, True)
    if isinstance(verify, str) and not os.path.exists(verify):
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: the CA bundle {verify!r} of {origin} is not on this machine."
        )
    return verify if isinstance(verify, (bool, str)) else True
