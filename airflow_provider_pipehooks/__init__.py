"""Start remote runs exactly once, watch them, tell hooks and people, remember.

The folders are the steps of that flow, the file names are services::

    operators      START   ask dbt Cloud or Databricks for a run
    sensors        JOIN    wait for a run that something else started
    triggers       WATCH   wait without holding a worker
    core           CHANGE  a state changed: pure Python, no Airflow, no I/O
    notifications  ALERT   tell people, with the reason
    standin                the remote APIs in one local process, for tests and the demo

``services`` holds what each remote says and means; ``hooks`` makes the calls.
"""

__version__ = "0.1.0"
