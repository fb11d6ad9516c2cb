-- Counterparties' answers (data contract, part 2): written by people and their tools, read by runs, never written by one.
CREATE TABLE dbo.outcomes (
    finding_id nvarchar(64) null,
    case_id nvarchar(100) null,
    answered_on date not null,
    answer nvarchar(10) not null,
    counterparty_reason nvarchar(400) null,
    units_credited decimal(15,3) null,
    amount_credited decimal(18,2) null,
    valid_from date null,
    valid_to date null,
    snapshot_date date null,
    CONSTRAINT ck_outcomes_answer CHECK (answer IN ('ACCEPTED', 'PARTIAL', 'REJECTED', 'NO_ANSWER')),
    CONSTRAINT ck_outcomes_subject CHECK (finding_id IS NOT NULL OR case_id IS NOT NULL)
);

CREATE INDEX ix_outcomes_finding ON dbo.outcomes (finding_id);
