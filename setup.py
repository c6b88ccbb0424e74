"""The example DAGs stand once, in ``dags/``; an installed package has them in ``demo/dags``, for its demo."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithDags(build_py):
    """Copies the DAGs into what is built; an editable install finds them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "airflow_provider_pipehooks" / "demo" / "dags"
        self.mkpath(str(target))
        for dag in sorted((HERE / "dags").glob("*.py")):
            self.copy_file(str(dag), str(target / dag.name))


setup(cmdclass={"build_py": BuildWithDags})
