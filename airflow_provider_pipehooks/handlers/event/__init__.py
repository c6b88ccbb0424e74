"""HOOKS: functions that are called with the events of a Databricks pipeline."""
