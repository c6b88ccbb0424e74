-- How long the runs of each job took in the last seven days: on average, and the longest tenth and twentieth of them.
WITH run_times AS (
  SELECT
    workspace_id,
    job_id,
    run_id,
    CAST(SUM(period_end_time - period_start_time) AS LONG) AS seconds
  FROM system.lakeflow.job_run_timeline
  WHERE period_start_time > CURRENT_TIMESTAMP() - INTERVAL 7 DAYS
  GROUP BY ALL
)
SELECT
  workspace_id,
  job_id,
  COUNT(DISTINCT run_id) AS runs,
  MEAN(seconds) AS mean_seconds,
  PERCENTILE(seconds, 0.9) AS p90_seconds,
  PERCENTILE(seconds, 0.95) AS p95_seconds
FROM run_times
GROUP BY ALL
ORDER BY mean_seconds DESC, job_id
LIMIT 100
