-- Analysts' decisions (data contract, part 2): written by people and their tools, read by runs, never written by one.
CREATE TABLE dbo.decisions (
    finding_id nvarchar(64) not null,
    decided_at datetime2(6) not null,
    decided_by nvarchar(200) not null,
    decision nvarchar(10) not null,
    reason nvarchar(200) null,
    units decimal(15,3) null,
    comment nvarchar(4000) null,
    selection nvarchar(10) null,
    valid_from date null,
    valid_to date null,
    snapshot_date date null,
    CONSTRAINT pk_decisions PRIMARY KEY (finding_id, decided_at),
    CONSTRAINT ck_decisions_decision CHECK (decision IN ('DISPUTE', 'DISMISS', 'WATCH', 'PAY')),
    CONSTRAINT ck_decisions_selection CHECK (selection IN ('QUEUE', 'RANDOM'))
);
