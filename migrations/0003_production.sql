-- Several nodes over one store: which of them does the work that is needed once.

-- One row for each job that runs once in the whole cluster. Whoever moves `due_at` on, runs it.
CREATE TABLE job_runs (
    name   TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL,                            -- not before then
    ran_at BIGINT NOT NULL                             -- when somebody took it last
);

-- The lists of tries and of the audit trail are read by time and identifier; with both in the index no plan has to sort.
DROP INDEX attempts_by_time;
CREATE INDEX attempts_by_time ON attempts (at, id);
DROP INDEX audit_by_time;
CREATE INDEX audit_by_time ON audit (at, id);

-- Revocations are read in pages, each beginning behind the last row of the one before.
DROP INDEX revocations_by_expiry;
CREATE INDEX revocations_by_expiry ON revocations (expires_at, kind, subject);
