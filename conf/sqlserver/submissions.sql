-- What `export --final` wrote (data contract, part 7, no. 15): a line is sent once. Rows are added and never changed.
CREATE TABLE dbo.submissions (
    form nvarchar(20) not null,
    recipient nvarchar(400) not null,
    finding_id nvarchar(64) null,
    case_id nvarchar(100) null,
    period nvarchar(6) null,
    units decimal(15,3) null,
    code nvarchar(10) null,
    sent_on date not null
);

CREATE INDEX ix_submissions_finding ON dbo.submissions (finding_id);
