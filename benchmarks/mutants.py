"""``make mutants``: how much of what the pure rooms do no test would miss.

Each mutant is the code with one small change: another number, comparison, operator, argument or text. It is
killed when a test next to it fails; those that survive show what no test looks at. Runs in a copy of the
checkout, so nothing is left in the tree. ``python -m benchmarks.mutants [core/watch ...]``; only a run of
everything is written to RESULTS.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.results import machine, table, write_section

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_pipehooks"
#: The pure rooms, and files of the same kind elsewhere.
FILES = ("core/*", "services/*", "handlers/dispatch", "notifications/message", "triggers/poller/pace")
TESTS = (
    "tests/core",
    "tests/services",
    "tests/handlers/test_dispatch.py",
    "tests/notifications/test_message.py",
    "tests/triggers/poller/test_pace.py",
)
#: They look at the code itself, which the copy has changed, and so fail without any mutant.
NOT_IN_A_COPY = ("tests/services/test_any_answer.py::test_every_call_of_a_service_is_driven",)
CONFIG = """
[tool.mutmut]
source_paths = ["{package}"]
only_mutate = {files}
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {arguments}
"""
HOW = """\
- Mutants of mutmut {version}, one change each; tests next to the code only ({tests}), picked by which run it.
- Killed: a test failed, or it took far longer than before (an endless loop). The score is killed / all.
- Messages that people read are mutated too, and so are log lines."""
#: mutmut's exit codes of a mutant: tests passed, or none runs it. A process that was ended counts as killed,
#: like one whose tests failed.
SURVIVED, UNTESTED = {0}, {33, 5}


def main(only: Sequence[str]) -> int:
    """Run, print the score of each file and what survived."""
    files = [f"{PACKAGE}/{name}.py" for name in only or FILES]
    with tempfile.TemporaryDirectory(prefix="pipehooks-mutants-") as folder:
        copy = Path(folder)
        for name in (PACKAGE, "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        arguments = ["-p", "no:cacheprovider"]
        arguments += [part for test in NOT_IN_A_COPY for part in ("--deselect", test)]
        config = CONFIG.format(
            package=PACKAGE, files=json.dumps(files), tests=json.dumps(TESTS), arguments=json.dumps(arguments)
        )
        (copy / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + config)
        env = {**os.environ, "PYTHONPATH": str(copy)}
        done = subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=copy, env=env, check=False)
        if done.returncode:
            return done.returncode
        found = dict(results(copy / "mutants" / PACKAGE))
    print(f"\n{report(found)}")
    print("\nSurvived:", *survivors(found), sep="\n  ")
    if not only:
        from importlib.metadata import version

        how = HOW.format(version=version("mutmut"), tests=", ".join(TESTS))
        write_section("Mutants", f"{machine()}\n\n{how}\n\n{report(found)}")
    return 0


def results(mutants: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Each file with the exit code of each of its mutants."""
    for path in sorted(mutants.rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            yield str(path.relative_to(mutants)).removesuffix(".py.meta"), codes


def counted(codes: dict[str, int]) -> Counter[str]:
    words = (
        "survived" if code in SURVIVED else "untested" if code in UNTESTED else "killed"
        for code in codes.values()
    )
    return Counter(words)


def report(found: dict[str, dict[str, int]]) -> str:
    """The table: a row for each file, and one for all."""
    rows = [(name, counted(codes)) for name, codes in found.items()]
    rows.append(("all", sum((count for _, count in rows), Counter())))
    return table(
        ("file", "mutants", "killed", "survived", "untested", "score"),
        [
            (name, count.total(), count["killed"], count["survived"], count["untested"], score(count))
            for name, count in rows
        ],
    )


def score(count: Counter[str]) -> str:
    return f"{100 * count['killed'] / count.total():.1f} %"


def survivors(found: dict[str, dict[str, int]]) -> Iterator[str]:
    for codes in found.values():
        yield from (key for key, code in codes.items() if code in SURVIVED | UNTESTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
