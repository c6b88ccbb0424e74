"""What the package does inside Airflow's own processes: control plane, listener. Off until switched on."""
