-- Several nodes over one store: which of them does the work that is needed once.

-- One row for each job that runs once in the whole cluster. Whoever moves `due_at` on, runs it.
CREATE TABLE job_runs (
    name   TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL,                            -- not before then
    ran_at BIGINT NOT NULL                             -- when somebody took it last
);
