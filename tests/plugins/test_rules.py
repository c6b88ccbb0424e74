"""The rule file: what is wrong in it is said, with the rule's number, and costs only that rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_pipehooks.plugins.rules import Rule, read_rules

GOOD = '[[rule]]\ntransitions = ["failed"]\naction = "os.getcwd"\n'


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return path


def test_a_rule_is_read(tmp_path: Path) -> None:
    text = GOOD + 'dags = ["a*"]\ntags = ["b"]\nkwargs = { to = "c" }'
    assert read_rules(file(tmp_path, text)) == (
        Rule(("failed",), "os.getcwd", dags=("a*",), tags=frozenset({"b"}), kwargs={"to": "c"}),
    )


def test_an_empty_file_has_no_rules(tmp_path: Path) -> None:
    assert read_rules(file(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('action = "os.getcwd"', "transitions is missing"),
        ('transitions = ["failed"]', "action is missing"),
        ('transitions = ["broken"]\naction = "os.getcwd"', "'broken' is not a transition. Known are running"),
        ('transitions = "failed"\naction = "os.getcwd"', "transitions must be a list, not 'failed'"),
        ('transitions = ["failed"]\naction = "os.nothing"', "has no attribute 'nothing'"),
        ('transitions = ["failed"]\naction = "nowhere.f"', "No module named 'nowhere'"),
        ('transitions = ["failed"]\naction = "getcwd"', "is not a dotted path"),
        ('transitions = ["failed"]\naction = "os.sep"', "cannot be called"),
        ('transitions = ["failed"]\naction = "os.getcwd"\ndag = "d"', "'dag' is not a key of a rule"),
        ('transitions = ["failed"]\naction = "os.getcwd"\nkwargs = 5', "kwargs must be a dict, not 5"),
        ('transitions = ["failed"]\naction = "os.getcwd"\ndags = [5]', "dags must hold texts, not 5"),
        ('transitions = ["failed"]\naction = "os.getcwd"\ntags = [["a"]]', "tags must hold texts, not ['a']"),
        ('transitions = [{a = 1}]\naction = "os.getcwd"', "transitions must hold texts, not {'a': 1}"),
        ('transitions = ["failed"]\naction = "quits_at_import.f"', "calls sys.exit(3) when it is imported"),
    ],
)
def test_a_rule_that_is_wrong_is_left_out_and_the_others_hold(
    bad: str, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quits_at_import.py").write_text("import sys\nsys.exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    rules = read_rules(file(tmp_path, f"{GOOD}[[rule]]\n{bad}\n{GOOD}"))
    assert len(rules) == 2
    assert "Rule 2 of" in caplog.text
    assert says in caplog.text


@pytest.mark.parametrize("text", ["[[rule", "[rule]\na = 1", 'rules = "x"', "[[rules]]\na = 1"])
def test_a_file_that_cannot_be_read_has_no_rules_and_is_logged(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_rules(file(tmp_path, text)) == ()
    assert "No listener rule holds" in caplog.text


def test_a_file_that_is_not_there_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_rules(tmp_path / "missing.toml") == ()
    assert "missing.toml" in caplog.text
