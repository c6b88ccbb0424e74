"""Shape: the hook in tasks: start, look, ask for the page."""

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.sdk import DAG, task

with DAG("databricks_hook", schedule=None) as dag:

    @task
    def start():
        return DatabricksHook("databricks_default").run_now({"job_id": 2001})

    @task
    def look(run_id):
        hook = DatabricksHook()
        state = hook.get_run_state(run_id)
        return [state.is_terminal, state.is_successful, str(run_id) in hook.get_run_page_url(run_id)]

    @task
    def find():
        return DatabricksHook().find_job_id_by_name("flaky")

    look(start()) >> find()
