"""What Airflow reads when it discovers the provider. Data only: this runs in every Airflow process."""

from __future__ import annotations

from typing import Any

from airflow_provider_pipehooks import __version__
from airflow_provider_pipehooks.hooks.registry import SERVICES
from airflow_provider_pipehooks.options import config_section

_PACKAGE = "airflow_provider_pipehooks"
_TRIGGERS = [f"{_PACKAGE}.triggers.remote_run", f"{_PACKAGE}.triggers.asset_events"]
_PIPELINES = SERVICES["databricks_pipelines"].title

_VERIFY = {
    "label": "Verify TLS",
    "description": "'true', 'false', or the path of a CA bundle.",
    "schema": {"type": ["string", "null"]},
}
_PROXIES = {
    "label": "Proxies",
    "description": 'As JSON: {"http": "http://proxy:8080", "https": "http://proxy:8080"}',
    "schema": {"type": ["object", "null"]},
}


def _modules(*paths: str) -> list[dict[str, Any]]:
    """Each integration with its module.

    :param paths: of a class in it, for each service in its order.
    """
    return [
        {"integration-name": row.title, "python-modules": [f"{_PACKAGE}.{path.rpartition('.')[0]}"]}
        for row, path in zip(SERVICES.values(), paths, strict=True)
    ]


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the form of Airflow's provider_info schema."""
    return {
        "package-name": "airflow-provider-pipehooks",
        "name": "pipehooks",
        "description": "Start dbt Cloud and Databricks runs exactly once, watch them, alert with the reason.",
        "versions": [__version__],
        "integrations": [
            *(
                {"integration-name": row.title, "external-doc-url": row.docs, "tags": ["service"]}
                for row in SERVICES.values()
            ),
            {
                "integration-name": "Amazon SNS",
                "external-doc-url": "https://aws.amazon.com/sns/",
                "tags": ["aws"],
            },
        ],
        "operators": [
            *_modules(*(row.operator for row in SERVICES.values())),
            {
                "integration-name": _PIPELINES,
                "python-modules": [f"{_PACKAGE}.operators.databricks_events"],
            },
            *(
                {"integration-name": row.title, "python-modules": [f"{_PACKAGE}.operators.run_report"]}
                for row in SERVICES.values()
                if row.lists
            ),
            {
                "integration-name": SERVICES["databricks_jobs"].title,
                "python-modules": [
                    f"{_PACKAGE}.operators.databricks_definitions",
                    f"{_PACKAGE}.operators.databricks_tasks",
                    f"{_PACKAGE}.operators.databricks_workflow",
                ],
            },
            {"integration-name": "Amazon SNS", "python-modules": [f"{_PACKAGE}.operators.sns_alert"]},
        ],
        "sensors": _modules(*(row.sensor for row in SERVICES.values())),
        "hooks": _modules(*(row.hook for row in SERVICES.values())),
        "triggers": [
            *({"integration-name": row.title, "python-modules": _TRIGGERS} for row in SERVICES.values()),
            {"integration-name": _PIPELINES, "python-modules": [f"{_PACKAGE}.triggers.pipeline_news"]},
        ],
        "extra-links": [
            f"{_PACKAGE}.tasks.joining.RemoteRunLink",
            f"{_PACKAGE}.operators.databricks_workflow_task.WorkflowJobRunLink",
        ],
        "notifications": [f"{_PACKAGE}.notifications.sns.SnsAlertNotifier"],
        "cli": [f"{_PACKAGE}.checks.airflow_cli.commands"],
        "connection-types": [_dbt_cloud_form(), _databricks_form()],
        "config": config_section(),
    }


def _dbt_cloud_form() -> dict[str, Any]:
    return {
        "connection-type": "pipehooks_dbt_cloud",
        "hook-class-name": f"{_PACKAGE}.hooks.dbt_cloud.DbtCloudHook",
        "hook-name": "dbt Cloud (pipehooks)",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "extra"],
            "relabeling": {"host": "Access URL", "login": "Account ID", "password": "API token"},
            "placeholders": {"host": "ab123.us1.dbt.com", "login": "12345"},
        },
        "conn-fields": {"verify": _VERIFY, "proxies": _PROXIES},
    }


def _databricks_form() -> dict[str, Any]:
    return {
        "connection-type": "pipehooks_databricks",
        "hook-class-name": f"{_PACKAGE}.hooks.databricks.DatabricksHook",
        "hook-name": "Databricks (pipehooks)",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "extra"],
            "relabeling": {
                "host": "Workspace URL",
                "login": "Client ID (service principal only)",
                "password": "Access token or client secret",
            },
            "placeholders": {"host": "dbc-a1b2.cloud.databricks.com"},
        },
        "conn-fields": {
            "service_principal_oauth": {
                "label": "Databricks service principal",
                "description": "Client ID and secret are those of a service principal of this workspace.",
                "schema": {"type": ["boolean", "null"]},
            },
            "azure_tenant_id": {
                "label": "Azure tenant ID",
                "description": "Client ID and secret are those of an Entra service principal in this tenant.",
                "schema": {"type": ["string", "null"]},
            },
            "azure_resource_id": {
                "label": "Azure resource ID",
                "description": "Of the workspace, when the service principal is not a user of it.",
                "schema": {"type": ["string", "null"]},
            },
            "verify": _VERIFY,
            "proxies": _PROXIES,
        },
    }
