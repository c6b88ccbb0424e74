"""The errors of the Jobs API, as exceptions that know their HTTP status and body."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal in the words of Databricks (Jobs API 2.2, "error_code" and "message").

    :param status: the HTTP status.
    :param code: ``error_code``.
    :param message: ``message``.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        """The JSON body, ``{"error_code": str, "message": str, "details": [ErrorInfo]}``."""
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": self.code,
            "domain": "databricks.com",
            "metadata": {},
        }
        return {"error_code": self.code, "message": self.message, "details": [info]}


class OAuthError(Exception):
    """A refusal of a token endpoint, whose body follows RFC 6749 instead.

    :param status: the HTTP status.
    :param error: ``error``, such as ``invalid_client``.
    :param description: ``error_description``.
    """

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"{status} {error}: {description}")
        self.status = status
        self.error = error
        self.description = description

    def body(self) -> dict[str, Any]:
        """The JSON body, ``{"error": str, "error_description": str}``."""
        return {"error": self.error, "error_description": self.description}


def invalid(message: str) -> ApiError:
    """A 400 for a value the API does not take."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def wrong_state(message: str) -> ApiError:
    """A 400 for a call that the state of the run does not allow."""
    return ApiError(400, "INVALID_STATE", message)


def no_such_run(run_id: int) -> ApiError:
    """Unknown runs answer 400, not 404; clients know them by this text."""
    return invalid(f"Run {run_id} does not exist.")


def no_such_job(job_id: int) -> ApiError:
    """Unknown jobs answer 400, not 404; clients know them by this text."""
    return invalid(f"Job {job_id} does not exist.")
