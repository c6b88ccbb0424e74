"""The examples of Prefect's guide to state handlers, as printed there, run by real Airflow.

A handler written for Prefect is the same function here. The texts in which a task shows itself are
Airflow's: ``<Task(PythonOperator): t>`` for Prefect's ``<Task: t>``.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseNotifier, Variable, task

from airflow_provider_pipehooks.handlers.state_handlers import (
    Failed,
    Running,
    State,
    callback_factory,
    signals,
    state_handlers,
    stateful,
)
from tests.dag_runs import Finished
from tests.handlers.state.conftest import Slack
from tests.handlers.state.recorded import Recorder, boom, expected, fails_times, load

RunDag = Callable[[DAG], Finished]
Out = pytest.CaptureFixture[str]
both = pytest.mark.parametrize("decide", [True, False], ids=["decide", "observe"])


# --- a simple state handler, on a flow and on a task --------------------------------------------------------


def my_state_handler(obj: Any, old_state: State, new_state: State) -> State:
    msg = "\nCalling my custom state handler on {0}:\n{1} to {2}\n"
    print(msg.format(obj, old_state, new_state))
    return new_state


def as_airflow_prints(printed: str) -> str:
    """What the record printed, with the subject as Airflow shows it."""
    printed = re.sub(r'<Flow: name="(.*?)">', r"<SerializedDAG: \1>", printed)
    return re.sub(r"<Task: (.*?)>", r"<Task(EmptyOperator): \1>", printed)


def printed_by_handler(out: str) -> list[str]:
    return [text + "\n" for text in re.findall(r"\nCalling my custom state handler on .*\n.*\n", out)]


def test_a_state_handler_on_a_flow(run_dag: RunDag, capsys: Out) -> None:
    with DAG("state-handler-demo", schedule=None, **state_handlers(my_state_handler, of="dag")) as made:
        EmptyOperator(task_id="Task")
    run_dag(made)
    record = load("seed_01_flow_handler")
    assert [text.rstrip("\n") for text in printed_by_handler(capsys.readouterr().out)] == [
        as_airflow_prints(text).rstrip("\n") for text in record["stdout"]
    ]


@both
def test_a_state_handler_on_a_task(decide: bool, run_dag: RunDag, capsys: Out) -> None:
    with DAG("seed_02", schedule=None) as made:
        if decide:
            stateful(EmptyOperator)(task_id="Task", state_handlers=[my_state_handler])
        else:
            EmptyOperator(task_id="Task", **state_handlers(my_state_handler))
    run_dag(made)
    record = load("seed_02_task_handler")
    assert [text.rstrip("\n") for text in printed_by_handler(capsys.readouterr().out)] == [
        as_airflow_prints(text).rstrip("\n") for text in record["stdout"]
    ]


# --- sending a notification on a state ----------------------------------------------------------------------


def post_to_slack(slack_url: str, *, check: bool = False) -> Callable[..., State]:
    def post(task: Any, old_state: State, new_state: State) -> State:
        if new_state.is_finished():
            msg = f"Task {task} finished in state {new_state}"
            answer = requests.post(slack_url, json={"text": msg}, timeout=10)
            if check:
                answer.raise_for_status()
        return new_state

    return post


def posts_of(record: dict[str, Any]) -> list[str]:
    return [
        re.sub(r"<Task: (.*?)>", r"<Task(PythonOperator): \1>", post["json"]["text"])
        for post in record["http"]
    ]


@both
@pytest.mark.parametrize(
    ("case", "task_id", "body", "retries"),
    [
        ("seed_03_post_on_finish", "Task", lambda: None, 0),
        ("seed_03b_post_on_finish_failed_task", "t", boom, 0),
        ("seed_03c_post_on_finish_with_retries", "t", fails_times, 3),
    ],
)
def test_a_post_for_every_end_of_an_attempt(
    case: str,
    task_id: str,
    body: Callable[..., Any],
    retries: int,
    decide: bool,
    run_dag: RunDag,
    slack: Slack,
) -> None:
    rec = Recorder(decide=decide)
    with DAG(case, schedule=None) as made:
        rec.task(
            task_id,
            body(2) if body is fails_times else body,
            rec.handler("rec"),
            post_to_slack(slack.url),
            retries=retries,
            writes_body=task_id == "t",
        )
    run_dag(made)
    assert slack.texts == posts_of(load(case))
    assert dict(rec.lines) == expected(load(case))


def test_a_status_that_nobody_looks_at_changes_nothing(run_dag: RunDag, slack: Slack) -> None:
    slack.status = 500
    rec = Recorder()
    with DAG("seed_03d", schedule=None) as made:
        rec.task("t", lambda: 1, rec.handler("rec"), post_to_slack(slack.url))
    assert run_dag(made).tasks == {"t": "success"}
    assert dict(rec.lines) == expected(load("seed_03d_post_gets_500_unchecked"))


def test_a_handler_that_checks_the_status_fails_a_task_that_decides(run_dag: RunDag, slack: Slack) -> None:
    slack.status = 500
    rec = Recorder()
    case = "seed_03e_post_gets_500_checked"

    def post(task: Any, old: State, new: State) -> None:
        if new.is_finished():
            requests.post(slack.url, json={"text": "x"}, timeout=10).raise_for_status()

    with DAG("seed_03e", schedule=None, **rec.flow(of_tasks={"downstream": ["d"]})) as made:
        t = rec.task("t", lambda: 1, rec.handler("first"), rec.handler("post", post), rec.handler("last"))
        t >> rec.task("downstream")
    assert run_dag(made).tasks == {"t": "failed", "downstream": "upstream_failed"}
    assert slack.texts == ["x"]
    assert dict(rec.lines) == expected(load(case))


def test_nobody_listening_fails_a_task_that_decides_and_no_other(run_dag: RunDag) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/hook"
    rec = Recorder()
    with DAG("seed_03f", schedule=None) as made:
        rec.task("t", lambda: 1, rec.handler("post", post_to_slack(nobody)))
        Recorder(decide=False).task("observed", lambda: 1, post_to_slack(nobody))
    assert run_dag(made).tasks == {"t": "failed", "observed": "success"}
    assert dict(rec.lines) == expected(load("seed_03f_post_connection_refused"))


def retry_notifier(slack_url: str) -> Callable[..., State]:
    def notify(task: Any, old_state: State, new_state: State) -> State:
        if new_state.is_retrying():
            send_post(slack_url)(task, new_state)
        return new_state

    return notify


def send_post(slack_url: str) -> Callable[[Any, Any], None]:
    def send(task: Any, state: Any) -> None:
        msg = f"Task {task} failed and is retrying at {state.start_time}"
        requests.post(slack_url, json={"text": msg}, timeout=10)

    return send


@both
@pytest.mark.parametrize("factory", [False, True], ids=["by hand", "callback_factory"])
@pytest.mark.parametrize(
    ("case", "body"),
    [
        ("seed_04_post_on_retry_never_runs", lambda: None),
        ("seed_04b_post_on_retry_runs", fails_times),
        ("seed_04c_post_on_retry_exhausted", boom),
    ],
)
def test_a_post_for_every_retry(
    case: str, body: Callable[..., Any], factory: bool, decide: bool, run_dag: RunDag, slack: Slack
) -> None:
    rec = Recorder(decide=decide)
    notify = (
        callback_factory(send_post(slack.url), check=lambda state: state.is_retrying())
        if factory
        else retry_notifier(slack.url)
    )
    task_id = "Task" if case.endswith("never_runs") else "t"
    with DAG(case, schedule=None) as made:
        does = body(2) if body is fails_times else body
        rec.task(task_id, does, rec.handler("rec"), notify, retries=2, writes_body=task_id == "t")
    run_dag(made)
    record = load(case)
    assert dict(rec.lines) == expected(record)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*"
    assert [re.sub(stamp, "TIMESTAMP", text) for text in slack.texts] == (
        posts_of(record) if "http" in record else []
    )


@both
def test_the_retry_notifier_of_callback_factory(decide: bool, run_dag: RunDag, slack: Slack) -> None:
    rec = Recorder(decide=decide)
    case = "seed_07_callback_factory_retry"
    with DAG("seed_07", schedule=None) as made:
        post = rec.callback("send_post", send_post(slack.url))
        retrying = callback_factory(post, check=lambda state: state.is_retrying())
        rec.task("t", fails_times(2), retrying, rec.handler("rec"), retries=2)
    run_dag(made)
    assert dict(rec.lines) == expected(load(case))
    assert len(slack.texts) == len(load(case)["http"])


# --- a special failure, told by a signal that carries data --------------------------------------------------


def alert_on_special_failure(task: Any, old_state: State, new_state: State) -> State:
    if isinstance(new_state, Failed) and getattr(new_state.result, "flag", False) is True:
        print("Special failure mode!  Send all the alerts!")
        print(f"a == b == {new_state.result.value}")
    return new_state


def mission_critical(a: Any, b: Any) -> float:
    if a == b:
        fail_signal = signals.FAIL("a equaled b!")
        fail_signal.flag = True  # type: ignore[attr-defined]
        fail_signal.value = a  # type: ignore[attr-defined]
        raise fail_signal
    return 1 / (b - a)


@both
@pytest.mark.parametrize(
    ("case", "a", "b", "retries"),
    [
        ("seed_05_special_failure", 1, 1, 0),
        ("seed_05b_special_failure_not", 1, 3, 0),
        ("seed_05c_special_failure_retries", 1, 1, 1),
        ("seed_05d_special_failure_ordinary_error", "x", 1, 0),
    ],
)
def test_a_special_failure(
    case: str, a: Any, b: Any, retries: int, decide: bool, run_dag: RunDag, capsys: Out
) -> None:
    rec = Recorder(decide=decide)
    record = load(case)
    with DAG(case, schedule=None) as made:
        rec.task(
            "mission_critical_task",
            lambda: mission_critical(a, b),
            rec.handler("rec"),
            alert_on_special_failure,
            retries=retries,
            writes_body=False,
        )
    run_dag(made)
    assert dict(rec.lines) == expected(record)
    printed = [line for line in capsys.readouterr().out.splitlines() if line in ALERT]
    assert printed == record.get("stdout", [])


ALERT = ("Special failure mode!  Send all the alerts!", "a == b == 1")


# --- secrets, notifiers, the context ------------------------------------------------------------------------


def test_a_handler_may_read_what_the_task_may(run_dag: RunDag, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's Secrets are Airflow's Variables and connections; a missing one raises in both."""
    monkeypatch.setenv("AIRFLOW_VAR_SLACK_URL", "s3cret")
    read: list[tuple[str, str, str]] = []

    def handler(task: Any, old: State, new: State) -> None:
        try:
            missing = Variable.get("MISSING")
        except Exception as err:
            missing = f"raised {type(err).__name__}"
        read.append((type(new).__name__, Variable.get("SLACK_URL"), missing.split(" ")[0]))

    with DAG("seed_09", schedule=None) as made:

        @stateful(state_handlers=[handler])
        @task
        def t() -> int:
            return 1

        t()
    run_dag(made)
    notes = load("seed_09_secret_in_handler")["notes"]
    assert read == [(note["on"], note["SLACK_URL"], "raised") for note in notes]


class SlackNotifier(BaseNotifier):
    """Any notifier of Airflow's; its text is a template."""

    template_fields = ("text",)

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self.url = url
        self.text = text

    def notify(self, context: Any) -> None:
        requests.post(self.url, json={"text": self.text}, timeout=10)


#: Prefect's ``ignore_states`` and ``only_states``, as checks.
FILTERS: dict[str, Callable[[State], bool]] = {
    "no filter": lambda state: True,
    "ignore_Running": lambda state: not isinstance(state, Running),
    "only_Failed": lambda state: isinstance(state, Failed),
    "only_Failed_ignore_Failed": lambda state: False,
}


@both
@pytest.mark.parametrize("which", FILTERS)
def test_an_airflow_notifier_in_the_place_of_slack_notifier(
    which: str, decide: bool, run_dag: RunDag, slack: Slack
) -> None:
    rec = Recorder(decide=decide)
    notify = SlackNotifier(slack.url, "{{ ti.task_id }}")
    with DAG("seed_10", schedule=None) as made:
        handler = notify if which == "no filter" else callback_factory(notify, FILTERS[which])
        rec.task("ok", lambda: 1, handler)
        rec.task("bad", boom, handler)
    run_dag(made)
    notes = load("seed_10_slack_notifier")["notes"]
    posts = {note["task"]: note["posts"] for note in notes if note.get("case") == which}
    assert {name: slack.texts.count(name) for name in posts} == posts
    assert notify.text == "{{ ti.task_id }}"


@both
def test_a_notifier_on_failure_can_show_the_exception(decide: bool, run_dag: RunDag, slack: Slack) -> None:
    rec = Recorder(decide=decide)
    with DAG("notified", schedule=None) as made:
        notify = SlackNotifier(slack.url, "{{ ti.task_id }}: {{ exception }}")
        rec.task("t", boom, on_failure=notify, retries=1, retry_delay=timedelta(0))
    run_dag(made)
    assert slack.texts == ["t: boom"] * 2


def test_a_handler_sees_airflows_context(run_dag: RunDag) -> None:
    """Prefect's ``prefect.context`` is ``state.context`` here, with Airflow's keys."""
    seen: list[tuple[str, Any]] = []

    def handler(task: Any, old: State, new: State) -> None:
        assert new.context is not None
        assert old.context is not None
        seen.append((type(new).__name__, new.context["ti"].task_id))

    with DAG("trans_25", schedule=None) as made:
        stateful(EmptyOperator)(task_id="t", state_handlers=[handler])
    run_dag(made)
    notes = load("trans_25_handler_context")["notes"]
    assert seen == [(note["new"], "t") for note in notes if note["obj"] == "T"]
