"""8 SHOW: what runs inside Airflow's own processes: control plane, listener. Off until switched on."""
