"""Which DAG runs the demo makes, how each should end, and what its alert should say. Data and judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_pipehooks.demo.services import PIPELINE_ID, Alert

#: Who cancels a run in dbt Cloud, as its own page would name them.
CANCELLED_BY = "Ada Lovelace"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One DAG run of the demo.

    :param key: short name; the DAG run's id is made of it.
    :param story: what happens, in a few words.
    :param conf: of the DAG run: its params, here the ids of the remote jobs.
    :param ends: the state the DAG run should end in.
    :param alert_says: what the one alert must contain; nothing means that no alert may be sent.
    :param cancels_during: the remote run of this task is cancelled while the task waits for it.
    :param shows_alert: print the alert in full, not only its subject.
    """

    key: str
    dag_id: str
    story: str
    conf: Mapping[str, Any] = field(default_factory=dict)
    ends: Literal["success", "failed"]
    alert_says: tuple[str, ...] = ()
    cancels_during: str | None = None
    shows_alert: bool = False

    @property
    def run_id(self) -> str:
        return f"demo_{self.key}"

    @property
    def job_ids(self) -> frozenset[int | str]:
        """The remote jobs and pipelines it starts; each belongs to one scenario."""
        lists = (value if isinstance(value, list) else [value] for value in self.conf.values())
        return frozenset(job_id for each in lists for job_id in each)


def judge(scenario: Scenario, state: str, alerts: Sequence[Alert]) -> list[str]:
    """Compare what came with what was expected.

    :param state: in which the DAG run ended.
    :param alerts: those about this DAG run.
    :return: what is wrong, one sentence each; empty when all is as it should be.
    """
    wrong = []
    if state != scenario.ends:
        wrong.append(f"the DAG run should have ended in {scenario.ends!r}, but is {state!r}")
    expected = 1 if scenario.alert_says else 0
    if len(alerts) != expected:
        wrong.append(f"{expected} alert{'s' if expected != 1 else ''} should have come, not {len(alerts)}")
    for alert in alerts[:expected]:
        text = f"{alert.subject}\n{alert.body}"
        wrong += [f"its alert does not say {each!r}" for each in scenario.alert_says if each not in text]
    return wrong


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        key="all_green",
        dag_id="dbt_cloud_nightly",
        story="two dbt Cloud jobs in turn, both really build with dbt",
        conf={"staging_job": 111, "marts_job": 112},
        ends="success",
    ),
    Scenario(
        key="bad_rows",
        dag_id="dbt_cloud_nightly",
        story="orders with negative amounts come in, a dbt test of the second job fails",
        conf={"staging_job": 121, "marts_job": 122},
        ends="failed",
        alert_says=(
            "marts.verify",
            "order_amounts_are_not_negative",
            "Got 2 results, configured to fail if != 0",
        ),
        shows_alert=True,
    ),
    Scenario(
        key="cancelled",
        dag_id="dbt_cloud_nightly",
        story=f"{CANCELLED_BY} cancels the second job's run in dbt Cloud",
        conf={"staging_job": 131, "marts_job": 132},
        ends="failed",
        alert_says=("marts.verify", f"cancelled by {CANCELLED_BY}"),
        cancels_during="marts.verify",
    ),
    Scenario(
        key="repaired",
        dag_id="databricks_nightly",
        story="the report job fails and is repaired in place",
        conf={"ingest_job": 201, "report_job": 202},
        ends="success",
    ),
    Scenario(
        key="twenty_jobs",
        dag_id="mapped_jobs",
        story="twenty Databricks jobs at once, two of them fail, one alert names both",
        conf={"job_ids": list(range(301, 321))},
        ends="failed",
        alert_says=("run_job[6]", "run_job[14]", "load_07", "load_15"),
        shows_alert=True,
    ),
    Scenario(
        key="dropped_rows",
        dag_id="dlt_event_hooks",
        story="a Databricks pipeline drops rows, an event hook tells of it; another one is disabled",
        conf={"pipeline_id": PIPELINE_ID},
        ends="success",
        alert_says=("orders: 31 rows dropped", "order_has_a_date (31 rows)"),
        shows_alert=True,
    ),
)
