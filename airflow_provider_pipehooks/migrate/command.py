"""``pipehooks migrate``: show, check or make the changes."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_ENDINGS = (".py", ".pyi", ".yml", ".yaml", ".json")
#: Folders that are never one's own code; also those that begin with a dot, and virtual environments.
_NOT_OURS = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
#: A file without any of these has nothing to change.
_SIGNS = (b"databricks", b"providers.dbt", b"dbt.cloud")
_HELP = """\
Change the imports of DAG files from the official dbt Cloud and Databricks providers to this package.

Without an option the changes are shown as a diff and nothing is written. Files are Python, and YAML or JSON
that names an operator by its path; folders are read with all that is below them, but for .git, virtual
environments and the like. Nothing but imports, the uses of imported modules and texts that are such a path
as a whole is changed; what stays official keeps an import of its own. What cannot be changed is told, by
line."""
_END = "Exit code: 0 nothing to do, or done; 1 there are changes, or a person has to look; 2 a wrong call."


def run(argv: list[str]) -> int:
    """``pipehooks migrate PATH...``.

    :return: 0 nothing to do, or done; 1 there are changes, or a person has to look; 2 it was called wrongly.
    """
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="pipehooks migrate", description=_HELP, epilog=_END, formatter_class=form
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or a folder")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--diff", action="store_true", help="show the changes, and write nothing (the default)")
    how.add_argument("--check", action="store_true", help="only name the files that would be changed")
    how.add_argument("--write", action="store_true", help="write the files")
    given = parser.parse_args(argv)
    if find_spec("libcst") is None:
        parser.error("LibCST is needed: pip install 'airflow-provider-pipehooks[migrate]'")
    if missing := [str(path) for path in given.paths if not path.exists()]:
        parser.error(f"no such file or folder: {', '.join(missing)}")
    work = _Work(write=given.write, show=not (given.check or given.write))
    for path in _files(given.paths):
        work.take(path)
    print(work.summary(), file=sys.stderr)
    return 1 if work.undone or (work.changed and not given.write) else 0


def _files(paths: list[Path]) -> Iterator[Path]:
    """Each file once, in order."""
    seen: set[Path] = set()
    for path in paths:
        for found in [path] if path.is_file() else _below(path):
            if (real := found.resolve()) not in seen:
                seen.add(real)
                yield found


def _below(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not _is_foreign(Path(name), each))
        yield from (Path(name, file) for file in sorted(files) if file.endswith(_ENDINGS))


def _is_foreign(parent: Path, name: str) -> bool:
    return name.startswith(".") or name in _NOT_OURS or (parent / name / "pyvenv.cfg").exists()


class _Work:
    """File after file, counting.

    :param show: print diffs.
    """

    def __init__(self, *, write: bool, show: bool) -> None:
        self._write = write
        self._show = show
        self.changed = self.same = self.undone = 0

    def take(self, path: Path) -> None:
        # Here: LibCST takes a moment to import, and may not be installed.
        from airflow_provider_pipehooks.migrate import data_files, rewriting

        rewrite = rewriting.rewrite if path.suffix in (".py", ".pyi") else data_files.rewrite
        try:
            data = path.read_bytes()
            if not any(sign in data for sign in _SIGNS):
                self.same += 1
                return
            done = rewrite(data)
            if done.data != data:
                self._change(path, data, done.data)
        except (OSError, rewriting.CannotRewrite) as err:
            self.undone += 1
            print(f"{path}: left as it is: {err}", file=sys.stderr)
            return
        for finding in done.findings:
            self.undone += finding.undone
            print(f"{path}:{finding.line}: {finding.says}", file=sys.stderr)
        self.changed += done.data != data
        self.same += done.data == data

    def _change(self, path: Path, old: bytes, new: bytes) -> None:
        if self._show:
            sys.stdout.writelines(
                line.encode("utf-8", "replace").decode() for line in diff_of(path, old, new)
            )
        elif self._write:
            _put(path.resolve(), new)
            print(f"changed {path}")
        else:
            print(f"would change {path}")

    def summary(self) -> str:
        verb = "changed" if self._write else "would be changed"
        todo = f"{self.undone} for a person to look at" if self.undone else "nothing is left to do by hand"
        return f"Files: {self.changed} {verb}, {self.same} as they should be; {todo}."


def diff_of(path: Path, old: bytes, new: bytes) -> Iterator[str]:
    """A unified diff that ``patch`` and ``git apply`` take."""
    before, after = (_lines(data.decode("utf-8", "surrogateescape")) for data in (old, new))
    name = path.as_posix().lstrip("/")
    for line in difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """By line feeds alone, as the tools that read diffs do."""
    *lines, rest = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([rest] if rest else [])]


def _put(path: Path, data: bytes) -> None:
    """Whole or not at all, with the rights it had."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        shutil.copymode(path, name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
