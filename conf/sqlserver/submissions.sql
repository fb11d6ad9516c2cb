-- What `export --final` wrote (data contract, part 7, no. 15): a line is sent once. Rows are added and never changed.
-- One row per claim line, with its finding, and one per line of the forms ROSI and PQAS (form), with its product and
-- what it reports as paid; units: in dispute.
CREATE TABLE dbo.submissions (
    form nvarchar(20) not null,
    recipient nvarchar(400) not null,
    finding_id nvarchar(64) null,
    case_id nvarchar(100) null,
    period nvarchar(6) null,
    units decimal(15,3) null,
    code nvarchar(40) null,
    sent_on date not null,
    program nvarchar(20) null,
    rebate_type nvarchar(20) null,
    invoice_number nvarchar(400) null,
    ndc11 nvarchar(11) null,
    units_paid decimal(15,3) null,
    amount_paid decimal(18,2) null
);

CREATE INDEX ix_submissions_finding ON dbo.submissions (finding_id);
