"""What state handlers are made of: the states, one transition, and the task in Airflow around it."""
