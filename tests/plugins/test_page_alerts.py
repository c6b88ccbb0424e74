"""What of the outbox a user sees: what is about DAGs that they may read, and a sentence where it is away."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.compat.access import Reader
from airflow_provider_pipehooks.notifications.outbox import Notice, Outbox
from airflow_provider_pipehooks.notifications.storm import Group
from airflow_provider_pipehooks.plugins.shown import alerts as module
from airflow_provider_pipehooks.plugins.shown.alerts import alerts_for

ANN = Reader(dag_ids=frozenset({"ann_shops", "ann_stock"}), others=frozenset({"bob_shops", "ann_shops.old"}))
NOW = time.time()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(str(tmp_path / "outbox"))


def notice(dag_id: str, **given: Any) -> Notice:
    values: dict[str, Any] = {
        "alert_id": "1",
        "at": NOW,
        "member": f"{dag_id}.load",
        "group": "fingerprint=1",
        "target": {"arn": "arn:aws:sns:eu-central-1:1:alerts"},
        "title": f"Airflow: {dag_id} failed: load",
        "text": "a long text",
        "labels": {"dag_id": dag_id},
    }
    return Notice(**{**values, **given})


def shown(outbox: Outbox, reader: Reader = ANN, dag_id: str = "") -> module.Alerts:
    found = alerts_for(reader, dag_id, lambda: outbox)
    assert not found.trouble
    return found


def test_waiting_alerts_of_readable_dags_are_seen_oldest_first(outbox: Outbox) -> None:
    outbox.put(notice("ann_stock", at=NOW - 50))
    outbox.put(notice("bob_shops", at=NOW - 900))
    outbox.put(notice("ann_shops", at=NOW - 100))
    found = shown(outbox)
    assert [each.dag_id for each in found.waiting] == ["ann_shops", "ann_stock"]
    assert found.oldest is not None
    assert found.oldest.timestamp() == pytest.approx(NOW - 100)
    assert [each.dag_id for each in shown(outbox, dag_id="ann_stock").waiting] == ["ann_stock"]
    assert not shown(outbox, dag_id="bob_shops").waiting


def test_a_notice_without_a_label_is_of_the_dag_that_its_member_names(outbox: Outbox) -> None:
    for dag_id in ("ann_shops", "bob_shops", "gone"):
        outbox.put(notice(dag_id, labels={}))
    assert [each.dag_id for each in shown(outbox).waiting] == ["ann_shops"]


def test_groups_that_were_told_are_seen_without_members_of_other_dags(outbox: Outbox) -> None:
    firing = {"ann_shops.load": NOW - 60, "bob_shops.load": NOW - 50, "ann_shops.old.load": NOW - 40}
    target = {"arn": "arn:aws:sns:eu-central-1:1:alerts"}
    outbox.remember("one", Group(firing=firing, told=True, sent_at=NOW, number=3, target=target))
    outbox.remember("two", Group(firing={"bob_shops.load": NOW}, told=True, sent_at=NOW, number=1))
    outbox.remember("three", Group(firing={"ann_stock.load": NOW}, sent_at=None))
    (told,) = shown(outbox).told
    assert [name for name, _ in told.firing] == ["ann_shops.load"]
    assert (told.number, told.where) == (3, target["arn"])


@pytest.mark.parametrize(
    ("member", "dag_id"),
    [
        ("ann_shops.load", "ann_shops"),
        ("ann_shops", "ann_shops"),
        ("ann_shops.etl.load", "ann_shops"),
        ("ann_shops.old.load", None),
        ("bob_shops.load", None),
        ("gone.load", None),
        ("", None),
    ],
)
def test_a_member_that_may_be_of_another_dag_is_not_seen(member: str, dag_id: str | None) -> None:
    """Both a DAG's id and a task's may have dots in them."""
    assert ANN.dag_of(member) == dag_id


def test_a_look_changes_nothing(outbox: Outbox) -> None:
    outbox.put(notice("ann_shops"))
    outbox.new.write("00000000000001-x.json", b"no json")
    outbox.groups.write("x.json", b"[1]")
    before = files(outbox)
    shown(outbox)
    assert files(outbox) == before


def files(outbox: Outbox) -> dict[str, tuple[int, float]]:
    root = Path(str(outbox.root))
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime) for path in root.rglob("*") if path.is_file()
    }


def test_files_that_are_no_notices_hide_none(outbox: Outbox) -> None:
    outbox.new.write("00000000000001-x.json", b"\xff")
    outbox.new.write("00000000000002-x.json", b'{"at": "x"}')
    outbox.put(notice("ann_shops"))
    assert len(shown(outbox).waiting) == 1


def test_no_more_files_are_read_than_a_page_needs(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    for age in range(5):
        outbox.put(notice("ann_shops", at=NOW - age))
    found = shown(outbox)
    assert [round(NOW - each.at.timestamp()) for each in found.waiting] == [4, 3, 2]
    assert found.partly


def test_notices_are_read_once(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox.put(notice("ann_shops"))
    shown(outbox)
    monkeypatch.setattr(module, "_notice", lambda record: pytest.fail(f"read again: {record}"))
    assert len(module.alerts_for(ANN, "", lambda: outbox).waiting) == 1
    assert not module.alerts_for(Reader(), "", lambda: outbox).waiting


def test_an_outbox_that_is_away_is_told_in_a_sentence(
    get: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/dev/null/outbox", "nosuchstore://bucket/outbox"):
        monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", path)
        answer = get("ann", "alerts")
        assert answer.status_code == 200
        assert "The API server cannot read the outbox" in answer.text
        assert "Nothing waits" not in answer.text
        assert "/dev/null" not in answer.text, "for whoever runs Airflow"


def test_whoever_runs_airflow_is_told_why_it_is_away(get: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", "/dev/null/outbox")
    assert "NotADirectoryError" in get("root", "alerts", role="admin").text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(outbox: Outbox) -> None:
    outbox.put(notice("ann_shops"))
    folder = Path(str(outbox.new))
    folder.chmod(0)
    try:
        assert "PermissionError" in alerts_for(ANN, "", lambda: outbox).trouble
    finally:
        folder.chmod(0o700)


def test_the_page_shows_what_waits_and_what_was_told(get: Any, database: Any, tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path / "outbox"))
    outbox.put(notice("ann_shops", at=time.time() - 3_600, title="Airflow: <script>alert(1)</script> failed"))
    outbox.put(notice("bob_shops", title="a secret of bob's"))
    outbox.remember("one", Group(firing={"ann_stock.load": NOW}, told=True, sent_at=NOW, number=3))
    text = get("ann", "alerts").text
    assert "1 alert waits, the oldest for 1.0 h" in text
    assert "ann_stock.load" in text
    assert "No sender is at work" in text
    assert "<script" not in text
    assert "secret of bob" not in text
