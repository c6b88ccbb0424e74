"""`pipehooks demo`: the example DAGs on a real Airflow, the remotes and SNS played on this machine."""
