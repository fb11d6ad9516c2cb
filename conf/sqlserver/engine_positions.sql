-- The unit ledger of every run (docs/positions.md). position_key: a hash of all columns but units, as_of
-- and previous_position. A run replaces its own rows and no others.
CREATE TABLE dbo.engine_positions (
    run_id nvarchar(100) not null,
    position_key nvarchar(64) not null,
    invoice_number nvarchar(400) null,
    line_kind nvarchar(20) null,
    program nvarchar(20) null,
    payer_id nvarchar(400) null,
    plan_id nvarchar(400) null,
    sub_program nvarchar(20) null,
    rebate_type nvarchar(20) null,
    state nvarchar(40) null,
    ndc11 nvarchar(11) null,
    period nvarchar(6) null,
    claim_id nvarchar(400) null,
    claim_line bigint null,
    units decimal(15,3) null,
    position nvarchar(30) null,
    code nvarchar(20) null,
    finding_id nvarchar(64) null,
    as_of date null,
    previous_position nvarchar(30) null,
    CONSTRAINT pk_engine_positions PRIMARY KEY (run_id, position_key)
);

-- Rows on their way in; empty between runs.
CREATE TABLE dbo.engine_positions_staging (
    write_id nvarchar(32) not null,
    run_id nvarchar(100) not null,
    position_key nvarchar(64) not null,
    invoice_number nvarchar(400) null,
    line_kind nvarchar(20) null,
    program nvarchar(20) null,
    payer_id nvarchar(400) null,
    plan_id nvarchar(400) null,
    sub_program nvarchar(20) null,
    rebate_type nvarchar(20) null,
    state nvarchar(40) null,
    ndc11 nvarchar(11) null,
    period nvarchar(6) null,
    claim_id nvarchar(400) null,
    claim_line bigint null,
    units decimal(15,3) null,
    position nvarchar(30) null,
    code nvarchar(20) null,
    finding_id nvarchar(64) null,
    as_of date null,
    previous_position nvarchar(30) null
);

CREATE INDEX ix_engine_positions_staging ON dbo.engine_positions_staging (write_id);
