"""8 SHOW: what the page in Airflow's UI shows, one file for each of its parts."""
