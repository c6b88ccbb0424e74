-- Which clusters and warehouses served more than one run of the last 30 days: all-purpose compute, most likely.
WITH used AS (
  SELECT
    workspace_id,
    job_id,
    job_run_id,
    EXPLODE(compute_ids) AS compute_id
  FROM system.lakeflow.job_task_run_timeline
  WHERE period_start_time >= CURRENT_DATE() - INTERVAL 30 DAYS
)
SELECT
  workspace_id,
  compute_id,
  COUNT(DISTINCT job_id) AS jobs,
  COUNT(DISTINCT job_run_id) AS runs
FROM used
GROUP BY ALL
HAVING runs > 1
ORDER BY runs DESC, compute_id
