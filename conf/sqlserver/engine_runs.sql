-- One row per run that was written to this database. ..._at_issue: US dollars, which overlap and are never
-- added. summary: the run's summary.json, as OPENJSON reads it.
CREATE TABLE dbo.engine_runs (
    run_id nvarchar(100) not null,
    as_of date not null,
    started_at datetime2(6) not null,
    written_at datetime2(6) not null,
    started_by nvarchar(400) null,
    config_hash nvarchar(64) not null,
    code_version nvarchar(100) not null,
    findings bigint not null,
    dispute_lines bigint not null,
    claims_at_issue decimal(18,2) null,
    invoice_lines_at_issue decimal(18,2) null,
    claims_340b_at_issue decimal(18,2) null,
    summary nvarchar(max) not null,
    CONSTRAINT pk_engine_runs PRIMARY KEY (run_id)
);
