"""What touches Airflow, or differs between its versions."""
