"""``pipehooks check``: whatever is wrong on the way of an alert is said, and hides nothing else."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto.sns.models import sns_backends

from airflow_provider_pipehooks.checks import command
from airflow_provider_pipehooks.checks.connections import ids_to_check
from airflow_provider_pipehooks.checks.findings import Finding, findings_of, ok
from airflow_provider_pipehooks.checks.outbox import outbox_findings
from airflow_provider_pipehooks.checks.settings import function_findings, option_findings, rule_findings
from airflow_provider_pipehooks.checks.subscriptions import subscription_findings
from airflow_provider_pipehooks.checks.topic import SUBJECT, TimelyTarget, alert_path_findings, topic_findings
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.notifications.outbox import Notice, Outbox
from airflow_provider_pipehooks.standin import StandIn
from tests.aws import REGION, Topic, connection, moto_url, topic

__all__ = ["moto_url", "topic"]

ACCOUNT = "123456789012"
GONE = f"arn:aws:sns:{REGION}:{ACCOUNT}:gone"
NOW = 1_800_000_000.0
RULE = '[[rule]]\ntransitions = ["failed"]\n'


@pytest.fixture(autouse=True)
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """Each test has its own, which is not there yet."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return Outbox()


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set options of ``[pipehooks]``."""

    def set_them(**given: str) -> None:
        for name, value in given.items():
            monkeypatch.setenv(f"AIRFLOW__PIPEHOOKS__{name.upper()}", value)

    return set_them


def only(found: Iterable[Finding], state: str) -> Finding:
    """The one finding with a state."""
    (finding,) = [finding for finding in found if finding.state == state]
    return finding


def subscribe(topic: Topic, *endpoints: str, state: str | None = None) -> None:
    """:param state: instead of an ARN, as SNS lists a subscription that is not confirmed; moto has none."""
    backend = sns_backends[ACCOUNT][REGION]
    for endpoint in endpoints:
        subscription = backend.subscribe(topic.arn, endpoint, "email")
        if state:
            subscription.arn = state


class Checked:
    """What one call of the command came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.found = [Finding(**row) for row in json.loads(out)]

    def of(self, kind: str) -> list[Finding]:
        return [finding for finding in self.found if finding.what.startswith(kind)]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str]) -> Callable[..., Checked]:
    def call(*argv: str) -> Checked:
        code = command.run([*argv, "--json"])
        return Checked(code, *capfd.readouterr())

    return call


@pytest.fixture
def well(topic: Topic, connections: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Topic:
    """All is as it should be: connections to the stand-in, a topic that somebody hears, its Variable."""
    monkeypatch.setenv("AIRFLOW_VAR_SNS_ARN", topic.arn)
    subscribe(topic, "maria@example.com")
    return topic


# --- the whole command ------------------------------------------------------------------------------------


def test_where_all_is_well_nothing_is_wrong_and_nothing_stays(
    well: Topic, standin: StandIn, check: Callable[..., Checked], outbox: Outbox, airflow_db: None
) -> None:
    checked = check()
    assert {finding.state for finding in checked.found} == {"ok"}, checked.found
    assert checked.code == 0
    kinds = [finding.what.partition(" ")[0] for finding in checked.found]
    assert kinds == [
        *("connection", "connection", "Variable", "AWS", "topic", "subscription"),
        *("outbox", "outbox", "outbox", "options"),
    ]
    assert well.sent() == []
    assert not Path(str(outbox.root)).parent.exists()


def test_a_line_says_state_thing_and_text(well: Topic, standin: StandIn, capfd: Any) -> None:
    assert command.run(["--target-arn", GONE]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1].endswith(" 1 wrong.")
    (told,) = [line for line in lines if line.startswith("WRONG")]
    assert told.startswith(f"WRONG    topic {GONE}: There is no such topic in account {ACCOUNT}")


def test_one_wrong_thing_hides_no_other(
    well: Topic, standin: StandIn, check: Callable[..., Checked], options: Callable[..., None], tmp_path: Path
) -> None:
    standin.dbt_cloud.tokens = {"another"}
    (tmp_path / "pipehooks").write_text("a file where the folder should be")
    options(enable_listener="True", listener_rules=str(tmp_path / "missing.toml"))
    checked = check("--target-arn", GONE)
    wrong = [finding.what.partition(" ")[0] for finding in checked.found if finding.state == "WRONG"]
    assert (wrong, checked.code) == (["connection", "topic", "outbox", "outbox", "rules"], 1)


def test_a_warning_is_no_failure(well: Topic, standin: StandIn, check: Callable[..., Checked]) -> None:
    subscribe(well, "late@example.com", state="PendingConfirmation")
    checked = check()
    assert "warning" in {finding.state for finding in checked.found}
    assert checked.code == 0


def test_only_when_it_is_asked_to_it_sends_a_message(
    well: Topic, standin: StandIn, check: Callable[..., Checked]
) -> None:
    (told,) = check("--send-test").of("test message")
    assert (told.state, well.only().subject) == ("ok", SUBJECT)


def test_called_wrongly_it_says_so() -> None:
    with pytest.raises(SystemExit) as ended:
        command.run(["--topic", "x"])
    assert ended.value.code == 2


def test_what_others_print_meanwhile_is_not_in_the_json(
    well: Topic,
    standin: StandIn,
    check: Callable[..., Checked],
    options: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "talks_at_import.py").write_text("import os\nprint('one')\nos.system('echo two')\nf = print")
    monkeypatch.syspath_prepend(tmp_path)
    options(enable_pipeline_event_signals="True", pipeline_event_receivers="talks_at_import.f")
    checked = check()
    assert checked.of("receiver") == [ok("receiver talks_at_import.f", "It can be loaded.")]
    assert {"one", "two"} <= set(checked.err.split())


def test_no_secret_is_in_what_it_says(
    well: Topic,
    standin: StandIn,
    check: Callable[..., Checked],
    connections: Callable[..., None],
    options: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standin.dbt_cloud.tokens = standin.databricks_jobs.tokens = {"another"}
    connections("dbt_cloud_default", conn_type="dbt_cloud", host=standin.url, login="1", password="Zx9-first")
    connections("databricks_default", conn_type="databricks", host=standin.url, password="Zx9-second")
    monkeypatch.setenv("AIRFLOW_CONN_OUR_DBT", "{'password': 'Zx9-third'}")
    sns_backends[ACCOUNT][REGION].subscribe(well.arn, "https://u:Zx9-4@pages.example.com/Zx9-5", "https")
    (tmp_path / "quotes.py").write_text("raise ValueError('the login Zx9-first, dapi0123456789abcdef')")
    monkeypatch.syspath_prepend(tmp_path)
    options(enable_pipeline_event_signals="True", pipeline_event_receivers="quotes.f")
    checked = check()
    assert len([finding for finding in checked.found if finding.state == "WRONG"]) == 4, checked.found
    for secret in ("Zx9", "0123456789abcdef", "maria@", "a-secret-access-key"):
        assert secret not in checked.out + checked.err


def test_airflows_own_command_line_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.cli.cli_parser import get_parser

    called: list[argparse.Namespace] = []
    monkeypatch.setattr(command, "check", lambda given: called.append(given) or 1)  # type: ignore[func-returns-value]
    given = get_parser().parse_args(["pipehooks", "check", "--conn-id", "a", "b", "--send-test"])
    with pytest.raises(SystemExit) as ended:
        given.func(given)
    assert ended.value.code == 1
    named = ("conn_id", "aws_conn_id", "target_arn", "send_test", "json")
    assert [getattr(called[0], name) for name in named] == [["a", "b"], "aws_default", None, True, False]


# --- how a check is run -----------------------------------------------------------------------------------


def test_a_check_that_raises_keeps_what_it_has_found() -> None:
    def look() -> Iterator[Finding]:
        yield ok("first", "Well.")
        raise SystemExit(3)

    found = findings_of("second", look)
    assert [str(finding) for finding in found] == [
        "ok       first: Well.",
        "WRONG    second: Could not be looked at: SystemExit: 3.",
    ]


def test_a_check_that_does_not_end_is_left_alone() -> None:
    ended = threading.Event()

    def look() -> Iterator[Finding]:
        yield ok("first", "Well.")
        ended.wait()

    found = findings_of("second", look, limit_s=0.1)
    ended.set()
    assert [finding.state for finding in found] == ["ok", "WRONG"]
    assert found[1].text == "No answer within 0 s: it was left alone."


def test_a_finding_is_one_line_without_colours() -> None:
    (found,) = findings_of("x", lambda: [ok("a\x1b[31m\nb", "c\nd " + "e" * 2000)])
    assert (found.what, found.text[:4], len(found.text)) == ("a b", "c d ", 600)


# --- connections ------------------------------------------------------------------------------------------


def test_a_login_that_is_refused_is_wrong(
    well: Topic, standin: StandIn, check: Callable[..., Checked]
) -> None:
    standin.databricks_jobs.tokens = {"another"}
    refused, accepted = check().of("connection")
    assert (refused.what, refused.state) == ("connection databricks_default", "WRONG")
    assert "Check the token of connection 'databricks_default'" in refused.text
    assert accepted == ok("connection dbt_cloud_default", f"{standin.url} accepts this connection.")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "Connection 'ours' does not exist. Add it: airflow connections add ours"),
        ("{not json", "Airflow cannot read the environment variable AIRFLOW_CONN_OURS"),
        ('{"conn_type": "postgres"}', "It has the type 'postgres'; known are pipehooks_dbt_cloud, "),
        ('{"conn_type": "dbt_cloud", "login": "1"}', "Connection 'ours' has no token"),
    ],
)
def test_a_connection_that_cannot_be_used_is_wrong(
    value: str | None, says: str, check: Callable[..., Checked], monkeypatch: pytest.MonkeyPatch
) -> None:
    if value:
        monkeypatch.setenv("AIRFLOW_CONN_OURS", value)
    (told,) = check("--conn-id", "ours").of("connection")
    assert (told.what, told.state) == ("connection ours", "WRONG")
    assert says in told.text


@pytest.mark.parametrize(("conn_id", "service"), [("dbt_api", "dbt Cloud"), ("databricks_api", "Databricks")])
def test_an_http_connection_is_taken_for_what_its_name_says(
    conn_id: str,
    service: str,
    standin: StandIn,
    connections: Callable[..., None],
    check: Callable[..., Checked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections(conn_id, conn_type="http", host=standin.url, password="dapi-token")
    monkeypatch.setenv("AIRFLOW_VAR_DBT_ACCOUNT_ID", "1")
    (told,) = check("--conn-id", conn_id).of("connection")
    assert told == ok(f"connection {conn_id}", f"Taken for {service}. {standin.url} accepts this connection.")


def test_a_token_that_goes_out_unencrypted_is_warned_of(
    connections: Callable[..., None], check: Callable[..., Checked]
) -> None:
    connections("ours", conn_type="databricks", host="http://127.0.0.2:9", password="dapi-token")
    found = check("--conn-id", "ours").of("connection")
    assert "sends its token to http://127.0.0.2:9 without encryption" in only(found, "warning").text


def test_connections_of_our_types_are_found(
    connections: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connections("a_postgres", conn_type="postgres")
    connections("our_dbt", conn_type="dbt_cloud")
    monkeypatch.setenv("AIRFLOW_CONN_UNREADABLE", "{")
    found = list(ids_to_check(["stored", "our_dbt"]))
    assert found == ["databricks_default", "dbt_cloud_default", "our_dbt", "stored", "unreadable"]


def test_where_no_connection_is_found_it_says_how_to_name_one(check: Callable[..., Checked]) -> None:
    (told,) = check().of("connections")
    assert told.state == "warning"
    assert "--conn-id ID" in told.text


def test_what_airflow_has_in_its_database_is_found(
    airflow_db: None,
    standin: StandIn,
    topic: Topic,
    check: Callable[..., Checked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.models import Connection, Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    aws = json.loads(connection(topic.url))
    with create_session() as session:
        session.add(Connection("ours", conn_type="databricks", host=standin.url, password="dapi-token"))
        session.add(Connection("aws_default", **{**aws, "extra": json.dumps(aws["extra"])}))
        session.add(Variable("sns_arn", topic.arn))
    try:
        checked = check()
    finally:
        with create_session() as session:
            session.execute(delete(Connection).where(Connection.conn_id.in_(("ours", "aws_default"))))
            session.execute(delete(Variable).where(Variable.key == "sns_arn"))
    assert checked.of("connection ours")[0].state == "ok"
    assert checked.of("topic")[0].state == "ok"
    assert "_AIRFLOW_PROCESS_CONTEXT" not in os.environ


def test_a_database_that_is_away_is_told_and_left_alone(
    well: Topic, standin: StandIn, check: Callable[..., Checked], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(conn_types: Iterable[str]) -> list[str]:
        raise OSError("connection to server at 10.0.0.1 failed\n\tIs the server running?")

    monkeypatch.setattr(command, "stored_connections", away)
    checked = check()
    (told,) = checked.of("Airflow's database")
    assert told.state == "warning"
    assert "OSError: connection to server at 10.0.0.1 failed. Connections and Variables" in told.text
    assert len(checked.of("connection")) == 2


# --- topic ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arn", "says"),
    [
        (None, "No SNS topic to send alerts to: give target_arn, or set the Variable 'sns_arn'"),
        ("alerts", "'alerts' is not the ARN of an SNS topic"),
        (GONE, "There is no such topic"),
        (f"{GONE}:0b1c", f"the ARN of a subscription. Give the topic's: {GONE}."),
    ],
)
def test_a_topic_that_is_none_is_wrong(arn: str | None, says: str, topic: Topic) -> None:
    assert says in only(alert_path_findings(arn, "aws_default"), "WRONG").text


def test_an_endpoint_cannot_be_looked_at(topic: Topic) -> None:
    arn = GONE.replace("gone", "endpoint/APNS/a/b")
    assert "only --send-test says" in only(alert_path_findings(arn, "aws_default"), "warning").text


@pytest.mark.parametrize(
    ("code", "state", "says"),
    [
        ("AuthorizationError", "warning", "This login may not look at it (AuthorizationError)"),
        ("InvalidClientTokenId", "WRONG", "AWS refuses the login of connection 'aws_default'"),
        ("InternalError", "WRONG", "could not be asked: InternalErrorException: An error"),
    ],
)
def test_an_answer_that_is_no_topic_is_explained(topic: Topic, code: str, state: str, says: str) -> None:
    target = TimelyTarget(topic.arn)
    client = target.hook.get_conn()
    with Stubber(client) as stub:
        stub.add_client_error("get_topic_attributes", code, "why")
        stub.add_client_error("list_subscriptions_by_topic", code, "why")
        found = list(topic_findings(client, target))
    # A role that may publish only may look at neither.
    assert [finding.state for finding in found] == [state] * (2 if state == "warning" else 1)
    assert says in found[0].text


def test_sns_that_cannot_be_reached_is_wrong(topic: Topic) -> None:
    class Away:
        def get_topic_attributes(self, **_: str) -> None:
            raise EndpointConnectionError(endpoint_url="https://sns.eu-central-1.amazonaws.com/")

    told = only(topic_findings(Away(), TimelyTarget(topic.arn)), "WRONG").text
    assert "SNS in eu-central-1 could not be asked: EndpointConnectionError" in told
    assert "Look at the network, the proxy" in told


def test_every_call_has_a_limit_whatever_the_connection_says(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    kwargs = {"read_timeout": 3600, "retries": {"max_attempts": 50}, "tcp_keepalive": True}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(topic.url, config_kwargs=kwargs))
    config = TimelyTarget(topic.arn).hook.get_conn().meta.config
    assert (config.connect_timeout, config.read_timeout, config.tcp_keepalive) == (5.0, 10.0, True)
    assert config.retries["total_max_attempts"] == 2


@pytest.fixture
def no_machine_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def test_no_credentials_are_wrong(
    topic: Topic, no_machine_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws"}')
    told = only(alert_path_findings(topic.arn, "aws_default"), "WRONG")
    assert (told.what, told.text[:31]) == ("AWS login aws_default", "No AWS credentials were found: ")
    told = only(alert_path_findings(topic.arn, "missing"), "WRONG")
    assert told.text.startswith("There is no such connection. No AWS credentials")
    assert only(alert_path_findings(topic.arn, None), "WRONG").what == "AWS login of the environment"


def test_a_login_that_only_this_machine_has_is_warned_of(
    topic: Topic, no_machine_login: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", topic.url)
    found = list(alert_path_findings(topic.arn, "missing"))
    assert "the credentials of this machine are used (env)" in only(found, "warning").text


def test_a_test_message_arrives_and_proves_the_right_to_publish(topic: Topic) -> None:
    subscribe(topic, "maria@example.com")
    found = list(alert_path_findings(topic.arn, "aws_default", send_test=True))
    message = topic.only()
    assert message.subject == SUBJECT
    assert "Nothing has failed." in message.text
    told = found[-1]
    assert (told.what, told.state) == ("test message", "ok")
    assert f"message {message.message_id}, alert id {message.attributes['alert_id']['Value']}." in told.text
    assert not [finding for finding in found if "only --send-test proves" in finding.text]


def test_a_test_message_that_is_not_taken_is_wrong(topic: Topic) -> None:
    found = list(alert_path_findings(GONE, "aws_default", send_test=True))
    assert [(each.what, each.state) for each in found[-1:]] == [("test message", "WRONG")]
    assert "SNS has no topic" in found[-1].text


# --- subscriptions ----------------------------------------------------------------------------------------


def subscriptions(topic: Topic) -> list[Finding]:
    found = alert_path_findings(topic.arn, "aws_default")
    return [finding for finding in found if finding.what.startswith("subscription")]


def test_a_topic_without_subscriptions_is_heard_by_nobody(topic: Topic) -> None:
    (told,) = subscriptions(topic)
    assert told.state == "WRONG"
    assert told.text.startswith("Nobody hears this topic: it has none. aws sns subscribe --topic-arn arn:")


def test_a_subscription_that_waits_for_its_mail_hears_nothing(topic: Topic) -> None:
    subscribe(topic, "maria@example.com")
    subscribe(topic, "late@example.com", state="PendingConfirmation")
    late, maria = subscriptions(topic)
    assert (late.what, late.state) == ("subscription email l***@example.com", "warning")
    assert "hears nothing until the link in AWS's mail is opened" in late.text
    assert maria == ok("subscription email m***@example.com", "Confirmed.")


@pytest.mark.parametrize(
    ("state", "says"), [("PendingConfirmation", "Not confirmed: "), ("Deleted", "Deleted: it hears nothing")]
)
def test_a_topic_whose_every_subscription_is_out_is_heard_by_nobody(
    topic: Topic, state: str, says: str
) -> None:
    subscribe(topic, "maria@example.com", state=state)
    out, told = subscriptions(topic)
    assert (out.state, out.text[: len(says)]) == ("warning", says)
    assert (told.state, told.text[:46]) == ("WRONG", "Nobody hears this topic: of its 1 none works. ")


def test_of_many_subscriptions_all_pages_are_read_and_those_that_are_out_are_named(topic: Topic) -> None:
    """SNS gives a hundred at a time."""
    subscribe(topic, *(f"{number}@example.com" for number in range(210)))
    subscribe(topic, "late@example.com", state="PendingConfirmation")
    found = subscriptions(topic)
    assert found[0].what == "subscription email l***@example.com"
    assert found[-1] == ok("subscriptions", "210 of 211 are confirmed; 20 are shown.")
    assert len(found) == 22


def test_a_fifo_topic_sends_no_mail() -> None:
    rows = [{"SubscriptionArn": "arn:x", "Protocol": "email", "Endpoint": "a@example.com"}]
    found = list(subscription_findings("arn:aws:sns:eu-central-1:1:a.fifo", rows))
    assert [finding.state for finding in found] == ["WRONG", "WRONG"]
    assert "A FIFO topic sends no mail" in found[0].text
    (none,) = subscription_findings("arn:aws:sns:eu-central-1:1:a.fifo", [])
    assert "takes queues (SQS) only" in none.text


@pytest.mark.parametrize(
    ("protocol", "endpoint", "shown"),
    [
        ("email", "maria.b@example.com", "m***@example.com"),
        ("email-json", "nobody", "***"),
        ("sms", "+49 151 2345678", "+***5678"),
        (
            "https",
            "https://u:p@pages.example.com:8443/integration/KEY/enqueue?k=1",
            "https://pages.example.com:8443/***",
        ),
        ("sqs", "arn:aws:sqs:eu-central-1:1:q", "arn:aws:sqs:eu-central-1:1:q"),
    ],
)
def test_an_endpoint_is_named_without_what_is_private(protocol: str, endpoint: str, shown: str) -> None:
    rows = [{"SubscriptionArn": "arn:x", "Protocol": protocol, "Endpoint": endpoint}]
    (found,) = subscription_findings("arn:aws:sns:eu-central-1:1:a", rows)
    assert found == ok(f"subscription {protocol} {shown}", "Confirmed.")


# --- outbox -----------------------------------------------------------------------------------------------


def notice(at: float) -> Notice:
    return Notice(alert_id="a", at=at, member="d/t", group="g", target={"arn": GONE}, title="t", text="t")


def look(open_outbox: Callable[[], Outbox] = Outbox) -> list[Finding]:
    return list(outbox_findings(open_outbox, clock=lambda: NOW))


def test_an_outbox_that_is_there_is_left_as_it_was(outbox: Outbox) -> None:
    outbox.put(notice(NOW))
    before = sorted(Path(str(outbox.root)).rglob("*"))
    assert [finding.state for finding in look()] == ["ok", "ok", "ok"]
    assert sorted(Path(str(outbox.root)).rglob("*")) == before


def test_an_outbox_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "pipehooks").write_text("a file where the folder should be")
    writing, reading = look()
    assert (writing.state, reading.state) == ("WRONG", "WRONG")
    assert "cannot write there: NotADirectoryError" in writing.text
    assert "It cannot be read: NotADirectoryError" in reading.text


def test_an_outbox_whose_store_needs_more_than_is_installed_is_wrong(outbox: Outbox) -> None:
    class NeedsMore(Folder):
        def folder(self, name: str) -> Folder:
            return self

        def write(self, name: str, data: bytes) -> None:
            raise ImportError("Install s3fs to access S3")

    outbox.root = NeedsMore(str(outbox.root))
    told = only(look(lambda: outbox), "WRONG").text
    assert "ImportError: Install s3fs to access S3. What cannot be sent is lost. Install or correct" in told


def test_an_outbox_at_an_address_of_nothing_is_wrong(options: Callable[..., None]) -> None:
    options(outbox="nowhere://bucket/alerts")
    assert "[pipehooks] outbox cannot be used" in only(look(), "WRONG").text


@pytest.mark.parametrize(
    ("age_s", "has_sender", "state", "says"),
    [
        (599, False, "ok", "1 to be told, the oldest 10 min old."),
        (601, False, "warning", "pipehooks outbox send --once sends them"),
        (899, True, "ok", "1 to be told, the oldest 15 min old."),
        (901, True, "warning", "The sender does not get rid of them"),
    ],
)
def test_what_waits_too_long_is_warned_of(
    age_s: float, has_sender: bool, state: str, says: str, outbox: Outbox
) -> None:
    outbox.put(notice(NOW - age_s))
    outbox.put(notice(NOW))
    if has_sender:
        outbox.lease("me")
    _, sender, waiting = look()
    assert ("A sender is at work" in sender.text) == has_sender
    assert (waiting.state, says.replace("1 to", "2 to") in waiting.text) == (state, True)


def test_a_file_that_is_no_notice_is_told_and_left_where_it_is(outbox: Outbox) -> None:
    outbox.new.write("garbage.json", b"{")
    outbox.new.write("another.json", b"{}")
    outbox.unreadable.write("before.json", b"{")
    told = only(look(), "warning")
    assert told.text.startswith("3 files are no notices, such as before.json")
    assert len(outbox.new.names()) == 2


@pytest.mark.parametrize(
    ("executor", "outbox_option", "remote"),
    [
        ("LocalExecutor", "", None),
        ("airflow.executors.local_executor.LocalExecutor", "", None),
        ("CeleryExecutor", "", "CeleryExecutor"),
        ("LocalExecutor,k8s:airflow.providers.cncf.KubernetesExecutor", "", "KubernetesExecutor"),
        ("CeleryExecutor", "shared", None),
    ],
)
def test_an_outbox_on_each_machine_is_warned_of(
    executor: str,
    outbox_option: str,
    remote: str | None,
    options: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    options(outbox=str(tmp_path / outbox_option) if outbox_option else "")
    told = [finding.text.partition(" tasks run")[0] for finding in look() if finding.state == "warning"]
    assert told == ([f"With {remote}"] if remote else [])


# --- options, functions and rules -------------------------------------------------------------------------


def test_an_option_in_vain_is_warned_of(options: Callable[..., None]) -> None:
    options(enable_lisener="True", listener_rules="rules.toml")
    assert [(finding.state, finding.text[:40]) for finding in option_findings()] == [
        ("warning", "[pipehooks] enable_lisener is not an opt"),
        ("warning", "[pipehooks] listener_rules is set, but n"),
    ]


def test_an_option_that_cannot_be_read_is_wrong(options: Callable[..., None]) -> None:
    options(pipeline_event_queue_size="many")
    (told,) = option_findings()
    assert told.state == "WRONG"
    assert told.text.startswith("[pipehooks] pipeline_event_queue_size cannot be read: ")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nowhere_at_all.f", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("os.nothing", "AttributeError: module 'os' has no attribute 'nothing'"),
        ("quits.f", "ImportError: 'quits' calls sys.exit(3) when it is imported"),
    ],
)
def test_a_function_that_does_not_load_is_wrong(
    path: str, says: str, options: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quits.py").write_text("import sys\nsys.exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    receivers = f"os.getcwd, {path},"
    options(enable_pipeline_event_signals="True", pipeline_event_receivers=receivers, alert_fallback=path)
    well, receiver, fallback = function_findings()
    assert well == ok("receiver os.getcwd", "It can be loaded.")
    assert (receiver.what, receiver.state, says in receiver.text) == (f"receiver {path}", "WRONG", True)
    assert (fallback.what, fallback.state) == (f"alert_fallback {path}", "WRONG")


def test_receivers_and_rules_that_nothing_loads_are_not_tried(options: Callable[..., None]) -> None:
    options(pipeline_event_receivers="nowhere_at_all.f", listener_rules="missing.toml")
    assert [*function_findings(), *rule_findings()] == []


@pytest.mark.parametrize(
    ("text", "states", "says"),
    [
        ("rule = [", ["WRONG"], "No listener rule holds, "),
        (f'{RULE}action = "os.getcwd"\ndags = ["a*"]', ["ok"], "On failed of DAG a*."),
        (f'{RULE}action = "os.nothing"', ["WRONG"], "has no attribute 'nothing'"),
        (f'{RULE}{RULE}action = "os.getcwd"', ["WRONG", "ok"], "Rule 1 of"),
        ("", ["warning"], "It has none"),
    ],
)
def test_a_rule_file_is_read_as_at_the_start(
    text: str,
    states: list[str],
    says: str,
    options: Callable[..., None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    options(enable_listener="True", listener_rules=str(path))
    found = list(rule_findings())
    assert [finding.state for finding in found] == states
    assert says in found[0].text
    assert not caplog.records, "a trace would be among the lines"
