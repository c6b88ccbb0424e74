"""JOIN an update of a Databricks pipeline: one by its id, or the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import Reader, as_text
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.sensors.remote_run import RemoteRunSensor
from airflow_provider_pipehooks.tasks.pipelines import JoinsPipeline

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.tasks.typed import SensorArguments


class DatabricksPipelineUpdateSensor(JoinsPipeline, RemoteRunSensor):
    """Wait for an update of a Databricks pipeline, and fail when it failed or was stopped.

    :param databricks_conn_id: type ``pipehooks_databricks``, ``databricks`` or ``http``.
    :param pipeline_id: of the pipeline; or give ``pipeline_name``.
    :param update_id: of the update; the newest of the pipeline if not given.
    :param deferrable: wait in the triggerer.
    :param event_hooks: functions under ``on_event_hook``, or ``EventHooks`` of them. These and the other
        ``event_...`` parameters: :class:`~airflow_provider_pipehooks.tasks.pipelines.JoinsPipeline`.
    """

    readers: ClassVar[Mapping[str, Reader]] = {**JoinsPipeline.pipeline_readers, "update_id": as_text}
    template_fields: Sequence[str] = ("databricks_conn_id", "pipeline_id", "pipeline_name", "update_id")

    def __init__(
        self,
        *,
        pipeline_id: str | None = None,
        pipeline_name: str | None = None,
        update_id: str | None = None,
        databricks_conn_id: str = "databricks_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        event_hooks: Any = None,
        event_batch_size: int = 20,
        event_drain: float | timedelta = 30,
        wake_every: float | timedelta = 60,
        most_wakes: int = 60,
        on_hook_disabled: Any = None,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(deferrable=deferrable, hook_params=hook_params, **kwargs)
        self.databricks_conn_id = databricks_conn_id
        self.pipeline_id = pipeline_id
        self.pipeline_name = pipeline_name
        self.update_id = update_id
        self.take_hooks(event_hooks, event_batch_size, event_drain, wake_every, most_wakes, on_hook_disabled)
        self.check_pipeline()
        self.check_literals()

    def poke(self, context: Context) -> Any:
        if not self.service_options:
            self.find_pipeline()
        return super().poke(context)

    def execute_complete(self, context: Context, *args: Any, **kwargs: Any) -> Any:
        told = kwargs.get("event") or {}
        self.find_pipeline(told.get("run") or told.get("waits"))
        return super().execute_complete(context, *args, **kwargs)

    def find_run_id(self, context: Context) -> str:
        update_id: str | None = self.argument("update_id") or None
        if update_id:
            return update_id
        newest: Run = self.hook.call(self.service.newest_update())
        self.log.info("The newest update of pipeline %s is %s", newest.name or newest.job_id, newest.run_id)
        return str(newest.run_id)
