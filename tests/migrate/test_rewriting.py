"""A file's imports change, and nothing else."""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.migrate import data_files
from airflow_provider_pipehooks.migrate.rewriting import CannotRewrite, rewrite
from airflow_provider_pipehooks.migrate.table import HOME_OF, MOVED
from tests.core.anything import bounded

DBT = "airflow.providers.dbt.cloud"
DATABRICKS = "airflow.providers.databricks"
OURS = "airflow_provider_pipehooks"


@dataclass(frozen=True)
class Case:
    name: str
    before: str
    after: str
    says: tuple[str, ...] = ()


def case(name: str, before: str, after: str | None = None, *says: str) -> Case:
    """Texts without their indentation; DBT, DATABRICKS and OURS stand for the packages."""
    texts = []
    for text in (before, before if after is None else after):
        for word, package in (("DBT.", f"{DBT}."), ("DATABRICKS.", f"{DATABRICKS}."), ("OURS.", f"{OURS}.")):
            text = text.replace(word, package)
        texts.append(textwrap.dedent(text).lstrip("\n"))
    return Case(name, texts[0], texts[1], says)


CASES = [
    case(
        "one name",
        "from DBT.operators.dbt import DbtCloudRunJobOperator  # why\n",
        "from OURS.operators.dbt_cloud import DbtCloudRunJobOperator  # why\n",
    ),
    case(
        "an alias",
        "from DBT.sensors.dbt import DbtCloudJobRunSensor as Sensor\n",
        "from OURS.sensors.dbt_cloud import DbtCloudJobRunSensor as Sensor\n",
    ),
    case(
        "names of one home, in parentheses with comments",
        """
        from DATABRICKS.operators.databricks import (  # both
            # the first
            DatabricksRunNowOperator,  # run

            DatabricksSubmitRunOperator  # submit
            # end
        )
        """,
        """
        from OURS.operators.databricks_jobs import (  # both
            # the first
            DatabricksRunNowOperator,  # run

            DatabricksSubmitRunOperator  # submit
            # end
        )
        """,
    ),
    case(
        "names that part, on one line",
        """
        from DATABRICKS.operators.databricks import DatabricksRunNowOperator, DatabricksJobRunLink  # noqa
        """,
        """
        from OURS.operators.databricks_jobs import DatabricksRunNowOperator  # noqa
        from DATABRICKS.operators.databricks import DatabricksJobRunLink  # noqa
        """,
        "DatabricksJobRunLink stays official",
    ),
    case(
        "names that part, in parentheses with comments",
        """
        # above
        from DATABRICKS.operators.databricks import (  # open
            # a run
            DatabricksRunNowOperator,  # run
            # a link
            DatabricksJobRunLink as Link,  # link
            # a submit
            DatabricksSubmitRunOperator,  # submit
            # end
        )
        """,
        """
        # above
        from OURS.operators.databricks_jobs import (  # open
            # a run
            DatabricksRunNowOperator,  # run
            # a submit
            DatabricksSubmitRunOperator,  # submit
            # end
        )
        from DATABRICKS.operators.databricks import (
            # a link
            DatabricksJobRunLink as Link,  # link
        )
        """,
        "DatabricksJobRunLink stays official",
    ),
    case(
        "names that part, in parentheses without a last comma",
        """
        from DATABRICKS.operators.databricks import (
            DatabricksJobRunLink, DatabricksRunNowOperator,
            DatabricksSubmitRunOperator
        )
        """,
        """
        from DATABRICKS.operators.databricks import (
            DatabricksJobRunLink
        )
        from OURS.operators.databricks_jobs import (
            DatabricksRunNowOperator,
            DatabricksSubmitRunOperator
        )
        """,
        "DatabricksJobRunLink stays official",
    ),
    case(
        "three homes",
        "from DBT.operators.dbt import DbtCloudHook, DbtCloudRunJobOperatorLink, DbtCloudRunJobOperator\n",
        """
        from OURS.hooks.dbt_cloud import DbtCloudHook
        from DBT.operators.dbt import DbtCloudRunJobOperatorLink
        from OURS.operators.dbt_cloud import DbtCloudRunJobOperator
        """,
        "DbtCloudRunJobOperatorLink stays official",
    ),
    case(
        "a continued line",
        "from DBT.operators.dbt import \\\n    DbtCloudRunJobOperator\n",
        "from OURS.operators.dbt_cloud import \\\n    DbtCloudRunJobOperator\n",
    ),
    case(
        "inside a function, for types, and guarded",
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from DBT.hooks.dbt import DbtCloudHook
        try:
            from DBT.sensors.dbt import DbtCloudJobRunSensor
        except ImportError:
            DbtCloudJobRunSensor = None


        def late():
            from DATABRICKS.hooks.databricks import DatabricksHook, GET_RUN_ENDPOINT

            return DatabricksHook, GET_RUN_ENDPOINT
        """,
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from OURS.hooks.dbt_cloud import DbtCloudHook
        try:
            from OURS.sensors.dbt_cloud import DbtCloudJobRunSensor
        except ImportError:
            DbtCloudJobRunSensor = None


        def late():
            from OURS.hooks.databricks import DatabricksHook
            from DATABRICKS.hooks.databricks import GET_RUN_ENDPOINT

            return DatabricksHook, GET_RUN_ENDPOINT
        """,
        "GET_RUN_ENDPOINT stays official",
    ),
    case(
        "several statements on a line",
        "if x: from DATABRICKS.hooks.databricks import DatabricksHook, GET_RUN_ENDPOINT\n"
        "a = 1; from DATABRICKS.hooks.databricks import DatabricksHook, GET_RUN_ENDPOINT; b = 2\n",
        "if x: from OURS.hooks.databricks import DatabricksHook; "
        "from DATABRICKS.hooks.databricks import GET_RUN_ENDPOINT\n"
        "a = 1; from OURS.hooks.databricks import DatabricksHook; "
        "from DATABRICKS.hooks.databricks import GET_RUN_ENDPOINT; b = 2\n",
        "GET_RUN_ENDPOINT stays official",
        "GET_RUN_ENDPOINT stays official",
    ),
    case(
        "a module under another name",
        "import DBT.operators.dbt as m, os\nm.DbtCloudRunJobOperator(task_id='x')\n",
        "import OURS.operators.dbt_cloud as m, os\nm.DbtCloudRunJobOperator(task_id='x')\n",
    ),
    case(
        "a module from its package",
        "from DBT.operators import dbt\ndbt.DbtCloudRunJobOperator.partial(task_id='x')\n",
        "from OURS.operators import dbt_cloud as dbt\ndbt.DbtCloudRunJobOperator.partial(task_id='x')\n",
    ),
    case(
        "a module by its whole name",
        "import DBT.operators.dbt\nx = [DBT.operators.dbt.DbtCloudRunJobOperator]\n",
        "import OURS.operators.dbt_cloud\nx = [OURS.operators.dbt_cloud.DbtCloudRunJobOperator]\n",
    ),
    case(
        "a module by its whole name, whose first part is needed",
        "import DBT.operators.dbt\nx = DBT.operators.dbt.DbtCloudRunJobOperator, airflow.DAG\n",
        "import DBT.operators.dbt\nimport OURS.operators.dbt_cloud\n"
        "x = OURS.operators.dbt_cloud.DbtCloudRunJobOperator, airflow.DAG\n",
    ),
    case(
        "a module of which something stays",
        "import DATABRICKS.operators.databricks as db\n"
        "a, b = db.DatabricksRunNowOperator, db.DatabricksJobRunLink\n",
        "import DATABRICKS.operators.databricks as db\n"
        "import OURS.operators.databricks_jobs as db_pipehooks\n"
        "a, b = db_pipehooks.DatabricksRunNowOperator, db.DatabricksJobRunLink\n",
        "DatabricksJobRunLink stays official",
    ),
    case(
        "a module of several homes",
        "from DBT.operators import dbt\na = dbt.DbtCloudRunJobOperator\nb = dbt.DbtCloudHook\n",
        "from DBT.operators import dbt\n"
        "import OURS.operators.dbt_cloud as dbt_pipehooks\n"
        "import OURS.hooks.dbt_cloud as dbt_pipehooks2\n"
        "a = dbt_pipehooks.DbtCloudRunJobOperator\nb = dbt_pipehooks2.DbtCloudHook\n",
    ),
    case(
        "a module that is handed on",
        "import DBT.hooks.dbt as m\nf(m)\n",
        None,
        "is handed on as a whole",
    ),
    case(
        "a name that hides the module",
        "import DBT.operators.dbt as m\n\n\ndef f(m):\n    return m.DbtCloudRunJobOperator\n",
        None,
        "no use of it was found",
    ),
    case("a star", "from DBT.operators.dbt import *\n", None, "name what is imported"),
    case(
        "what stays altogether",
        "from DATABRICKS.operators.databricks_sql import DatabricksSqlOperator\n",
        None,
        "DatabricksSqlOperator stays official (SQL)",
    ),
    case(
        "old homes",
        "from airflow.contrib.operators.databricks_operator import DatabricksSubmitRunOperator\n"
        "from astronomer.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperatorAsync\n",
        "from OURS.operators.databricks_jobs import DatabricksSubmitRunOperator\n"
        "from OURS.operators.dbt_cloud import DbtCloudRunJobOperatorAsync\n",
    ),
    case(
        "texts that are a path, and texts that hold one",
        "A = 'DBT.operators.dbt.DbtCloudRunJobOperator'\n"
        "B = 'see DBT.operators.dbt.DbtCloudRunJobOperator'\n"
        "C = f'{A} DBT.operators.dbt.DbtCloudRunJobOperator'\n"
        "D = 'DBT.hooks.dbt.DbtCloudHook.get_job'\n"
        "E = 'DBT.hooks.dbt'\n"
        "F = 'DBT.operators.dbt.DbtCloudRunJobOperatorLink'\n",
        "A = 'OURS.operators.dbt_cloud.DbtCloudRunJobOperator'\n"
        "B = 'see DBT.operators.dbt.DbtCloudRunJobOperator'\n"
        "C = f'{A} DBT.operators.dbt.DbtCloudRunJobOperator'\n"
        "D = 'DBT.hooks.dbt.DbtCloudHook.get_job'\n"
        "E = 'DBT.hooks.dbt'\n"
        "F = 'DBT.operators.dbt.DbtCloudRunJobOperatorLink'\n",
        *["a text holds"] * 4,
    ),
    case(
        "documentation, comments and other providers",
        '"""DBT.operators.dbt.DbtCloudRunJobOperator."""\n'
        "# DBT.operators.dbt.DbtCloudRunJobOperator\n"
        "from airflow.providers.amazon.aws.operators.sns import SnsPublishOperator\n"
        "from .dbt import DbtCloudRunJobOperator\n",
    ),
]


@pytest.mark.parametrize("each", CASES, ids=[each.name for each in CASES])
def test_a_file(each: Case) -> None:
    done = rewrite(each.before.encode())
    assert done.data.decode() == each.after
    assert len(done.findings) == len(each.says)
    for finding, says in zip(done.findings, each.says, strict=True):
        assert says in finding.says


@pytest.mark.parametrize("each", CASES, ids=[each.name for each in CASES])
def test_a_second_time_there_is_nothing_to_do(each: Case) -> None:
    assert rewrite(each.after.encode()).data.decode() == each.after


def test_findings_name_the_line() -> None:
    text = f'x = 1\ny = """\n{DBT}.hooks.dbt\n"""\nfrom {DBT}.hooks.dbt import *\n'
    found = rewrite(text.encode()).findings
    assert [(each.line, each.undone) for each in found] == [(3, False), (5, True)]


IMPORT = f"from {DBT}.operators.dbt import DbtCloudRunJobOperator"


@pytest.mark.parametrize(
    "data",
    [
        f"# -*- coding: latin-1 -*-\nx = 'é'\n{IMPORT}\n".encode("latin-1"),
        b"\xef\xbb\xbf" + f"x = 'é'\n{IMPORT}\n".encode(),
        f"x = 1\r\n{IMPORT}\r\ny = 2\r\n".encode(),
        f"x = 1\r\n{IMPORT}\ny = 2\r\n\tz\n".replace("\tz\n", "z = 3\n").encode(),
        f"if x:\n\t{IMPORT}\n\ty  =  ( 2 )  \n\x0c\n".encode(),
        f"{IMPORT}\nx = '''\r\n'''".encode(),
        f"{IMPORT}\nmatch x:\n    case [1, *_]: pass\n".encode(),
    ],
    ids=["latin-1", "byte order mark", "CRLF", "mixed line ends", "tabs", "no last line end", "match"],
)
def test_encoding_line_ends_and_white_space_stay(data: bytes) -> None:
    old, new = f"{DBT}.operators.dbt".encode(), f"{OURS}.operators.dbt_cloud".encode()
    assert rewrite(data).data == data.replace(old, new)


def test_added_lines_end_as_the_file_does() -> None:
    data = f"x = 1\r\nfrom {DBT}.hooks.dbt import DbtCloudHook, TokenAuth\r\n".encode()
    assert rewrite(data).data.count(b"\r\n") == rewrite(data).data.count(b"\n") == 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"x = (\n", "does not parse: line"),
        (b"print 'x'\n", "does not parse"),
        (b"# coding: nonsense\n", "does not parse"),
        (b"x = '\xff'\n", "does not parse"),
        (b"x = " + b"(" * 5000 + b")" * 5000 + b"\n", "does not parse"),
    ],
)
def test_a_file_that_does_not_parse_is_left_with_one_line_of_why(data: bytes, says: str) -> None:
    with pytest.raises(CannotRewrite) as raised:
        rewrite(data)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


MODULE = f"{DATABRICKS}.operators.databricks"
NAMES = [*MOVED[MODULE], "DatabricksJobRunLink", "DatabricksTaskOperator", "XCOM_RUN_ID_KEY"]


@st.composite
def imports(draw: st.DrawFn) -> str:
    """One import with names, aliases, comments and line ends anywhere they may be."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    spaces = st.sampled_from([" ", "\n    ", "  # c\n    ", "\n    # own\n    ", "\n\n    "])
    parts = [f"{name}{draw(st.sampled_from(['', ' as x_' + name.lower()]))}" for name in names]
    inside = ""
    for at, part in enumerate(parts):
        comma = "," if at < len(parts) - 1 or draw(st.booleans()) else ""
        inside += f"{draw(spaces)}{part}{draw(st.sampled_from(['', ' ']))}{comma}"
    end = draw(st.sampled_from(["", "\n", "  # last\n"]))
    return f"# above\nfrom {MODULE} import ({inside}{end})\n"


def bound(source: str) -> dict[str, str]:
    """What each name of the imports comes from."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sorted(each.string for each in tokens if each.type == tokenize.COMMENT)


@bounded
@given(imports())
def test_any_import_binds_the_same_names_and_keeps_its_comments(source: str) -> None:
    done = rewrite(source.encode()).data.decode()
    expected = {
        local: f"{HOME_OF[name]}.{name}" if name in MOVED[MODULE] else path
        for local, path in bound(source).items()
        for name in [path.rpartition(".")[2]]
    }
    assert bound(done) == expected
    assert set(comments(done)) == set(comments(source))
    assert comments(done).count("# own") == comments(source).count("# own")
    assert rewrite(done.encode()).data.decode() == done


def test_a_path_in_yaml_or_json_is_changed_where_it_is_a_whole_value() -> None:
    path, new = (
        f"{DBT}.operators.dbt.DbtCloudRunJobOperator",
        f"{OURS}.operators.dbt_cloud.DbtCloudRunJobOperator",
    )
    whole = [
        "operator: {}",
        "- '{}'",
        '{{"operator": "{}", "x": 1}}',
        "{{operator: {}}}",
        "x: {}  # why",
        "[{}, a]",
    ]
    parts = ["# operator: {}", "x: see {}", "x: {}.execute", 'x: "see {}"', "x: {}Link"]
    text = "\r\n".join(each.format(path) for each in [*whole, *parts])
    done = data_files.rewrite(text.encode())
    kept = [each.format(path) for each in parts]
    assert done.data.decode() == "\r\n".join([*(each.format(new) for each in whole), *kept])
    assert [each.line for each in done.findings] == [7, 8, 9, 10]


def test_a_data_file_that_is_not_utf_8_is_left() -> None:
    with pytest.raises(CannotRewrite, match="not UTF-8"):
        data_files.rewrite(b"\xff")
