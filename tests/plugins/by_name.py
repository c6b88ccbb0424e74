"""An auth manager whose users read different DAGs, as those of larger installations do."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class ByName(SimpleAuthManager):
    """A viewer reads the DAGs whose ids begin with their name and an underscore; all others as they may."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **given: Any) -> bool:
        if not super().is_authorized_dag(user=user, details=details, **given):
            return False
        named = details is not None and details.id
        if given.get("access_entity") is not None and user.username == "blind":
            return False
        return user.role != "viewer" or not named or str(details.id).startswith(f"{user.username}_")
