"""Two senders of the same requests: ``requests`` for workers, ``aiohttp`` for the triggerer.

Both are dependencies of the http provider already. They only move bytes; :mod:`services.reading` reads them.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_pipehooks import __version__
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.hooks.bounds import ACCEPT_ENCODING, CHUNK, Body, Unreadable
from airflow_provider_pipehooks.hooks.connection import Target
from airflow_provider_pipehooks.services.base import Answer, Request
from airflow_provider_pipehooks.services.reading import read_answer

if TYPE_CHECKING:
    import aiohttp
    import requests

USER_AGENT = f"airflow-provider-pipehooks/{__version__}"
CONNECT_TIMEOUT_S = 10.0
POOL_SIZE = 20
#: Shorter ones may be a word of the answer.
SHORTEST_SECRET = 8


def url_of(target: Target, request: Request) -> str:
    return request.path if "://" in request.path else f"{target.base_url}{request.path}"


class SyncSender:
    """One pool of connections for the calls of a worker."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        from airflow_provider_pipehooks.hooks.timely import TimelySession

        self._target = target
        self._timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        self._session = TimelySession(POOL_SIZE)

    def send(self, request: Request, headers: Mapping[str, str]) -> Answer:
        """Send one request. A redirect is an answer like any other: none is followed, to nowhere.

        :raises RemoteCallError: refused, or no usable answer.
        """
        import requests
        import urllib3

        url = url_of(self._target, request)
        try:
            with self._session.request(
                request.method,
                url,
                params=request.params,
                json=request.json,
                data=request.form,
                auth=request.basic_auth or _keep_header,
                headers={**_headers(), **headers},
                timeout=self._timeout,
                # Given with the call, not set on the session: there the environment would win over them.
                verify=self._target.verify,
                proxies=dict(self._target.proxies) or None,
                stream=True,
            ) as response:
                body = Body(response.headers.get("Content-Encoding"), request.longest)
                for data in response.raw.stream(CHUNK, decode_content=False):
                    body.add(data)
        except Unreadable as err:
            raise _unreadable(request, response.status_code, err) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as err:
            final = isinstance(err, (requests.exceptions.SSLError, ValueError))
            raise _no_answer(request, url, err, final=final) from err
        text = _without(body.text(), _secrets_of(request, headers))
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
            auto_decompress=False,  # without bounds
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
                headers={**_headers(), **headers},
                proxy=self._proxy_of(url),
                allow_redirects=False,
            ) as response:
                body = Body(response.headers.get("Content-Encoding"), request.longest)
                async for data in response.content.iter_chunked(CHUNK):
                    body.add(data)
        except Unreadable as err:
            raise _unreadable(request, response.status, err) from None
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError, RuntimeError) as err:
            # A shared hook was told to read its connection again while this call was under way.
            if isinstance(err, RuntimeError) and not self._session.closed:
                raise
            final = isinstance(err, (aiohttp.ClientSSLError, aiohttp.InvalidURL, ValueError))
            raise _no_answer(request, url, err, final=final) from err
        text = _without(body.text(), _secrets_of(request, headers))
        return read_answer(request, response.status, response.headers, text)

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


def _secrets_of(request: Request, headers: Mapping[str, str]) -> list[str]:
    """What of a request nobody may read in its answer: some remotes quote what they were sent."""
    secrets = [value.rpartition(" ")[2] for name, value in headers.items() if not name.endswith("-Id")]
    secrets += [value for name, value in (request.form or {}).items() if name == "client_secret"]
    if request.basic_auth:
        user, password = request.basic_auth
        secrets += [password, base64.b64encode(f"{user}:{password}".encode()).decode()]
    kind, _, pair = headers.get("Authorization", "").partition(" ")
    if kind == "Basic":
        secrets.append(base64.b64decode(pair).decode().partition(":")[2])
    return [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, "***")
    return text


def _headers() -> dict[str, str]:
    return {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}


def _unreadable(request: Request, status: int, err: Exception) -> RemoteCallError:
    """Retryable, as any garbage: it says nothing about the run."""
    return RemoteCallError(f"{request} answered {status} with {err}.", status_code=status, retryable=True)


def _no_answer(request: Request, url: str, err: Exception, *, final: bool) -> RemoteCallError:
    """A call without an answer.

    :param final: trying again changes nothing: a certificate, an address.

    Only the text about a certificate and the operating system's own words are told. Others quote what
    could not be used: a proxy with its password, a header with the token.
    """
    told = isinstance(err, ssl.SSLError) or type(err).__name__ == "SSLError"
    reason = f"{type(err).__name__}: {err}" if told else ": ".join((type(err).__name__, *_words(err)))
    host = urlsplit(url).netloc.rpartition("@")[2]
    return RemoteCallError(f"{request} got no answer from {host}: {reason}", retryable=not final)


def _words(err: BaseException) -> list[str]:
    """What the operating system says, which the libraries wrap in up to three errors of their own."""
    seen: list[BaseException] = []
    while err not in seen:
        if isinstance(err, OSError) and err.errno is not None and err.strerror:
            return [os.strerror(err.errno) if err.errno > 0 else err.strerror]
        seen.append(err)
        held = [each for each in (*err.args, getattr(err, "reason", None)) if isinstance(each, BaseException)]
        err = next(iter(held), None) or err.__cause__ or err.__context__ or err
    return []
