"""Start remote runs exactly once, watch them, tell hooks and people, remember.

The folders are the steps of that flow, the file names are services::

    1  operators      START     ask dbt Cloud or Databricks for a run
    2  sensors        JOIN      wait for a run that something else started
       tasks                    what both share: one task, one run
    3  triggers       WATCH     wait without holding a worker
    4  core           CHANGE    what a run is and what happens to it: pure Python, no Airflow, no I/O
    5  handlers       HOOKS     who is told of a change, and who may decide
    6  notifications  ALERT     tell people, with the reason
    7  reporting      REMEMBER  run history, its figures, the report
    8  plugins        SHOW      what runs inside Airflow's own processes

``services`` holds what each remote says and means, ``hooks`` makes the calls, ``compat`` asks Airflow what it
does not promise. ``standin`` plays the remotes for tests and the demo.
"""

__version__ = "0.1.0"
