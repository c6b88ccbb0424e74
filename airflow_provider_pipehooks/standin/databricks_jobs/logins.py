"""Who may call: personal tokens, and the OAuth tokens that both token endpoints issue."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError, OAuthError

# The id of Azure Databricks in Entra; tokens for another resource do not open a workspace.
AZURE_DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True)
class Issued:
    """A token we handed out.

    :param expires_s: epoch seconds.
    :param opens_workspace: False for an Entra token of another resource.
    """

    expires_s: float
    opens_workspace: bool


class Logins:
    """Tokens and clients; callers hold the lock of the world.

    :param clock: epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.forget_logins()

    def forget_logins(self) -> None:
        """Accept any token and any client again.

        ``tokens`` None means any token is good; a set, only those and the ones issued here.
        ``clients`` maps client id to secret; empty means any pair that is not empty.
        """
        self.tokens: set[str] | None = None
        self.clients: dict[str, str] = {}
        self.token_lifetime_s: float = 3600
        self.issued: dict[str, Issued] = {}

    def authorize(self, header: str | None) -> None:
        """Check the ``Authorization`` header of an API call.

        :raises ApiError: 401 without a bearer token or with an expired one, 403 with a wrong one.
        """
        kind, _, token = (header or "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            text = "Credential was not sent or was of an unsupported type for this API."
            raise ApiError(401, "UNAUTHENTICATED", text)
        if (issued := self.issued.get(token)) is not None:
            if self.clock() >= issued.expires_s:
                raise ApiError(401, "UNAUTHENTICATED", "Access token is expired.")
            if issued.opens_workspace:
                return
        elif self.tokens is None or token in self.tokens:
            return
        raise ApiError(403, "PERMISSION_DENIED", "Invalid access token.")

    def issue(self, *, opens_workspace: bool = True) -> str:
        """Hand out a token that is accepted for ``token_lifetime_s`` from now."""
        token = f"eyJ{secrets.token_urlsafe(48)}"
        self.issued[token] = Issued(self.clock() + self.token_lifetime_s, opens_workspace)
        return token

    def check_client(self, client_id: str, secret: str) -> None:
        """Check client credentials.

        :raises OAuthError: 401 ``invalid_client``.
        """
        known = self.clients.get(client_id) == secret if self.clients else True
        if not (client_id and secret and known):
            raise OAuthError(401, "invalid_client", "Client authentication failed")

    def workspace_token(self, form: Mapping[str, str], header: str | None) -> dict[str, Any]:
        """Answer ``POST /oidc/v1/token``.

        :param form: the form body.
        :param header: ``Authorization``, HTTP basic with client id and secret.
        :raises OAuthError: wrong grant type, client, subject token or scope.
        """
        grant = form.get("grant_type")
        if grant == "client_credentials":
            self.check_client(*client_of(form, header))
        elif grant == TOKEN_EXCHANGE:
            if not form.get("subject_token"):
                raise OAuthError(400, "invalid_request", "subject_token is missing")
        else:
            raise OAuthError(400, "unsupported_grant_type", f"Grant type {grant!r} is not supported")
        scope = form.get("scope") or "all-apis"
        return {
            "access_token": self.issue(),
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": int(self.token_lifetime_s),
        }

    def azure_token(self, form: Mapping[str, str], header: str | None, *, version: int) -> dict[str, Any]:
        """Answer Entra's token endpoint.

        :param version: 1 takes ``resource`` and gives numbers as text, 2 takes ``scope`` and gives numbers.
        :raises OAuthError: wrong grant type or client, or no resource.
        """
        if form.get("grant_type") != "client_credentials":
            raise OAuthError(400, "unsupported_grant_type", "AADSTS70003: The grant type is not supported.")
        self.check_client(*client_of(form, header))
        target = form.get("resource" if version == 1 else "scope") or ""
        if not target:
            raise OAuthError(400, "invalid_request", "AADSTS900144: The request body misses the resource.")
        resource = target.removesuffix("/.default")
        lifetime_s = int(self.token_lifetime_s)
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": lifetime_s,
            "ext_expires_in": lifetime_s,
            "access_token": self.issue(opens_workspace=resource == AZURE_DATABRICKS),
        }
        if version == 1:
            now_s = int(self.clock())
            answer |= {
                "expires_in": str(lifetime_s),
                "ext_expires_in": str(lifetime_s),
                "expires_on": str(now_s + lifetime_s),
                "not_before": str(now_s),
                "resource": resource,
            }
        return answer


def client_of(form: Mapping[str, str], header: str | None) -> tuple[str, str]:
    """Client id and secret, from HTTP basic or else from the form; empty where they are missing."""
    kind, _, coded = (header or "").partition(" ")
    if kind.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret
