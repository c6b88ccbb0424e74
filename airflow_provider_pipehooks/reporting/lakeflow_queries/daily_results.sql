-- How the job runs of the last seven days ended, day by day. Only the last part of a run has its result.
SELECT
  workspace_id,
  to_date(period_start_time) AS day,
  result_state,
  COUNT(DISTINCT run_id) AS runs
FROM system.lakeflow.job_run_timeline
WHERE
  period_start_time > CURRENT_TIMESTAMP() - INTERVAL 7 DAYS
  AND result_state IS NOT NULL
GROUP BY ALL
ORDER BY workspace_id, day, result_state
