-- How the run time of each job went, week by week: the median of the runs that went well.
WITH run_times AS (
  SELECT
    workspace_id,
    job_id,
    run_id,
    date_trunc('WEEK', MIN(period_start_time)) AS week,
    CAST(SUM(period_end_time - period_start_time) AS LONG) AS seconds
  FROM system.lakeflow.job_run_timeline
  GROUP BY ALL
  HAVING MAX(result_state) = "SUCCEEDED"
)
SELECT
  workspace_id,
  job_id,
  to_date(week) AS week,
  COUNT(*) AS runs,
  PERCENTILE(seconds, 0.5) AS median_seconds
FROM run_times
GROUP BY ALL
ORDER BY workspace_id, job_id, week
