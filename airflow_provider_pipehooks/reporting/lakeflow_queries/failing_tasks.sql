-- Which tasks failed in the last 30 days, and by which codes.
SELECT
  workspace_id,
  job_id,
  task_key,
  COUNT_IF(result_state IN ('FAILED', 'ERROR', 'TIMED_OUT')) AS failures,
  COUNT(DISTINCT job_run_id) AS runs,
  array_join(array_sort(collect_set(CASE WHEN result_state IN ('FAILED', 'ERROR', 'TIMED_OUT') THEN termination_code END)), ', ') AS codes
FROM system.lakeflow.job_task_run_timeline
WHERE
  result_state IS NOT NULL
  AND period_end_time >= date_sub(current_date(), 30)
GROUP BY ALL
HAVING failures > 0
ORDER BY failures DESC, job_id, task_key
