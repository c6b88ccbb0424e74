-- Fills the tables of schema lakeflow (see lakeflow_tables.py) from the view runs of the history.
-- What a SELECT leaves out is NULL. INSERT BY NAME casts to the documented types.

-- What is told of a run, read once and leniently: a value of another type than told here is NULL.
CREATE MACRO run_object(raw) AS from_json(raw, '{
    "run_type": "VARCHAR", "run_name": "VARCHAR", "trigger": "VARCHAR", "trigger_info": {"run_id": "VARCHAR"},
    "schedule": {"quartz_cron_expression": "VARCHAR", "timezone_id": "VARCHAR", "pause_status": "VARCHAR"},
    "state": {"life_cycle_state": "VARCHAR", "result_state": "VARCHAR"},
    "status": {"state": "VARCHAR", "termination_details": {"code": "VARCHAR", "type": "VARCHAR"}},
    "setup_duration": "BIGINT", "queue_duration": "BIGINT", "run_duration": "BIGINT",
    "cleanup_duration": "BIGINT", "execution_duration": "BIGINT",
    "cluster_instance": {"cluster_id": "VARCHAR"},
    "job_parameters": [{"name": "VARCHAR", "value": "VARCHAR", "default": "VARCHAR"}],
    "repair_history": [{"start_time": "BIGINT", "end_time": "BIGINT",
        "state": {"life_cycle_state": "VARCHAR", "result_state": "VARCHAR"},
        "status": {"state": "VARCHAR", "termination_details": {"code": "VARCHAR", "type": "VARCHAR"}}}],
    "tasks": [{"run_id": "VARCHAR", "task_key": "VARCHAR", "attempt_number": "BIGINT",
        "start_time": "BIGINT", "end_time": "BIGINT",
        "state": {"life_cycle_state": "VARCHAR", "result_state": "VARCHAR"},
        "status": {"state": "VARCHAR", "termination_details": {"code": "VARCHAR", "type": "VARCHAR"}},
        "setup_duration": "BIGINT", "cleanup_duration": "BIGINT", "execution_duration": "BIGINT",
        "cluster_instance": {"cluster_id": "VARCHAR"}, "existing_cluster_id": "VARCHAR",
        "sql_task": {"warehouse_id": "VARCHAR"}, "timeout_seconds": "BIGINT",
        "depends_on": [{"task_key": "VARCHAR"}]}]
}');
CREATE MACRO update_object(raw) AS from_json(raw, '{
    "cause": "VARCHAR", "cluster_id": "VARCHAR",
    "refresh_selection": ["VARCHAR"], "full_refresh_selection": ["VARCHAR"],
    "reset_checkpoint_selection": ["VARCHAR"],
    "config": {"photon": "BOOLEAN", "development": "BOOLEAN", "continuous": "BOOLEAN", "serverless": "BOOLEAN",
        "edition": "VARCHAR", "channel": "VARCHAR", "configuration": "MAP(VARCHAR, VARCHAR)"}
}');

-- Databricks' milliseconds; 0 is "not yet", and a time after the year 9999 is none.
CREATE MACRO time_of(ms) AS CASE WHEN ms BETWEEN 1 AND 253402300799000 THEN CAST(epoch_ms(ms) AS TIMESTAMPTZ) END;

-- The word that the table has for a result. NULL while it goes on. A way to end that this list does not know is no
-- success. The older field comes first: only it tells a time limit from a cancel.
CREATE MACRO result_of(state, status) AS CASE
    WHEN NOT coalesce(state.life_cycle_state IN ('TERMINATED', 'SKIPPED', 'INTERNAL_ERROR'), status.state = 'TERMINATED')
        THEN NULL
    WHEN state.result_state IN ('SUCCESS', 'SUCCESS_WITH_FAILURES') THEN 'SUCCEEDED'
    WHEN state.result_state = 'TIMEDOUT' THEN 'TIMED_OUT'
    WHEN state.result_state = 'CANCELED' THEN 'CANCELLED'
    WHEN state.result_state IN ('UPSTREAM_FAILED', 'UPSTREAM_CANCELED') THEN 'BLOCKED'
    WHEN state.result_state IN ('MAXIMUM_CONCURRENT_RUNS_REACHED', 'EXCLUDED', 'DISABLED') THEN 'SKIPPED'
    WHEN state.life_cycle_state = 'SKIPPED' THEN 'SKIPPED'
    WHEN state.life_cycle_state = 'INTERNAL_ERROR' THEN 'ERROR'
    WHEN state.result_state = 'FAILED' THEN 'FAILED'
    WHEN state.result_state IS NOT NULL THEN 'ERROR'
    WHEN status.termination_details.code IN ('SUCCESS', 'SUCCESS_WITH_FAILURES') THEN 'SUCCEEDED'
    WHEN status.termination_details.code IN ('CANCELED', 'USER_CANCELED') THEN 'CANCELLED'
    WHEN status.termination_details.code IN
        ('SKIPPED', 'DISABLED', 'MAX_CONCURRENT_RUNS_EXCEEDED', 'MAX_JOB_QUEUE_SIZE_EXCEEDED') THEN 'SKIPPED'
    WHEN status.termination_details."type" IN ('INTERNAL_ERROR', 'CLOUD_FAILURE') THEN 'ERROR'
    WHEN status.termination_details.code IS NOT NULL THEN 'FAILED'
END;
CREATE MACRO code_of(status) AS
    CASE status.termination_details.code WHEN 'CANCELED' THEN 'CANCELLED' ELSE status.termination_details.code END;
CREATE MACRO trigger_of(word, schedule) AS CASE word
    WHEN 'PERIODIC' THEN CASE WHEN schedule.quartz_cron_expression IS NULL THEN 'PERIODIC' ELSE 'CRON' END
    WHEN 'ONE_TIME' THEN 'ONETIME'
    WHEN 'RETRY' THEN 'ONETIME_RETRY'
    WHEN 'CONTINUOUS_RESTART' THEN 'CONTINUOUS'
    ELSE word
END;
-- A map takes no key twice; the first one stays.
CREATE MACRO parameters_of(told) AS map_from_entries(list_transform(
    list_filter(told, lambda each, n: each.name IS NOT NULL
        AND n = list_position(list_transform(told, lambda other: other.name), each.name)),
    lambda each: (each.name, MAP {'value': each."value", 'default': each."default"})
));
CREATE MACRO compute_of(cluster_id, warehouse_id) AS CASE WHEN coalesce(cluster_id, warehouse_id) IS NOT NULL
    THEN [{'type': NULL, 'cluster_id': cluster_id, 'warehouse_id': warehouse_id}] END;
CREATE MACRO ids_of(compute) AS CASE WHEN compute IS NOT NULL
    THEN list_filter([compute[1].cluster_id, compute[1].warehouse_id], lambda each: each IS NOT NULL) END;
CREATE MACRO tables_of(names) AS list_transform(
    list_filter(list_transform(names, lambda name: string_split(CAST(name AS VARCHAR), '.')),
        lambda parts: len(parts) = 3),
    lambda parts: {'table_catalog': parts[1], 'table_schema': parts[2], 'table_name': parts[3]}
);

-- Databricks cuts what takes longer than an hour at the full hours of the clock (since 2026-01-19). The part that
-- holds the end is the one with the result. What still goes on has the hours that were over when it was last seen.
-- spans: a view with begun, ended, is_over and seen_at.
CREATE MACRO hours_of(spans) AS TABLE
    SELECT * EXCLUDE (hour, hours, until),
        CASE WHEN hour = 0 THEN begun ELSE date_trunc('hour', begun) + to_hours(hour) END AS period_start_time,
        CASE WHEN hour = hours - 1 THEN until ELSE date_trunc('hour', begun) + to_hours(hour + 1) END
            AS period_end_time,
        is_over AND hour = hours - 1 AS is_end
    FROM (
        SELECT *, unnest(range(hours)) AS hour
        FROM (
            SELECT *, CASE
                -- Nothing runs for longer than what is remembered: that is no time.
                WHEN until IS NULL OR until - begun > INTERVAL 400 DAYS THEN 1
                ELSE greatest(date_diff('hour', begun, until - INTERVAL 1 MICROSECOND), 0) + 1
            END AS hours
            FROM (
                SELECT *, CASE
                    WHEN NOT is_over THEN date_trunc('hour', seen_at)
                    WHEN ended IS NOT NULL THEN greatest(ended, begun)
                END AS until
                FROM query_table(spans)
            )
            WHERE begun IS NOT NULL AND (is_over OR until > begun)
        )
    );

-- The number of the workspace stands in the addresses of its pages; else its host names it.
CREATE TABLE workspaces AS
    SELECT account, coalesce(
        max(nullif(regexp_extract(url, '[?&]o=([0-9]{1,20})\b', 1), '')),
        nullif(regexp_extract(account, '^adb-([0-9]{1,20})\.', 1), ''),
        account
    ) AS workspace_id
    FROM runs WHERE service IN ('databricks_jobs', 'databricks_pipelines') GROUP BY account;

-- Each as it was seen last.
CREATE VIEW databricks AS
    SELECT workspace_id, runs.* FROM runs JOIN workspaces USING (account)
    WHERE task_key = ''
    QUALIFY row_number() OVER (PARTITION BY service, account, run_id ORDER BY seen_at DESC, attempt DESC) = 1;
CREATE TABLE job_runs AS
    SELECT *, told.status AS ending,
        -- A time limit that only the message tells of is in the class.
        CASE WHEN "class" = 'timeout' THEN 'TIMED_OUT' ELSE result_of(told.state, told.status) END AS result
    FROM (SELECT * EXCLUDE (raw), run_object(raw) AS told FROM databricks WHERE service = 'databricks_jobs');
CREATE TABLE updates AS
    SELECT * EXCLUDE (raw), update_object(raw) AS told,
        CASE WHEN status IN ('COMPLETED', 'FAILED', 'CANCELED') THEN status END AS result
    FROM databricks WHERE service = 'databricks_pipelines';

-- Of a run that was repaired each round has an end, and so a result, of its own. Its repair_history has them.
CREATE VIEW told_rounds AS
    SELECT * EXCLUDE (item, round, rounds) REPLACE (
            CASE WHEN round = rounds THEN ending ELSE item.status END AS ending,
            CASE WHEN round = rounds THEN result ELSE result_of(item.state, item.status) END AS result
        ),
        time_of(item.start_time) AS begun,
        CASE WHEN round = rounds THEN ended_at ELSE time_of(item.end_time) END AS ended,
        round = rounds AS is_last
    FROM (
        SELECT *, len(told.repair_history) AS rounds, unnest(told.repair_history) AS item,
            generate_subscripts(told.repair_history, 1) AS round
        FROM job_runs WHERE len(told.repair_history) > 1
    );
-- Lists leave it out; then there are the ends that the history has seen, each as an attempt of its own.
CREATE TABLE ends AS
    SELECT account, run_id, attempt, ended, told.status AS ending, false AS is_last,
        CASE WHEN "class" = 'timeout' THEN 'TIMED_OUT' ELSE result_of(told.state, told.status) END AS result
    FROM (
        SELECT account, run_id, seen.attempt, seen.ended_at AS ended, seen."class", run_object(seen.raw) AS told
        FROM runs AS seen JOIN job_runs USING (account, run_id)
        WHERE seen.service = 'databricks_jobs' AND seen.task_key = '' AND seen.attempt < job_runs.attempt
            AND seen.ended_at < coalesce(job_runs.ended_at, job_runs.seen_at)
    )
    UNION ALL BY NAME
    SELECT account, run_id, attempt, ending, true AS is_last, result,
        -- A run that was skipped never began.
        coalesce(ended_at, CASE WHEN result = 'SKIPPED' THEN created_at END) AS ended
    FROM job_runs;
CREATE VIEW seen_rounds AS
    SELECT * EXCLUDE (before), CASE WHEN before IS NULL THEN created_at ELSE coalesce(list_min(list_filter(
            list_transform(told.tasks, lambda task: time_of(task.start_time)), lambda start: start >= before
        )), before) END AS begun
    FROM (
        SELECT job_runs.* EXCLUDE (ending, result), ends.ending, ends.result, ends.ended, ends.is_last,
            lag(ends.ended) OVER (PARTITION BY account, run_id ORDER BY ends.attempt) AS before
        FROM job_runs JOIN ends USING (account, run_id)
        WHERE coalesce(len(told.repair_history), 0) < 2
    );
CREATE VIEW run_spans AS
    SELECT workspace_id, job_id, run_id, seen_at, begun, ended, ending, result, is_last,
        NOT is_last OR result IS NOT NULL AS is_over,
        trigger_of(told."trigger", told.schedule) AS trigger_type, told.run_type AS run_type,
        told.run_name AS run_name, compute_of(told.cluster_instance.cluster_id, NULL) AS compute,
        parameters_of(told.job_parameters) AS job_parameters, told.trigger_info.run_id AS source_task_run_id,
        told.setup_duration AS setup, told.queue_duration AS queue, told.run_duration AS run,
        told.cleanup_duration AS cleanup, told.execution_duration AS execution
    FROM (SELECT * FROM told_rounds UNION ALL BY NAME SELECT * FROM seen_rounds);

INSERT INTO lakeflow.job_run_timeline BY NAME
    SELECT workspace_id, job_id, run_id, period_start_time, period_end_time, trigger_type, run_type, run_name,
        ids_of(compute) AS compute_ids, compute, job_parameters, source_task_run_id,
        CASE WHEN is_end THEN result END AS result_state,
        CASE WHEN is_end THEN code_of(ending) END AS termination_code,
        CASE WHEN is_end THEN ending.termination_details."type" END AS termination_type,
        -- Those of the whole run, with its repairs.
        CASE WHEN is_end AND is_last THEN setup // 1000 END AS setup_duration_seconds,
        CASE WHEN is_end AND is_last THEN queue // 1000 END AS queue_duration_seconds,
        CASE WHEN is_end AND is_last THEN run // 1000 END AS run_duration_seconds,
        CASE WHEN is_end AND is_last THEN cleanup // 1000 END AS cleanup_duration_seconds,
        CASE WHEN is_end AND is_last THEN execution // 1000 END AS execution_duration_seconds
    FROM hours_of('run_spans') ORDER BY period_start_time;

-- A task that never began stands at its end, or at that of its run.
CREATE VIEW task_spans AS
    SELECT *, result IS NOT NULL AS is_over, started_at IS NOT NULL AS has_begun,
        CASE WHEN result IS NULL THEN started_at ELSE coalesce(started_at, task_ended_at, run_ended_at) END AS begun,
        coalesce(task_ended_at, CASE WHEN result IN ('SKIPPED', 'BLOCKED') THEN begun END) AS ended
    FROM (
        SELECT workspace_id, job_id, run_id AS job_run_id, seen_at, task, task.status AS ending,
            result_of(task.state, task.status) AS result,
            time_of(task.start_time) AS started_at, time_of(task.end_time) AS task_ended_at, run_ended_at
        FROM (SELECT * EXCLUDE (ended_at), ended_at AS run_ended_at, unnest(told.tasks) AS task FROM job_runs)
        WHERE task.task_key IS NOT NULL
    );

INSERT INTO lakeflow.job_task_run_timeline BY NAME
    SELECT workspace_id, job_id, task.run_id AS run_id, job_run_id, job_run_id AS parent_run_id,
        period_start_time, period_end_time, task.task_key AS task_key,
        compute_of(
            CASE WHEN has_begun THEN coalesce(task.cluster_instance.cluster_id, task.existing_cluster_id) END,
            CASE WHEN has_begun THEN task.sql_task.warehouse_id END
        ) AS compute,
        ids_of(compute) AS compute_ids,
        CASE WHEN is_end THEN result END AS result_state,
        CASE WHEN is_end THEN code_of(ending) END AS termination_code,
        CASE WHEN is_end THEN ending.termination_details."type" END AS termination_type,
        CASE WHEN is_end THEN task.setup_duration // 1000 END AS setup_duration_seconds,
        CASE WHEN is_end THEN task.cleanup_duration // 1000 END AS cleanup_duration_seconds,
        CASE WHEN is_end THEN task.execution_duration // 1000 END AS execution_duration_seconds
    FROM hours_of('task_spans') ORDER BY period_start_time;

-- A row for each change, at the begin of the first run that shows it. One-time runs have no job.
INSERT INTO lakeflow.jobs BY NAME
    SELECT workspace_id, job_id, name, change_time,
        CASE WHEN schedule IS NOT NULL THEN {'file_arrival': NULL, 'periodic': NULL, 'continuous': NULL,
            'table_update': NULL, 'schedule': {'quartz_cron_expression': schedule.quartz_cron_expression,
                'timezone_id': schedule.timezone_id}} END AS "trigger",
        CASE WHEN schedule IS NOT NULL THEN 'CRON' END AS trigger_type,
        CASE schedule.pause_status WHEN 'PAUSED' THEN true WHEN 'UNPAUSED' THEN false END AS paused
    FROM (
        SELECT workspace_id, job_id, run_id, coalesce(told.run_name, job_name) AS name, created_at AS change_time,
            -- Only runs that the schedule started tell it.
            last_value(CASE WHEN told.schedule.quartz_cron_expression IS NOT NULL THEN told.schedule END IGNORE NULLS)
                OVER (PARTITION BY workspace_id, job_id ORDER BY created_at, run_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS schedule
        FROM job_runs
        WHERE told.run_type = 'JOB_RUN' AND job_id IS NOT NULL AND created_at IS NOT NULL
    )
    QUALIFY row(name, schedule) IS DISTINCT FROM
        lag(row(name, schedule)) OVER (PARTITION BY workspace_id, job_id ORDER BY change_time, run_id)
    ORDER BY change_time;

INSERT INTO lakeflow.job_tasks BY NAME
    SELECT workspace_id, job_id, task_key, change_time, depends_on_keys, timeout_seconds
    FROM (
        SELECT workspace_id, job_id, task.task_key AS task_key, run_id, created_at AS change_time,
            coalesce(list_filter(list_transform(task.depends_on, lambda each: each.task_key),
                lambda each: each IS NOT NULL), []) AS depends_on_keys,
            task.timeout_seconds AS timeout_seconds
        FROM (SELECT *, unnest(told.tasks) AS task FROM job_runs WHERE told.run_type = 'JOB_RUN')
        WHERE task.task_key IS NOT NULL AND job_id IS NOT NULL AND created_at IS NOT NULL
        -- A repair takes the settings of now.
        QUALIFY row_number() OVER
            (PARTITION BY account, run_id, task.task_key ORDER BY task.attempt_number DESC NULLS LAST) = 1
    )
    QUALIFY row(depends_on_keys, timeout_seconds) IS DISTINCT FROM lag(row(depends_on_keys, timeout_seconds))
        OVER (PARTITION BY workspace_id, job_id, task_key ORDER BY change_time, run_id)
    ORDER BY change_time;

INSERT INTO lakeflow.pipelines BY NAME
    SELECT workspace_id, job_id AS pipeline_id, name, change_time,
        CASE WHEN config IS NOT NULL THEN {'photon': config.photon, 'development': config.development,
            'continuous': config.continuous, 'serverless': config.serverless, 'edition': config.edition,
            'channel': config.channel} END AS settings,
        config.configuration AS configuration
    FROM (
        SELECT workspace_id, job_id, run_id, job_name AS name, created_at AS change_time,
            -- A list of updates leaves the configuration out.
            last_value(told.config IGNORE NULLS) OVER (PARTITION BY workspace_id, job_id ORDER BY created_at, run_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS config
        FROM updates WHERE job_id IS NOT NULL AND created_at IS NOT NULL
    )
    QUALIFY row(name, config) IS DISTINCT FROM
        lag(row(name, config)) OVER (PARTITION BY workspace_id, pipeline_id ORDER BY change_time, run_id)
    ORDER BY change_time;

CREATE VIEW update_spans AS
    SELECT *, created_at AS begun, ended_at AS ended, result IS NOT NULL AS is_over FROM updates;

INSERT INTO lakeflow.pipeline_update_timeline BY NAME
    SELECT workspace_id, job_id AS pipeline_id, run_id AS update_id, told.cause AS trigger_type,
        CASE WHEN is_end THEN result END AS result_state,
        CASE WHEN told.cluster_id IS NOT NULL THEN {'type': NULL, 'cluster_id': told.cluster_id} END AS compute,
        period_start_time, period_end_time,
        tables_of(told.refresh_selection) AS refresh_selection,
        tables_of(told.full_refresh_selection) AS full_refresh_selection,
        told.reset_checkpoint_selection AS reset_checkpoint_selection
    FROM hours_of('update_spans') ORDER BY period_start_time;

-- Only the tables, and the history's own views, are for queries.
DROP VIEW run_spans;
DROP VIEW seen_rounds;
DROP VIEW told_rounds;
DROP VIEW task_spans;
DROP VIEW update_spans;
DROP TABLE ends;
DROP TABLE updates;
DROP TABLE job_runs;
DROP VIEW databricks;
DROP TABLE workspaces;
