-- How many job runs there were on each of the last seven days.
SELECT
  workspace_id,
  to_date(period_start_time) AS day,
  COUNT(DISTINCT run_id) AS runs
FROM system.lakeflow.job_run_timeline
WHERE period_start_time > CURRENT_TIMESTAMP() - INTERVAL 7 DAYS
GROUP BY ALL
ORDER BY workspace_id, day
