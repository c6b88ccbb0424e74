"""Both senders, the one of workers and the one of the triggerer, behave alike; one table for both."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks import __version__
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.hooks import remote
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.hooks.rate import RateLimit
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud
from airflow_provider_pipehooks.standin import Fault, StandIn
from tests.hooks.recorder import recording

Connect = Callable[..., None]
Call = Callable[..., Any]
SECRET = "s3cret-value"

#: What says nothing about the request, so one that may be repeated is.
TROUBLES = {
    "reset before": Fault(reset="before"),
    "reset after": Fault(reset="after"),
    "truncated": Fault(body="truncated"),
    "garbage": Fault(body="garbage"),
    "a proxy's page": Fault(body="html"),
    "empty": Fault(body="empty"),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "503 after it was accepted": Fault(status=503, after_accept=True),
    "504": Fault(status=504),
}
REFUSALS = (400, 401, 403, 404, 409)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Send the requests of a procedure with one of the two senders."""

    def sync(hook: RemoteHook, *procedures: Procedure[Any]) -> Any:
        try:
            return [hook.call(procedure) for procedure in procedures][-1]
        finally:
            hook.close()

    async def send(hook: RemoteHook, *procedures: Procedure[Any]) -> Any:
        try:
            return [await hook.acall(procedure) for procedure in procedures][-1]
        finally:
            await hook.aclose()

    return sync if request.param == "sync" else lambda *args: asyncio.run(send(*args))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before further tries, which end at once."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    no_wait = types.SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
    monkeypatch.setattr(remote, "asyncio", no_wait)
    monkeypatch.setattr(remote, "time", types.SimpleNamespace(sleep=pauses.append))
    # The account's own limit also waits; how long is tested in virtual time.
    monkeypatch.setattr(RateLimit, "refused", lambda *_: None)
    return pauses


@pytest.fixture(scope="module")
def secured() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def trusting_nobody(secured: StandIn, connections: Connect, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """A connection over TLS; give the extra ``verify``."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)

    def connect(**extra: Any) -> None:
        fields = {"conn_type": "pipehooks_dbt_cloud", "host": secured.url, "login": "1", "password": SECRET}
        connections("dbt_cloud_default", **fields, extra=extra)

    return connect


def get_account() -> Procedure[Answer]:
    return (yield Request(method="GET", path="/api/v2/accounts/{account_id}/"))


def get_text(path: str = "/") -> Procedure[str]:
    return (yield Request(method="GET", path=path, expects="text")).body


def start_run() -> Procedure[Any]:
    return DbtCloud().start_run(101, cause="test", overrides={})


# --- trouble and repeats ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_call_that_changes_nothing_is_repeated(
    trouble: str, call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(**{**vars(TROUBLES[trouble]), "times": 2}))
    assert call(DbtCloudHook(), get_account()).body["data"]["id"] == 1
    assert standin.journal.count() == 3
    # aiohttp itself repeats a GET once when a kept connection turns out to be cut.
    assert slept == ([1.0, 2.0] if "reset" not in trouble else [1.0, 2.0][: len(slept)])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_start_on_dbt_cloud_is_never_repeated_blindly(
    trouble: str, call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    armed = standin.faults.add(TROUBLES[trouble])
    with pytest.raises(RemoteCallError) as raised:
        call(DbtCloudHook(), start_run())
    assert raised.value.outcome_unknown
    assert armed.hits == 1
    assert slept == []


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_a_start_on_databricks_is_repeated_with_its_token_and_starts_one_run(
    trouble: str, call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(**{**vars(TROUBLES[trouble]), "times": 2}))
    job_id = standin.databricks_jobs.add_job()
    run_id = call(DatabricksHook(), DatabricksJobs().run_now({"job_id": job_id, "idempotency_token": "once"}))
    assert list(standin.databricks_jobs.runs) == [run_id]
    assert standin.journal.count("POST") == 3


def test_a_start_on_databricks_without_a_token_is_not_repeated(
    call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(reset="after"))
    job_id = standin.databricks_jobs.add_job()
    with pytest.raises(RemoteCallError):
        call(DatabricksHook(), DatabricksJobs().run_now({"job_id": job_id}))
    assert standin.journal.count("POST") == 1


def test_a_start_that_was_refused_for_its_rate_is_repeated(
    call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(status=429, retry_after=9, times=2))
    call(DbtCloudHook(), start_run())
    assert len(standin.dbt_cloud.runs) == 1
    assert slept == [9.0, 9.0]


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_not_repeated(
    status: int, call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(status=status))
    with pytest.raises(RemoteCallError) as raised:
        call(DbtCloudHook(), get_account())
    assert (raised.value.status_code, raised.value.retryable) == (status, False)
    assert standin.journal.count() == 1


def test_retry_after_is_waited_for(
    call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(status=503, retry_after=30, times=1))
    call(DbtCloudHook(), get_account())
    assert slept == [30.0]


def test_a_retry_after_of_a_day_fails_the_call_instead_of_sleeping_a_day(
    call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(status=503, retry_after=86_400, times=1))
    with pytest.raises(RemoteCallError, match="answered 503") as raised:
        call(DbtCloudHook(), get_account())
    assert raised.value.retryable
    assert slept == []


def test_an_error_is_never_its_own_cause(call: Call, standin: StandIn, connections: Connect) -> None:
    """What formats a traceback follows the causes to their end."""
    standin.faults.add(Fault(status=500))
    with pytest.raises(RemoteCallError) as raised:
        call(DbtCloudHook(retry_limit=1), get_account())
    assert raised.value.__cause__ is not raised.value


def test_the_limit_of_tries_is_kept(
    call: Call, standin: StandIn, connections: Connect, slept: list[float]
) -> None:
    standin.faults.add(Fault(status=503))
    with pytest.raises(RemoteCallError, match="answered 503"):
        call(DbtCloudHook(retry_limit=5, retry_delay=0.5), get_account())
    assert slept == [0.5, 1.0, 2.0, 4.0]


def test_there_is_always_a_time_limit(call: Call, standin: StandIn, connections: Connect) -> None:
    assert DbtCloudHook().timeout_seconds > 0
    standin.faults.add(Fault(delay_s=0.5))
    with pytest.raises(RemoteCallError, match=r"got no answer from \S+: \w*Timeout") as raised:
        call(DbtCloudHook(timeout_seconds=0.05, retry_limit=1), get_account())
    assert raised.value.retryable


@pytest.mark.parametrize("fault", [*TROUBLES.values(), *(Fault(status=status) for status in REFUSALS)])
def test_no_error_and_no_log_shows_the_token(
    fault: Fault,
    call: Call,
    standin: StandIn,
    connections: Connect,
    slept: list[float],
    capfd: pytest.CaptureFixture[str],
) -> None:
    connections(
        "dbt_cloud_default", conn_type="pipehooks_dbt_cloud", host=standin.url, login="1", password=SECRET
    )
    standin.faults.add(fault)
    with pytest.raises(RemoteCallError) as raised:
        call(DbtCloudHook(), get_account())
    errors: list[str] = []
    error: BaseException | None = raised.value
    while error is not None:
        errors.append(f"{error!r} {error}")
        error = error.__cause__
    assert SECRET not in "".join([*errors, *capfd.readouterr()])


# --- TLS --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusts", ["extra", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "nobody checks"])
def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    trusts: str, call: Call, secured: StandIn, trusting_nobody: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    extras = {"extra": {"verify": str(secured.ca_file)}, "nobody checks": {"verify": "false"}}
    trusting_nobody(**extras.get(trusts, {}))
    if trusts not in extras:
        monkeypatch.setenv(trusts, str(secured.ca_file))
    assert call(DbtCloudHook(), get_account()).status == 200


def test_an_authority_nobody_named_is_refused_at_once_with_the_reason(
    call: Call, trusting_nobody: Connect, slept: list[float]
) -> None:
    trusting_nobody()
    with pytest.raises(RemoteCallError, match=r"(?i)certificate.verify.failed") as raised:
        call(DbtCloudHook(), get_account())
    assert not raised.value.retryable
    assert slept == []


def test_the_connection_wins_over_the_environment(
    call: Call, secured: StandIn, trusting_nobody: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(tmp_path))
    trusting_nobody(verify=str(secured.ca_file))
    assert call(DbtCloudHook(), get_account()).status == 200


def test_a_folder_of_authorities_may_be_named(call: Call, trusting_nobody: Connect, tmp_path: Path) -> None:
    trusting_nobody(verify=str(tmp_path))
    with pytest.raises(RemoteCallError, match=r"(?i)certificate.verify.failed"):
        call(DbtCloudHook(), get_account())


def test_a_bundle_that_is_none_is_named_by_the_async_sender(trusting_nobody: Connect, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("not a certificate")
    trusting_nobody(verify=str(bundle))
    with pytest.raises(ConfigurationError, match=r"ca.pem' cannot be read"):
        asyncio.run(DbtCloudHook().acall(get_account()))


# --- proxies ----------------------------------------------------------------------------------------------


def behind_proxy(connections: Connect, host: str, **extra: Any) -> None:
    connections(
        "dbt_cloud_default",
        conn_type="pipehooks_dbt_cloud",
        host=host,
        login="1",
        password=SECRET,
        extra=extra,
    )


@pytest.mark.parametrize("form", ["{url}", "{place}"], ids=["with a scheme", "without"])
def test_the_proxy_of_the_connection_gets_the_calls(form: str, call: Call, connections: Connect) -> None:
    with recording('{"data": {}}') as proxy:
        place = proxy.url.partition("//")[2]
        behind_proxy(
            connections, "http://dbt.invalid", proxies={"http": form.format(url=proxy.url, place=place)}
        )
        call(DbtCloudHook(), get_account())
    (seen,) = proxy.requests
    assert seen.path == "http://dbt.invalid/api/v2/accounts/1/"
    assert seen.headers["Authorization"] == f"Token {SECRET}"


def test_a_call_over_tls_asks_the_proxy_for_a_tunnel(call: Call, connections: Connect) -> None:
    with recording("") as proxy:
        behind_proxy(connections, "https://dbt.invalid", proxies={"https": proxy.url})
        with pytest.raises(RemoteCallError):
            call(DbtCloudHook(retry_limit=1), get_account())
    assert (proxy.requests[0].method, proxy.requests[0].path) == ("CONNECT", "dbt.invalid:443")
    assert "Authorization" not in proxy.requests[0].headers


def test_the_proxy_of_the_environment_gets_the_calls_unless_the_host_is_exempt(
    call: Call, standin: StandIn, connections: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording('{"data": {}}') as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        behind_proxy(connections, "http://dbt.invalid")
        call(DbtCloudHook(), get_account())
        behind_proxy(connections, standin.url)
        call(DbtCloudHook(), get_account())
    assert [seen.path for seen in proxy.requests] == ["http://dbt.invalid/api/v2/accounts/1/"]
    assert standin.journal.count("GET") == 1


def test_a_proxy_that_is_down_does_not_tell_its_password(
    call: Call, connections: Connect, capfd: pytest.CaptureFixture[str], slept: list[float]
) -> None:
    behind_proxy(connections, "http://dbt.invalid", proxies={"http": "http://ada:pr0xy-pass@127.0.0.1:1"})
    with pytest.raises(RemoteCallError) as raised:
        call(DbtCloudHook(), get_account())
    assert "pr0xy-pass" not in f"{raised.value}{capfd.readouterr()}"


# --- what is sent -----------------------------------------------------------------------------------------


def test_a_netrc_file_does_not_replace_our_header(
    call: Call, connections: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password other\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with recording('{"data": {}}') as origin:
        behind_proxy(connections, origin.url)
        call(DbtCloudHook(), get_account())
    assert origin.requests[0].headers["Authorization"] == f"Token {SECRET}"
    assert origin.requests[0].headers["User-Agent"] == f"airflow-provider-pipehooks/{__version__}"


def test_calls_of_a_hook_share_a_connection(call: Call, connections: Connect) -> None:
    with recording('{"data": {}}') as origin:
        behind_proxy(connections, origin.url)
        call(DbtCloudHook(), *(get_account() for _ in range(5)))
    assert (len(origin.requests), origin.connections) == (5, 1)


def test_a_text_without_a_charset_is_read_as_utf_8(call: Call, connections: Connect) -> None:
    with recording("Überlauf in „Größe“", content_type="text/plain") as origin:
        behind_proxy(connections, origin.url)
        assert call(DbtCloudHook(), get_text()) == "Überlauf in „Größe“"


def test_a_detached_hook_has_connections_of_its_own(standin: StandIn, connections: Connect) -> None:
    hook = DbtCloudHook()
    hook.call(get_account())
    twin = hook.detached()
    assert twin.target is hook.target
    twin.call(get_account())
    assert twin._sender is not hook._sender
    twin.close()
    hook.call(get_account())
