"""The wheel, in an environment that has nothing else: what a user gets from the package index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MINUTES = 60


def run(*command: str | Path, home: Path) -> str:
    """Run a command in the system's folder, so that the checkout is not importable."""
    env = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": ""}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=5 * MINUTES,
        cwd=home,
        env=env,
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment with the wheel and what it asks for, in pinned versions."""
    home = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", home, ROOT, home=home)
    (wheel,) = home.glob("*.whl")
    uv = Path(sys.executable).parent / "uv"
    run(uv, "venv", "--python", sys.executable, home / "env", home=home)
    run(
        uv, "pip", "install", "--python", home / "env/bin/python",
        "--constraint", ROOT / "requirements/dev.lock", wheel, home=home,
    )  # fmt: skip
    return home / "env/bin"


@pytest.mark.slow
def test_airflow_lists_the_installed_provider(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "airflow", "providers", "list", "--output", "json", home=tmp_path)
    names = {row["package_name"] for row in json.loads(listed[listed.index("[") :])}
    assert "airflow-provider-pipehooks" in names


@pytest.mark.slow
def test_the_installed_package_has_its_types_and_its_example_project(installed: Path, tmp_path: Path) -> None:
    code = (
        "import airflow_provider_pipehooks as p, pathlib; root = pathlib.Path(p.__file__).parent; "
        "print((root / 'py.typed').exists(), (root / 'standin/example_project/dbt_project.yml').exists(), "
        "*(len(list((root / folder).rglob('*.sql'))) for folder in ('standin/example_project', 'reporting')))"
    )
    assert run(installed / "python", "-c", code, home=tmp_path).split() == ["True", "True", "4", "14"]


@pytest.mark.slow
def test_the_installed_package_needs_none_of_the_demo_or_the_official_providers(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import pkgutil, importlib, airflow_provider_pipehooks as p\n"
        "for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.'):\n"
        "    if '.demo' not in m.name and '__main__' not in m.name: importlib.import_module(m.name)\n"
        "print('imported')"
    )
    assert run(installed / "python", "-c", code, home=tmp_path).strip().endswith("imported")


@pytest.mark.slow
def test_licence_and_dags_are_in_wheel_and_sdist(installed: Path) -> None:
    (wheel,) = installed.parents[1].glob("*.whl")
    (sdist,) = installed.parents[1].glob("*.tar.gz")
    in_wheel = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = [name.partition("/")[2] for name in archive.getnames()]
    for name in ("LICENSE", "NOTICE"):
        assert any(path.endswith(f".dist-info/licenses/{name}") for path in in_wheel), name
        assert name in in_sdist
    for dag in (ROOT / "dags").glob("*.py"):
        assert f"airflow_provider_pipehooks/demo/dags/{dag.name}" in in_wheel
        assert f"dags/{dag.name}" in in_sdist


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "says"), [(["--version"], "pipehooks 0"), (["demo", "--help"], "--keep")]
)
def test_the_command_answers_without_extras(
    command: list[str], says: str, installed: Path, tmp_path: Path
) -> None:
    assert says in run(installed / "pipehooks", *command, home=tmp_path)


@pytest.mark.slow
def test_the_demo_without_its_extra_says_so_and_leaves_nothing(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "pipehooks", "demo"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "pip install 'airflow-provider-pipehooks[demo]'" in done.stdout
    assert list(tmp_path.iterdir()) == []
