-- Which jobs failed most in the last 30 days, with the share of their runs that went well.
WITH ends AS (
  SELECT
    workspace_id,
    job_id,
    CASE WHEN result_state IN ("ERROR", "FAILED", "TIMED_OUT") THEN 1 ELSE 0 END AS is_failure,
    period_end_time
  FROM system.lakeflow.job_run_timeline
  WHERE
    result_state IS NOT NULL
    AND period_end_time >= CURRENT_DATE() - INTERVAL 30 DAYS
),
latest_jobs AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY workspace_id, job_id ORDER BY change_time DESC) AS rn
  FROM system.lakeflow.jobs
  QUALIFY rn = 1
)
SELECT
  FIRST(latest_jobs.name, TRUE) AS name,
  ends.workspace_id,
  ends.job_id,
  COUNT(*) AS runs,
  SUM(ends.is_failure) AS failures,
  (1 - COALESCE(try_divide(SUM(ends.is_failure), COUNT(*)), 0)) * 100 AS success_percent,
  MAX(ends.period_end_time) AS last_seen
FROM ends
LEFT JOIN latest_jobs USING (workspace_id, job_id)
GROUP BY ALL
ORDER BY failures DESC, ends.job_id
LIMIT 100
