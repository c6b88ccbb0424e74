"""4 CHANGE: what a run is and what happens to it. Pure Python: imports no Airflow and does no I/O."""
