"""``pipehooks migrate``: what it prints, what it writes, and with which code it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from airflow_provider_pipehooks.__main__ import main

OLD = "from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator\n"
NEW = "from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator\n"
YAML = "operator: airflow.providers.dbt.cloud.operators.dbt.DbtCloudRunJobOperator"


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    (tmp_path / "dags/team").mkdir(parents=True)
    (tmp_path / "dags/team/old.py").write_text(OLD)
    (tmp_path / "dags/new.py").write_text(NEW)
    (tmp_path / "dags/made.yaml").write_text(YAML)
    for foreign in (".git", ".venv", "__pycache__", "node_modules", "mine"):
        (tmp_path / "dags" / foreign).mkdir()
        (tmp_path / "dags" / foreign / "x.py").write_text(OLD)
    (tmp_path / "dags/mine/pyvenv.cfg").touch()
    return tmp_path / "dags"


def texts(dags: Path) -> dict[str, str]:
    return {str(path.relative_to(dags)): path.read_text() for path in dags.rglob("*.py")}


def test_without_an_option_it_shows_a_diff_that_git_applies(
    dags: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dags.parent)
    before = texts(dags)
    assert main(["migrate", "dags"]) == 1
    shown = capsys.readouterr()
    assert f"-{OLD}+{NEW}" in shown.out
    assert "2 would be changed, 1 as they should be; nothing is left to do by hand" in shown.err
    assert texts(dags) == before
    done = subprocess.run(["git", "apply"], input=shown.out, text=True, capture_output=True, cwd=dags.parent)
    assert done.stderr == ""
    assert (dags / "team/old.py").read_text() == NEW
    assert (dags / "made.yaml").read_text() == "operator: airflow_provider_pipehooks.operators.dbt_cloud." + (
        "DbtCloudRunJobOperator"
    )


def test_check_names_the_files(dags: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--check", str(dags)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"would change {dags / 'made.yaml'}",
        f"would change {dags / 'team/old.py'}",
    ]


def test_write_changes_what_is_ones_own_and_then_there_is_nothing_to_do(
    dags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = texts(dags)
    (dags / "team/old.py").chmod(0o640)
    assert main(["migrate", "--write", str(dags)]) == 0
    assert texts(dags) == {**before, "team/old.py": NEW}
    assert (dags / "team/old.py").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in (dags / "team").iterdir()) == ["old.py"]
    capsys.readouterr()
    assert main(["migrate", "--check", str(dags)]) == 0
    assert capsys.readouterr().out == ""


def test_a_link_to_a_file_stays_a_link(dags: Path) -> None:
    link = dags / "link.py"
    link.symlink_to(dags / "team/old.py")
    assert main(["migrate", "--write", str(link)]) == 0
    assert link.is_symlink()
    assert (dags / "team/old.py").read_text() == NEW


def test_a_file_that_does_not_parse_is_told_and_the_others_are_done(
    dags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dags / "broken.py").write_text(f"{OLD}x = (\n")
    assert main(["migrate", "--write", str(dags)]) == 1
    shown = capsys.readouterr()
    assert f"{dags / 'broken.py'}: left as it is: does not parse: line" in shown.err
    assert (dags / "team/old.py").read_text() == NEW
    assert (dags / "broken.py").read_text() == f"{OLD}x = (\n"


def test_what_a_person_has_to_do_ends_with_1_also_when_all_else_is_written(
    dags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dags / "star.py").write_text(OLD.replace("DbtCloudRunJobOperator", "*"))
    assert main(["migrate", "--write", str(dags)]) == 1
    shown = capsys.readouterr()
    assert f"{dags / 'star.py'}:1: from airflow.providers.dbt.cloud.operators.dbt import *: name" in shown.err
    assert "1 for a person to look at" in shown.err


def test_a_path_that_is_not_there_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["migrate", str(tmp_path / "nowhere")])
    assert ended.value.code == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_without_libcst_it_says_what_to_install(
    dags: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.migrate.command.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main(["migrate", str(dags)])
    assert ended.value.code == 2
    assert "pip install 'airflow-provider-pipehooks[migrate]'" in capsys.readouterr().err
