-- What started the job runs of the last 30 days.
SELECT
  trigger_type,
  run_type,
  COUNT(DISTINCT run_id) AS runs,
  COUNT(DISTINCT IF(result_state = 'FAILED', run_id, NULL)) AS failed
FROM system.lakeflow.job_run_timeline
WHERE period_start_time >= CURRENT_DATE() - INTERVAL 30 DAYS
GROUP BY ALL
ORDER BY runs DESC, trigger_type, run_type
