"""Who we are to the remote: a fixed token or login, or a token that is kept until it soon expires."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from airflow.sdk.log import mask_secret

from airflow_provider_pipehooks.core.errors import AccessDenied, RemoteCallError
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.reading import data_of

#: A token that expires sooner is fetched anew, so that a call in flight does not outlive it.
REFRESH_EARLY_S = 120


class Auth(Protocol):
    """Gives the headers of a call; fetching a token first is part of the procedure."""

    def headers(self) -> Procedure[dict[str, str]]:
        """Headers for one call."""

    def forget(self) -> None:
        """Drop what was fetched: the remote does not accept it any more."""


@dataclass(frozen=True)
class FixedToken:
    """A token from the connection.

    :param scheme: ``Token`` or ``Bearer``; dbt Cloud takes both, Databricks the second.
    """

    scheme: str
    token: str = field(repr=False)

    def headers(self) -> Procedure[dict[str, str]]:
        return {"Authorization": f"{self.scheme} {self.token}"}
        yield  # a procedure without a request is still a generator

    def forget(self) -> None:
        """Nothing was fetched; a new token comes with the connection."""


@dataclass(frozen=True)
class BasicLogin:
    """A user's name and password; some older workspaces still take them."""

    user: str
    password: str = field(repr=False)

    def headers(self) -> Procedure[dict[str, str]]:
        return {"Authorization": f"Basic {self.pair}"}
        yield  # a procedure without a request is still a generator

    def forget(self) -> None:
        """Nothing was fetched."""

    @property
    def pair(self) -> str:
        """Both as they are sent: as good as the password."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """OAuth client credentials: Databricks' own token endpoint, or Microsoft Entra's.

    :param url: of the token endpoint.
    :param in_form: send id and secret in the form (Entra), not as basic auth (Databricks).
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "all-apis"
    in_form: bool = False

    def headers(self) -> Procedure[dict[str, str]]:
        return {"Authorization": f"Bearer {(yield from self.token())}"}

    def forget(self) -> None:
        _TOKENS.pop(self._key, None)

    def token(self) -> Procedure[str]:
        """The kept token, or a new one.

        :raises AccessDenied: the endpoint does not accept the client, whatever status it answers with.
        """
        kept, expires = _TOKENS.get(self._key, ("", 0.0))
        if time.time() < expires - REFRESH_EARLY_S:
            return kept
        request = self._request()
        try:
            answer = yield request
        except RemoteCallError as err:
            if err.retryable:
                raise
            raise AccessDenied(f"No token for client {self.client_id!r}: {err}", status_code=401) from err
        token = data_of(answer, request, "access_token", str)
        mask_secret(token)
        _TOKENS[self._key] = (token, time.time() + _seconds(answer.body.get("expires_in")))
        return token

    def _request(self) -> Request:
        form = {"grant_type": "client_credentials", "scope": self.scope}
        if self.in_form:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        basic = None if self.in_form else (self.client_id, self.client_secret)
        # Asking again gives another token and harms nothing.
        return Request(
            method="POST", path=self.url, form=form, basic_auth=basic, authorized=False, idempotent=True
        )

    @property
    def _key(self) -> tuple[str, str, str, str]:
        # The secret is part of the key, so a rotated one does not get the old one's token.
        digest = hashlib.sha256(self.client_secret.encode()).hexdigest()
        return self.url, self.client_id, self.scope, digest


@dataclass(frozen=True, kw_only=True)
class AzureServicePrincipal:
    """An Entra service principal; one that is not a user of the workspace also proves it may manage it.

    :param management: grants the second token; None for a user of the workspace.
    :param resource_id: ``/subscriptions/.../workspaces/...``.
    """

    workspace: ClientCredentials
    management: ClientCredentials | None = None
    resource_id: str | None = None

    def headers(self) -> Procedure[dict[str, str]]:
        headers = yield from self.workspace.headers()
        if self.management and self.resource_id:
            headers["X-Databricks-Azure-SP-Management-Token"] = yield from self.management.token()
            headers["X-Databricks-Azure-Workspace-Resource-Id"] = self.resource_id
        return headers

    def forget(self) -> None:
        self.workspace.forget()
        if self.management:
            self.management.forget()


def _seconds(value: object) -> float:
    """A life time; Entra's older endpoint gives the number as text. Without one the token is used once."""
    text = str(value)
    return float(text) if text.isdecimal() else 0.0


#: Tokens of this process, shared by all hooks: a thousand triggers of one connection fetch one token.
_TOKENS: dict[tuple[str, str, str, str], tuple[str, float]] = {}


def kept_tokens() -> Mapping[tuple[str, str, str, str], tuple[str, float]]:
    """For tests: what is kept now."""
    return _TOKENS
