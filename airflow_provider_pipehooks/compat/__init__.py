"""What Airflow does not promise, or does differently in its versions: the one folder that touches it."""
