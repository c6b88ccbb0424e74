-- Which runs were repaired, and how often: each repair ends once more.
WITH ends AS (
  SELECT
    workspace_id,
    job_id,
    run_id,
    COUNT(*) - 1 AS repairs
  FROM system.lakeflow.job_run_timeline
  WHERE result_state IS NOT NULL
  GROUP BY ALL
  HAVING repairs > 0
)
SELECT * FROM ends
ORDER BY repairs DESC, run_id
LIMIT 10
