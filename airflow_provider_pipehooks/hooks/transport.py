"""Two senders of the same requests: ``requests`` for workers, ``aiohttp`` for the triggerer.

Both are dependencies of the http provider already. They only move bytes; :mod:`services.reading` reads them.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_pipehooks import __version__
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.hooks.connection import Target
from airflow_provider_pipehooks.services.base import Answer, Request
from airflow_provider_pipehooks.services.reading import read_answer

if TYPE_CHECKING:
    import aiohttp
    import requests

USER_AGENT = f"airflow-provider-pipehooks/{__version__}"
CONNECT_TIMEOUT_S = 10.0
POOL_SIZE = 20


def url_of(target: Target, request: Request) -> str:
    return request.path if "://" in request.path else f"{target.base_url}{request.path}"


class SyncSender:
    """One pool of connections for the calls of a worker."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self._target = target
        self._timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        self._session: requests.Session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=POOL_SIZE))

    def send(self, request: Request, headers: Mapping[str, str]) -> Answer:
        """Send one request.

        :raises RemoteCallError: refused, or no usable answer.
        """
        import requests

        try:
            response = self._session.request(
                request.method,
                url_of(self._target, request),
                params=request.params,
                json=request.json,
                data=request.form,
                auth=request.basic_auth or _keep_header,
                headers={"User-Agent": USER_AGENT, "Accept": "application/json", **headers},
                timeout=self._timeout,
                # Given with the call, not set on the session: there the environment would win over them.
                verify=self._target.verify,
                proxies=dict(self._target.proxies) or None,
                allow_redirects=request.method == "GET",
            )
        except requests.RequestException as err:
            raise _no_answer(
                request, err, final=isinstance(err, (requests.exceptions.SSLError, ValueError))
            ) from err
        # Not response.text: it takes a text without a charset for Latin-1, or guesses.
        text = response.content.decode(errors="replace")
        return read_answer(request, response.status_code, response.headers, text)

    def close(self) -> None:
        self._session.close()


class AsyncSender:
    """One pool of connections for the calls of one event loop; made and closed inside it."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        import aiohttp

        self._target = target
        self._proxies: dict[tuple[str, ...], str | None] = {}
        self._session: aiohttp.ClientSession = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=POOL_SIZE, ssl=_ssl_of(target.verify)),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            # Not trust_env: a ~/.netrc entry for the host would make aiohttp refuse our own header.
        )

    async def send(self, request: Request, headers: Mapping[str, str]) -> Answer:
        """Send one request; as :meth:`SyncSender.send`."""
        import aiohttp

        url = url_of(self._target, request)
        try:
            async with self._session.request(
                request.method,
                url,
                params=request.params,
                json=request.json,
                data=request.form,
                auth=aiohttp.BasicAuth(*request.basic_auth) if request.basic_auth else None,
                headers={"User-Agent": USER_AGENT, "Accept": "application/json", **headers},
                proxy=self._proxy_of(url),
                allow_redirects=request.method == "GET",
            ) as response:
                text = (await response.read()).decode(errors="replace")
                return read_answer(request, response.status, response.headers, text)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError, RuntimeError) as err:
            # A shared hook was told to read its connection again while this call was under way.
            if isinstance(err, RuntimeError) and not self._session.closed:
                raise
            final = isinstance(err, (aiohttp.ClientSSLError, aiohttp.InvalidURL, ValueError))
            raise _no_answer(request, err, final=final) from err

    def _proxy_of(self, url: str) -> str | None:
        """Looked up once for each host: the environment is searched for it."""
        host = urlsplit(url)[:2]
        if host not in self._proxies:
            self._proxies[host] = _proxy_of(self._target, url)
        return self._proxies[host]

    async def close(self) -> None:
        await self._session.close()


def _keep_header(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that changes nothing: without one, requests puts the user's ``~/.netrc`` over our header."""
    return prepared


def _ssl_of(verify: bool | str) -> ssl.SSLContext | bool:
    if isinstance(verify, bool):
        return verify
    try:
        folder = os.path.isdir(verify)
        return ssl.create_default_context(**{"capath" if folder else "cafile": verify})  # type: ignore[arg-type]
    except OSError as err:
        raise ConfigurationError(f"The CA bundle {verify!r} cannot be read: {err}.") from err


def _proxy_of(target: Target, url: str) -> str | None:
    """The connection's proxy, else the environment's, as requests does it."""
    parts = urlsplit(url)
    if parts.scheme in target.proxies or proxy_bypass(parts.hostname or ""):
        return target.proxies.get(parts.scheme)
    return getproxies().get(parts.scheme)


def _no_answer(request: Request, err: Exception, *, final: bool) -> RemoteCallError:
    """A call without an answer.

    :param final: trying again changes nothing: a certificate, an address.

    Only the text about a certificate is told. Others quote what could not be used: a proxy with its
    password, a header with the token.
    """
    told = isinstance(err, ssl.SSLError) or type(err).__name__ == "SSLError"
    reason = f"{type(err).__name__}: {err}" if told else type(err).__name__
    return RemoteCallError(f"{request} got no answer: {reason}", retryable=not final)
