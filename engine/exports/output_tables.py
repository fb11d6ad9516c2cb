"""Columns and SQL Server types of the tables that a run writes; `conf/sqlserver/engine_*.sql` is generated from them.

`python -m engine.exports FOLDER` writes the files.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import types as T

from engine.contracts.cases import CASES
from engine.contracts.findings import DISPUTE_LINES, FINDINGS
from engine.contracts.positions import POSITIONS
from engine.contracts.tie_out import TIE_OUT
from engine.exports.totals import SUBJECT_KEYS

RUNS, FINDINGS_TABLE, LINES_TABLE = "engine_runs", "engine_findings", "engine_dispute_lines"
CASES_TABLE, POSITIONS_TABLE, TIE_OUT_TABLE = "engine_cases", "engine_positions", "engine_tie_out"
STAGING = "_staging"
# Primary keys of the tables with rows. position_key: a hash of the columns that identify a row of POSITIONS, each of
# which can be NULL.
KEYS = {
    FINDINGS_TABLE: ("run_id", "finding_id"),
    LINES_TABLE: ("run_id", "finding_id"),
    CASES_TABLE: ("run_id", "case_id"),
    POSITIONS_TABLE: ("run_id", "position_key"),
    TIE_OUT_TABLE: ("run_id", "state", "program", "rebate_type", "ndc11", "period"),
}

# UTF-16 units. Texts that are not listed have any length: narratives, lists.
_RECEIVED = 400
_WIDTHS = {
    "finding_id": 64,
    "run_id": 100,
    "first_seen_run": 100,
    "subject": 20,
    "program": 20,
    "sub_program": 20,
    "rebate_type": 20,
    "record_id": 10,
    "period": 6,
    "labeler_code": 5,
    "product_code": 4,
    "package_code": 2,
    "ndc11": 11,
    "pharmacy_npi": 40,
    "evidence": 10,
    "dispute_code": 10,
    "route": 20,
    "party_at_fault": 20,
    "action": 20,
    "price_source": 40,
    "match_tier": 4,
    "deadline_kind": 40,
    "decision": 10,
    "state": 40,
    "case_id": 64,
    "position_key": 64,
    "root_cause": 40,
    **dict.fromkeys(("status", "counterparty_kind", "counted_subject", "line_kind", "color", "code"), 20),
    **dict.fromkeys(("position", "previous_position"), 30),
    **dict.fromkeys(("contract_id", "plan_id", "counterparty_id", "case_period"), _RECEIVED),
    **dict.fromkeys(("source_row_id", "payer_id", "invoice_number", "claim_id", "product_name"), _RECEIVED),
    **dict.fromkeys(("entity_id", "rx_number", "rx_number_raw", "ndc_raw"), _RECEIVED),
}
_TYPES: dict[type[T.DataType], str] = {
    T.LongType: "bigint",
    T.DoubleType: "float",
    T.BooleanType: "bit",
    T.DateType: "date",
}
_HEADINGS = {
    FINDINGS_TABLE: (
        "-- Findings of every run, one row per flagged subject (data contract, part 4). rule_ids: joined by |.\n"
        "-- rules, codes, reasons and reference_rows are JSON, as OPENJSON reads it. A run replaces its own rows.\n"
    ),
    LINES_TABLE: (
        "-- Claim lines drafted for dispute, one row per finding. other_codes, documents and related_source_row_ids:\n"
        "-- joined by |, reference_rows: JSON. A run replaces its own rows and no others.\n"
    ),
    CASES_TABLE: (
        "-- Findings by counterparty and root cause, one row per case and run (docs/cases.md). A run replaces its own\n"
        "-- rows and no others.\n"
    ),
    POSITIONS_TABLE: (
        "-- The unit ledger of every run (docs/positions.md). position_key: a hash of all columns but units, as_of\n"
        "-- and previous_position. A run replaces its own rows and no others.\n"
    ),
    TIE_OUT_TABLE: (
        "-- Invoice against claim-level detail, one row per state, program, rebate type, NDC and quarter of a run\n"
        "-- (docs/positions.md). A run replaces its own rows and no others.\n"
    ),
    RUNS: (
        "-- One row per run that was written to this database. ..._at_issue: US dollars, which overlap and are never\n"
        "-- added. summary: the run's summary.json, as OPENJSON reads it.\n"
    ),
}


def _sql_type(field: T.StructField) -> str:
    kind = field.dataType
    if isinstance(kind, T.DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    by_type: dict[type[T.DataType], str] = {
        T.LongType: "bigint",
        T.DoubleType: "float",
        T.BooleanType: "bit",
        T.DateType: "date",
    }
    if type(kind) in by_type:
        return by_type[type(kind)]
    width = _WIDTHS.get(field.name) if isinstance(kind, T.StringType) else None
    return f"nvarchar({width or 'max'})"


def _columns(fields: Iterable[T.StructField]) -> dict[str, str]:
    columns = {}
    for field in fields:
        if field.name == "rules":
            columns["rule_ids"] = "nvarchar(max)"
        columns[field.name] = _sql_type(field)
    return columns


_RUN_COLUMNS = {
    "run_id": "nvarchar(100)",
    "as_of": "date",
    "started_at": "datetime2(6)",
    "written_at": "datetime2(6)",
    "started_by": "nvarchar(400)",
    "config_hash": "nvarchar(64)",
    "code_version": "nvarchar(100)",
    "findings": "bigint",
    "dispute_lines": "bigint",
    **dict.fromkeys((f"{key}_at_issue" for key in SUBJECT_KEYS.values()), "decimal(18,2)"),
    "summary": "nvarchar(max)",
}
_FINDING_COLUMNS = _columns(FINDINGS.fields)
_RUN_ID = {"run_id": "nvarchar(100)"}
_OF_TABLE = {
    FINDINGS_TABLE: _FINDING_COLUMNS,
    LINES_TABLE: _RUN_ID | _columns(DISPUTE_LINES.fields),
    CASES_TABLE: _columns(CASES.fields),
    POSITIONS_TABLE: _RUN_ID | {"position_key": "nvarchar(64)"} | _columns(POSITIONS.fields),
    TIE_OUT_TABLE: _RUN_ID | _columns(TIE_OUT.fields),
}
_WRITE_ID = {"write_id": "nvarchar(32)"}
# SQL Server type by column, of every table that a run writes.
OUTPUT_TABLES: dict[str, dict[str, str]] = {
    **{
        name: columns
        for table, own in _OF_TABLE.items()
        for name, columns in ((table, own), (table + STAGING, _WRITE_ID | own))
    },
    RUNS: _RUN_COLUMNS,
}


def nullable(table: str, column: str) -> str:
    """`null` or `not null`, as in the table."""
    if table == RUNS:
        is_nullable = column == "started_by" or column.endswith("_at_issue")
    else:
        is_nullable = column not in ("write_id", *KEYS[table.removesuffix(STAGING)])
    return "null" if is_nullable else "not null"


def ddl(table: str) -> str:
    """The shipped SQL of a table and, for tables with rows, of its staging table."""
    if table == RUNS:
        return _HEADINGS[RUNS] + _create(RUNS, ("run_id",))
    staging = table + STAGING
    return (
        f"{_HEADINGS[table]}{_create(table, KEYS[table])}\n"
        f"-- Rows on their way in; empty between runs.\n{_create(staging, ())}\n"
        f"CREATE INDEX ix_{staging} ON dbo.{staging} (write_id);\n"
    )


def _create(table: str, key: tuple[str, ...]) -> str:
    lines = [f"    {name} {kind} {nullable(table, name)}" for name, kind in OUTPUT_TABLES[table].items()]
    lines += [f"    CONSTRAINT pk_{table} PRIMARY KEY ({', '.join(key)})"] if key else []
    return f"CREATE TABLE dbo.{table} (\n" + ",\n".join(lines) + "\n);\n"
