-- The ten job runs of the last 30 days that took longest, from their first begin to their last end.
SELECT
  workspace_id,
  job_id,
  run_id,
  MAX_BY(result_state, period_end_time) AS result_state,
  TIMESTAMPDIFF(SECOND, MIN(period_start_time), MAX(period_end_time)) AS seconds
FROM system.lakeflow.job_run_timeline
WHERE period_start_time >= DATEADD(DAY, -30, CURRENT_TIMESTAMP())
GROUP BY ALL
ORDER BY seconds DESC, run_id
LIMIT 10
