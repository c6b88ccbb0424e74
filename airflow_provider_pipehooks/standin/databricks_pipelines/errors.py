"""The refusals that only the Pipelines API has."""

from __future__ import annotations

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError


def no_such_pipeline(pipeline_id: str) -> ApiError:
    """A 404, unlike what Jobs answers for unknown ids."""
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"The specified pipeline {pipeline_id} was not found.")


def no_such_update(pipeline_id: str, update_id: str) -> ApiError:
    """A 404 for an update that is not there, or is another pipeline's."""
    text = f"The specified update {update_id} of pipeline {pipeline_id} was not found."
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", text)


def already_active(pipeline_id: str, update_id: str) -> ApiError:
    """A 409: a pipeline has one update at a time. The status is known, the text is ours."""
    text = f"An active update {update_id} already exists for pipeline {pipeline_id}."
    return ApiError(409, "RESOURCE_CONFLICT", text)
