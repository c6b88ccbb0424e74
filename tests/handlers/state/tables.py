"""The tables of ``docs/state_handlers.md``, which ``python -m tests.handlers.state.tables`` writes there.

Every row is held by a test: transitions by running its scenario in real Airflow (``test_table.py``), the
others by the tests they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "state_handlers.md"
#: Other pages may show tables, too: where they have their markers.
PAGES = (PAGE, ROOT / "docs" / "hooks.md")


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One transition, and who is told of it.

    :param scenario: of ``test_table.SCENARIOS``, in which it happens; None for one that Airflow cannot tell.
    :param decide: handlers of ``stateful`` are told, and may change it.
    :param observe: handlers of ``state_handlers(...)`` are told.
    :param dag: handlers of ``state_handlers(..., of="dag")`` are told.
    """

    told: str
    scenario: str | None = None
    decide: bool = False
    observe: bool = False
    dag: bool = False
    where: str = ""
    differs: str = ""


WORKER_BEFORE = "worker, before the body (`on_execute_callback`)"
WORKER_AFTER = "worker, after the body"
DAG_PROCESSOR = "DAG processor, when the run is over"
NOWHERE = "-"

TRANSITIONS: Sequence[Transition] = (
    Transition(told="Pending -> Running", scenario="success", decide=True, observe=True, where=WORKER_BEFORE),
    Transition(
        told="Running -> Success",
        scenario="success",
        decide=True,
        observe=True,
        where=WORKER_AFTER,
        differs="observing, the result is fetched from XCom when looked at",
    ),
    Transition(told="Running -> Failed", scenario="retry", decide=True, observe=True, where=WORKER_AFTER),
    Transition(
        told="Failed -> Retrying",
        scenario="retry",
        decide=True,
        observe=True,
        where=WORKER_AFTER,
        differs="`start_time` is None under exponential backoff: the scheduler works that out",
    ),
    Transition(told="Retrying -> Running", scenario="retry", decide=True, observe=True, where=WORKER_BEFORE),
    Transition(
        told="Running -> TimedOut",
        scenario="timeout",
        decide=True,
        observe=True,
        where=WORKER_AFTER,
        differs="the result is Airflow's exception; a sensor's timeout is one too, and is never retried",
    ),
    Transition(
        told="Running -> Skipped",
        scenario="skip",
        decide=True,
        observe=True,
        where=WORKER_AFTER,
        differs="observing, the message of the skip is not known: Airflow does not pass it on",
    ),
    Transition(
        told="Running -> Deferred",
        scenario="defer",
        decide=True,
        where=WORKER_AFTER,
        differs="Airflow's own; it has no callback for it",
    ),
    Transition(
        told="Deferred -> Running",
        scenario="defer",
        decide=True,
        observe=True,
        where=WORKER_BEFORE,
        differs="Airflow's own",
    ),
    Transition(
        told="Running -> Scheduled",
        scenario="reschedule",
        decide=True,
        where=WORKER_AFTER,
        differs="a sensor in reschedule mode between two pokes",
    ),
    Transition(
        told="Scheduled -> Running",
        scenario="reschedule",
        decide=True,
        observe=True,
        where=WORKER_BEFORE,
        differs="the next poke",
    ),
    Transition(
        told="Running -> Paused",
        scenario="ask",
        decide=True,
        where=WORKER_AFTER,
        differs="a human-in-the-loop operator has asked; then Resume -> Running is told to both kinds",
    ),
    Transition(
        told="Running -> Cancelling",
        scenario="kill",
        decide=True,
        where="worker, on SIGTERM, before the operator's `on_kill`",
        differs="told only, nothing can be changed; Cancelling -> Cancelled follows after `on_kill`",
    ),
    Transition(
        told="Pending -> Failed",
        scenario="template",
        decide=True,
        observe=True,
        where="worker",
        differs="a template that does not render: the task never ran",
    ),
    Transition(
        told="Success -> Failed",
        scenario="late failure",
        decide=True,
        where=WORKER_AFTER,
        differs="`post_execute` failed, or the result could not be stored; observing: Running -> Failed",
    ),
    Transition(
        told="State -> Failed",
        scenario="lost worker",
        decide=True,
        observe=True,
        where="DAG processor, when the scheduler has missed the worker",
        differs="what it was in before is not known, and not made up; it may come after the next try has "
        "begun; a mapped `stateful` task is not told",
    ),
    Transition(
        told="Pending -> TriggerFailed",
        scenario="upstream failed",
        dag=True,
        where=DAG_PROCESSOR,
        differs="no worker ever sees the task; its own handlers are told there too, if the DAG has any",
    ),
    Transition(
        told="Pending -> Skipped",
        scenario="upstream skipped",
        dag=True,
        where=DAG_PROCESSOR,
        differs="only under `all_success`, and only with a skipped task upstream: under other rules, and "
        "after a branch or short circuit, the states alone do not tell who skipped it",
    ),
    Transition(
        told="Scheduled -> Running (flow)",
        scenario="success",
        dag=True,
        where=DAG_PROCESSOR,
        differs="late: a DAG has no callback for its start; the listener tells it in time",
    ),
    Transition(told="Running -> Success (flow)", scenario="success", dag=True, where=DAG_PROCESSOR),
    Transition(
        told="Running -> Failed (flow)",
        scenario="upstream failed",
        dag=True,
        where=DAG_PROCESSOR,
        differs="which tasks count is Airflow's rule (the last ones), as Prefect's default; "
        "TimedOut for a DAG run that timed out",
    ),
    Transition(
        told="Pending -> Mapped",
        where=NOWHERE,
        differs="no task instance stands for the parent; the mapped instances are told, by `map_index`",
    ),
    Transition(
        told="Success -> Cached, Pending -> Cached", where=NOWHERE, differs="Airflow has no task cache"
    ),
    Transition(
        told="Running -> Looped", where=NOWHERE, differs="Airflow has no loops; use retries or mapping"
    ),
    Transition(
        told="Queued, Submitted, a state set by a person",
        where=NOWHERE,
        differs="no callback runs; signals, the listener and the control plane tell these",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where a person who knows Prefect finds something else, on purpose or for want of a way.

    :param test: the test that holds our side.
    """

    prefect: str
    here: str
    why: str
    test: str


DIFFERENCES: Sequence[Difference] = (
    Difference(
        prefect="A handler that raises costs the task all its retries.",
        here="The retries are kept, and told. `handler_error_retries=False` is Prefect's rule.",
        why="A notifier that cannot reach its server is no reason to give a pipeline up.",
        test="test_a_raising_handler_does_not_cost_the_retries",
    ),
    Difference(
        prefect="Handlers always decide.",
        here="Only those of `stateful`. Those of `state_handlers(...)` observe: what they raise is logged "
        "and counted, what they return is ignored.",
        why="Airflow calls its callbacks when it has already decided.",
        test="test_an_observer_cannot_change_the_task",
    ),
    Difference(
        prefect="`on_handler_error` does not exist.",
        here='`stateful(...)(on_handler_error="log")` logs and goes on.',
        why="To decide without the risk.",
        test="test_a_raising_handler_that_is_only_logged_changes_nothing",
    ),
    Difference(
        prefect="Garbage that a handler returns is handed to the next one, and fails the task later.",
        here="The next one is spared; the failure is told to all, from the state before.",
        why="No handler can be written to expect it.",
        test="test_garbage_fails_the_task_and_the_next_handler_is_spared",
    ),
    Difference(
        prefect="`on_failure` is appended to the list given, so two tasks with one list get both.",
        here="The list is copied.",
        why="An accident of Prefect's.",
        test="test_a_list_given_twice_is_never_appended_to",
    ),
    Difference(
        prefect="A text passes as `state_handlers`; a tuple does not go with `on_failure`.",
        here="A text is refused when the task is made, a tuple is fine.",
        why="What cannot work is said when it is written.",
        test="test_what_prefect_takes_is_taken_and_what_it_refuses_is_refused",
    ),
    Difference(
        prefect="`handler(task, ...)`: the task has `name`; `prefect.context` is global.",
        here="The subject is the operator (`task_id`) or the DAG (`dag_id`); Airflow's context is "
        "`state.context`.",
        why="They are Airflow's objects.",
        test="test_a_handler_sees_airflows_context",
    ),
    Difference(
        prefect="A task may end Pending, Paused or Running when a handler says so.",
        here="It fails, with a message that says what to return.",
        why="A task in Airflow cannot end like that.",
        test="test_decisions",
    ),
    Difference(
        prefect="A handler's `Retrying()` starts at once.",
        here="After the task's `retry_delay`, unless the state has a `start_time`.",
        why="Airflow's delay is what the author of the task wrote.",
        test="test_a_handlers_start_time_is_airflows",
    ),
    Difference(
        prefect="A flow's handler may change the flow's end.",
        here="It observes.",
        why="The DAG run is over when Airflow calls it; in Prefect 0.15 and 1.x the run crashed.",
        test="test_the_flows_handler_observes",
    ),
    Difference(
        prefect="A signal raised in the body ends the task in its state.",
        here="In a `stateful` task. In any other, FAIL fails it, and so do SKIP, SUCCESS and RETRY.",
        why="To Airflow it is an exception like any other.",
        test="test_a_signal_in_a_plain_task_fails_it",
    ),
    Difference(
        prefect="A task whose SUCCESS signal has no result returns the signal.",
        here="It returns None.",
        why="A signal cannot be stored in XCom.",
        test="test_a_success_signal_returns_its_result_if_it_was_given_one",
    ),
    Difference(
        prefect="Handlers of the runner classes.",
        here="None.",
        why="Airflow's runner is not the user's; the listener sees every task.",
        test="test_transitions_of_a_task_and_its_flow",
    ),
    Difference(
        prefect="Airflow's exceptions are none of Prefect's.",
        here="`AirflowSkipException` and `AirflowFailException` from a handler of `stateful` skip or fail "
        "the task, the second without another try.",
        why="They mean what they mean in a task.",
        test="test_airflows_exceptions_from_a_handler_mean_what_they_mean_in_a_task",
    ),
    Difference(
        prefect="A failure that a handler turns into a Success is one for the tasks downstream, too.",
        here="The same; but a branch or short circuit that failed has skipped nothing, so all its ways are "
        "gone.",
        why="Its own answer, which would skip the others, never came.",
        test="test_a_branch_that_is_forgiven_goes_all_its_ways",
    ),
    Difference(
        prefect="A handler may turn Pending -> Failed into a Success.",
        here="It is told and not heard: the task fails.",
        why="Airflow has failed the task, whose template did not render, before anything of it runs.",
        test="test_a_template_that_fails_cannot_be_forgiven",
    ),
    Difference(
        prefect="Message and result of a Retrying that a handler returns come to the next try.",
        here="The next try begins with Airflow's own Retrying.",
        why="Nothing of a try is left to the next but what is stored, and results may be anything.",
        test="test_the_message_of_a_returned_retrying_is_not_the_next_trys",
    ),
    Difference(
        prefect="In `flow.run()` a task's own handlers are told of TriggerFailed at once.",
        here="At the end of the run, in the DAG processor. In `dag.test()` only the DAG's handlers are.",
        why="Nothing runs for such a task, and `dag.test()` gives callbacks a DAG without its functions.",
        test="test_a_dags_handler_lets_tasks_tell_their_own_upstream_failure",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Misbehaviour:
    """What a bad handler does to the task."""

    handler: str
    decide: str
    observe: str
    test: str


MISBEHAVIOUR: Sequence[Misbehaviour] = (
    Misbehaviour(
        handler="raises",
        decide="the task fails and is retried if it has retries; the handlers after it are not called",
        observe="logged and counted (`pipehooks.hook_failures`); the next one runs; nothing changes",
        test="test_an_observer_cannot_change_the_task",
    ),
    Misbehaviour(
        handler='raises, `on_handler_error="log"`',
        decide="logged and counted; the next one runs; nothing changes",
        observe="the same",
        test="test_a_raising_handler_that_is_only_logged_changes_nothing",
    ),
    Misbehaviour(
        handler="hangs",
        decide="the task waits, holding its worker, until `execution_timeout` ends handler and task",
        observe="the worker waits, the task's state is already reported; no timeout of Airflow's ends it",
        test="test_execution_timeout_ends_a_hanging_handler",
    ),
    Misbehaviour(
        handler="returns garbage (truthy, not a State)",
        decide="the task fails with a message that names handler and value; the failure is told. With "
        '`on_handler_error="log"`: logged and counted',
        observe="ignored",
        test="test_garbage_fails_the_task_and_the_next_handler_is_spared",
    ),
    Misbehaviour(
        handler="cannot be pickled or copied",
        decide="nothing: it is never pickled, and Airflow's copies of the operator share it",
        observe="nothing",
        test="test_a_handler_that_can_be_neither_pickled_nor_copied_works",
    ),
    Misbehaviour(
        handler="takes the wrong arguments, or is no function",
        decide="TypeError when the DAG is parsed, of mapped tasks too",
        observe="TypeError when the DAG is parsed",
        test="test_something_that_cannot_be_called_as_a_handler_is_refused_at_once",
    ),
    Misbehaviour(
        handler="is a coroutine or a generator, also behind `functools.wraps`",
        decide="TypeError when the DAG is parsed",
        observe="TypeError when the DAG is parsed",
        test="test_it_is_refused_where_it_is_given",
    ),
    Misbehaviour(
        handler="exits (SystemExit)",
        decide="Airflow sees the task exit: it fails and is retried if it has retries",
        observe="the task's state is already reported; callbacks after it do not run",
        test="test_a_handler_that_exits_ends_the_try",
    ),
)


def transitions() -> str:
    rows = [
        (
            f"`{row.told}`",
            _yes(row.decide),
            _yes(row.observe),
            _yes(row.dag),
            row.where,
            row.differs,
        )
        for row in TRANSITIONS
    ]
    return _table(
        ("transition", "`stateful`", "`state_handlers`", '`of="dag"`', "where it is told", "what differs"),
        rows,
    )


def differences() -> str:
    return _table(("in Prefect", "here", "why"), [(row.prefect, row.here, row.why) for row in DIFFERENCES])


def misbehaviour() -> str:
    rows = [(row.handler, row.decide, row.observe) for row in MISBEHAVIOUR]
    return _table(("a handler that", "in `stateful`", "in `state_handlers(...)`"), rows)


def _yes(told: bool) -> str:
    return "told" if told else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {"transitions": transitions, "differences": differences, "misbehaviour": misbehaviour}


def written(page: str) -> str:
    """The page with its tables as they are here."""
    for name, table in TABLES.items():
        start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, found, rest = page.partition(start)
        if found:
            page = f"{before}{start}{table()}\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(written(page.read_text()))
