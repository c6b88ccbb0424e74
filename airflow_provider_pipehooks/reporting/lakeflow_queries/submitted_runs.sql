-- How long one-time runs of a name took over the last 60 days. Set :run_name.
SELECT
  workspace_id,
  run_id,
  MIN(period_start_time) AS started,
  SUM(period_end_time - period_start_time) AS run_time
FROM system.lakeflow.job_run_timeline
WHERE
  run_type = "SUBMIT_RUN"
  AND run_name = :run_name
  AND period_start_time > CURRENT_TIMESTAMP() - INTERVAL 60 DAYS
GROUP BY ALL
ORDER BY started
