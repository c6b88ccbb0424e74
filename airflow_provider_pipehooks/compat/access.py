"""Who looks at a page of ours in Airflow's API server, and what Airflow lets them read (read in 3.3.2).

Airflow authenticates nobody before an application of a plugin, so each of its routes has to ask. Airflow's
own dependencies for DAGs look for the auth manager in the state of the application, where ours has none; the
function behind them finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A user, as far as a page has to know them.

    :param dag_ids: of the DAGs that they may read.
    :param others: of all other DAGs.
    :param reads_xcoms: where the runs of tasks are recorded.
    :param reads_connections: and with them what an account or a workspace tells whoever logs in there.
    """

    name: str = ""
    dag_ids: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    reads_xcoms: bool = False
    reads_connections: bool = False

    @property
    def sees_accounts(self) -> bool:
        """Whether they may see runs that belong to no DAG in particular."""
        return self.reads_connections and not self.others

    def dag_of(self, member: str) -> str | None:
        """The DAG that a ``dag_id.task_id`` is of; None if it is, or may be, one that they may not read.

        Both may have dots in them.
        """
        ends = [at for at, sign in enumerate(member) if sign == "."] + [len(member)]
        possible = [member[:end] for end in ends]
        if any(dag_id in self.others for dag_id in possible):
            return None
        return max((dag_id for dag_id in possible if dag_id in self.dag_ids), key=len, default=None)


def reader_of(user: Annotated[Any, Depends(get_user)]) -> Reader:
    """The user of a request, as a dependency of a route; in a thread, since it asks the database.

    :raises HTTPException: 401 when nobody is logged in, 403 for a token that is none.
    """
    manager: Any = get_auth_manager()
    dag_ids = frozenset(manager.get_authorized_dag_ids(user=user, method="GET"))
    xcoms = manager.is_authorized_dag(
        method="GET", access_entity=DagAccessEntity.XCOM, details=DagDetails(id=None), user=user
    )
    return Reader(
        name=user.get_name(),
        dag_ids=dag_ids,
        others=_all_dag_ids() - dag_ids,
        reads_xcoms=bool(xcoms),
        reads_connections=bool(manager.is_authorized_connection(method="GET", user=user)),
    )


def _all_dag_ids() -> frozenset[str]:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return frozenset(session.scalars(select(DagModel.dag_id)))
