"""Each type of connection is read with that type's own field meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.auth import BasicLogin, ClientCredentials
from airflow_provider_pipehooks.hooks.connection import Target
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.standin import Fault, StandIn

Connect = Callable[..., None]

OWN_DBT = {"conn_type": "pipehooks_dbt_cloud", "host": "ab1.us1.dbt.com", "login": "7", "password": "t"}
DBT = [
    (OWN_DBT, "https://ab1.us1.dbt.com", 7),
    ({**OWN_DBT, "host": "https://ab1.us1.dbt.com/"}, "https://ab1.us1.dbt.com", 7),
    ({**OWN_DBT, "host": "AB1.us1.dbt.com:8443"}, "https://ab1.us1.dbt.com:8443", 7),
    ({**OWN_DBT, "host": "ab1.us1.dbt.com", "port": 8443}, "https://ab1.us1.dbt.com:8443", 7),
    ({**OWN_DBT, "host": "http://[::1]:80"}, "http://[::1]:80", 7),
    ({**OWN_DBT, "login": None, "extra": {"account_id": 8}}, "https://ab1.us1.dbt.com", 8),
    ({"conn_type": "dbt_cloud", "login": "7", "password": "t"}, "https://cloud.getdbt.com", 7),
    ({**OWN_DBT, "conn_type": "dbt_cloud", "host": "emea.dbt.com"}, "https://emea.dbt.com", 7),
    (
        {**OWN_DBT, "conn_type": "http", "host": "https://cloud.getdbt.com/api/v2/"},
        "https://cloud.getdbt.com",
        7,
    ),
    ({**OWN_DBT, "conn_type": "http", "host": "https://x.dbt.com/api/v2/accounts"}, "https://x.dbt.com", 7),
    ({**OWN_DBT, "host": "https://ab1.us1.dbt.com/#top"}, "https://ab1.us1.dbt.com", 7),
    ({**OWN_DBT, "conn_type": "https", "host": "cloud.getdbt.com"}, "https://cloud.getdbt.com", 7),
]

HOST = "dbc-1.cloud.databricks.com"
OWN_DATABRICKS = {"conn_type": "pipehooks_databricks", "host": HOST, "password": "dapi"}
DATABRICKS = [
    (OWN_DATABRICKS, f"https://{HOST}"),
    ({**OWN_DATABRICKS, "login": "token"}, f"https://{HOST}"),
    ({**OWN_DATABRICKS, "conn_type": "databricks"}, f"https://{HOST}"),
    ({"conn_type": "databricks", "host": HOST, "extra": {"token": "dapi"}}, f"https://{HOST}"),
    ({"conn_type": "databricks", "extra": {"token": "dapi", "host": HOST}}, f"https://{HOST}"),
    ({**OWN_DATABRICKS, "conn_type": "databricks", "schema": "http", "port": 81}, f"http://{HOST}:81"),
    ({**OWN_DATABRICKS, "conn_type": "http", "host": f"https://{HOST}/api/2.2"}, f"https://{HOST}"),
    ({**OWN_DATABRICKS, "host": f"https://{HOST}/?o=7"}, f"https://{HOST}"),
    ({**OWN_DATABRICKS, "host": f"{HOST}/login.html?o=7"}, f"https://{HOST}"),
    ({**OWN_DATABRICKS, "conn_type": "https"}, f"https://{HOST}"),
]


def dbt_target(**options: Any) -> Target:
    return DbtCloudHook("conn", **options).target


def header_of(target: Target) -> str:
    headers = target.auth.headers()
    with pytest.raises(StopIteration) as end:
        next(headers)
    return str(end.value.value["Authorization"])


@pytest.mark.parametrize(("fields", "url", "account"), DBT)
def test_a_dbt_cloud_connection_says_where_and_which_account(
    fields: dict[str, Any], url: str, account: int, connections: Connect
) -> None:
    connections("conn", **{key: value for key, value in fields.items() if value is not None})
    target = dbt_target()
    assert (target.base_url, target.account_id, header_of(target)) == (url, account, "Token t")


@pytest.mark.parametrize(("fields", "url"), DATABRICKS)
def test_a_databricks_connection_says_where_and_with_which_token(
    fields: dict[str, Any], url: str, connections: Connect
) -> None:
    connections("conn", **fields)
    target = DatabricksHook("conn").target
    assert (target.base_url, header_of(target)) == (url, "Bearer dapi")


def test_what_the_tutorials_connection_leaves_out_comes_from_its_variables(
    connections: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections("conn", conn_type="http", host="https://cloud.getdbt.com/api/v2/", login="ada")
    monkeypatch.setenv("AIRFLOW_VAR_DBT_ACCOUNT_ID", "9")
    monkeypatch.setenv("AIRFLOW_VAR_SECRET_DBT_TOKEN", "from-variable")
    target = dbt_target()
    assert (target.account_id, header_of(target)) == (9, "Token from-variable")


def test_the_argument_wins_over_the_connection_and_that_over_the_variable(
    connections: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections("conn", **OWN_DBT)
    monkeypatch.setenv("AIRFLOW_VAR_DBT_ACCOUNT_ID", "9")
    monkeypatch.setenv("AIRFLOW_VAR_SECRET_DBT_TOKEN", "from-variable")
    assert (dbt_target().account_id, header_of(dbt_target())) == (7, "Token t")
    assert dbt_target(account_id=3).account_id == 3


def test_a_connection_is_read_anew_when_it_is_asked_for(connections: Connect) -> None:
    connections("conn", **OWN_DBT)
    hook = DbtCloudHook("conn")
    assert hook.connection.password == "t"
    connections("conn", **{**OWN_DBT, "password": "rotated"})
    assert hook.connection.password == "t"
    hook.reread()
    assert hook.connection.password == "rotated"
    assert header_of(hook.target) == "Token rotated"


def test_a_line_break_behind_a_pasted_token_is_dropped(connections: Connect) -> None:
    connections("conn", **{**OWN_DBT, "password": " t\n"})
    assert header_of(dbt_target()) == "Token t"


@pytest.mark.parametrize("hook", [DbtCloudHook, DatabricksHook])
def test_a_good_connection_passes_its_test(hook: type, standin: StandIn, connections: Connect) -> None:
    assert hook().test_connection() == (True, f"{standin.url} accepts this connection.")


@pytest.mark.parametrize(
    ("hook", "fault", "says"),
    [
        (DbtCloudHook, Fault(status=401), "Check the token of connection 'dbt_cloud_default'"),
        (DatabricksHook, Fault(status=403), "Check the token of connection 'databricks_default'"),
        (DbtCloudHook, Fault(status=503), "answered 503"),
        (DatabricksHook, Fault(reset="before"), "got no answer"),
    ],
)
def test_a_bad_connection_fails_its_test_at_once_and_says_why(
    hook: type, fault: Fault, says: str, standin: StandIn, connections: Connect
) -> None:
    standin.faults.add(fault)
    good, text = hook().test_connection()
    assert not good
    assert says in text
    assert len(standin.journal.entries) == 1


def test_a_token_of_another_account_fails_the_test(standin: StandIn, connections: Connect) -> None:
    connections("conn", **{**OWN_DBT, "host": standin.url, "login": "777"})
    good, text = DbtCloudHook("conn").test_connection()
    assert not good
    assert "accounts/777/ answered 404" in text


@pytest.mark.parametrize("text", ["false", "False", "0", " no ", ""])
def test_a_no_in_a_uri_is_no_wish_for_a_service_principal(text: str, connections: Connect) -> None:
    fields = {**OWN_DATABRICKS, "login": "ada", "extra": {"service_principal_oauth": text}}
    connections("conn", **fields)
    with pytest.raises(ConfigurationError, match="no usable credentials"):
        _ = DatabricksHook("conn").target
    connections("conn", **{**fields, "login": "ada@example.com"})
    assert isinstance(DatabricksHook("conn").target.auth, BasicLogin)


def test_a_users_password_is_sent_with_a_word_of_warning(
    connections: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connections("conn", **{**OWN_DATABRICKS, "login": "ada@example.com", "password": "s3cret"})
    target = DatabricksHook("conn").target
    assert header_of(target) == "Basic YWRhQGV4YW1wbGUuY29tOnMzY3JldA=="
    assert "'conn' logs in with a user's password, which Databricks has retired" in caplog.text
    assert "s3cret" not in f"{target!r} {caplog.text}"


def test_a_login_without_a_password_is_none(connections: Connect) -> None:
    connections("conn", conn_type="databricks", host=HOST, login="ada")
    with pytest.raises(ConfigurationError, match="no usable credentials"):
        _ = DatabricksHook("conn").target


@pytest.mark.parametrize("text", ["true", "True", "1", "yes"])
def test_a_yes_in_a_uri_is_one(text: str, connections: Connect) -> None:
    fields = {**OWN_DATABRICKS, "login": "ada", "extra": {"service_principal_oauth": text}}
    connections("conn", **fields)
    assert isinstance(DatabricksHook("conn").target.auth, ClientCredentials)


def test_proxies_in_a_uri_are_the_text_of_the_object(connections: Connect) -> None:
    connections("conn", **OWN_DBT, extra={"proxies": '{"https": "http://proxy:8080"}', "verify": "0"})
    assert (dict(dbt_target().proxies), dbt_target().verify) == ({"https": "http://proxy:8080"}, False)
