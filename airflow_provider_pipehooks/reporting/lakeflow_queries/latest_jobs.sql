-- The jobs as they are now: of each the row that changed last.
SELECT
  workspace_id,
  job_id,
  name,
  change_time,
  ROW_NUMBER() OVER (PARTITION BY workspace_id, job_id ORDER BY change_time DESC) AS rn
FROM system.lakeflow.jobs
QUALIFY rn = 1
ORDER BY job_id
