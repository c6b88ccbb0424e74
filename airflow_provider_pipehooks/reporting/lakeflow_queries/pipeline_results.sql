-- How the updates of each pipeline ended in the last 30 days.
WITH latest_pipelines AS (
  SELECT *
  FROM system.lakeflow.pipelines
  QUALIFY ROW_NUMBER() OVER (PARTITION BY workspace_id, pipeline_id ORDER BY change_time DESC) = 1
)
SELECT
  pipeline_id,
  ANY_VALUE(latest_pipelines.name) AS name,
  result_state,
  COUNT(DISTINCT update_id) AS updates
FROM system.lakeflow.pipeline_update_timeline
LEFT JOIN latest_pipelines USING (workspace_id, pipeline_id)
WHERE
  result_state IS NOT NULL
  AND period_start_time >= CURRENT_DATE() - INTERVAL 30 DAYS
GROUP BY pipeline_id, result_state
ORDER BY pipeline_id, result_state
