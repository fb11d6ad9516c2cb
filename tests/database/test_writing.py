"""Writing a run: the same rows however often, the old ones where it fails."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine import exports
from engine.contracts.cases import CASES
from engine.contracts.findings import DISPUTE_LINES, FINDINGS
from engine.contracts.positions import POSITIONS
from engine.contracts.tables import TABLES
from engine.contracts.tie_out import TIE_OUT
from engine.errors import OutputError
from engine.exports.database import COLUMNS
from tests.database.servers import NAME, CuttingProxy
from tests.unit.exports_rows import findings as findings_made
from tests.unit.exports_rows import lines as lines_made

SCRIPTS = Path(__file__).resolve().parents[2] / "conf" / "sqlserver"
ROWS = ("engine_findings", "engine_dispute_lines", "engine_cases", "engine_positions", "engine_tie_out")
OURS = (*ROWS, "engine_runs")
THEIRS = ("decisions", "outcomes", "submissions")


@pytest.fixture
def made(server: Any) -> Any:
    """The shipped tables, empty."""
    said: list[str] = []
    exports.create_tables(NAME, server.settings, server.schema, SCRIPTS, said.append, adapted=server.adapted)
    server.run(*(f"DELETE FROM {server.table(table)}" for table in OURS))
    return server


def findings_of(spark: SparkSession, count: Any) -> Any:
    return findings_made(spark, count).withColumn("run_id", F.lit("R1"))


def lines_of(spark: SparkSession, count: Any) -> Any:
    return lines_made(spark, count)


def tables_of(found: Any, lines: Any) -> Any:
    """Findings and lines with two cases, four positions and two lines of the tie-out."""
    spark = found.sparkSession
    case = {"run_id": "R1", "status": "DRAFT", "units_open": Decimal("30"), "root_words": "ž"}
    position = {"program": "MDRP_FFS", "payer_id": "KY", "rebate_type": "FEDERAL", "ndc11": "00002759701"}
    position |= {"period": "2025Q1", "position": "PAYABLE", "units": Decimal("1.5"), "as_of": date(2026, 9, 30)}
    tied = {"state": "KY", "program": "MDRP_FFS", "rebate_type": "FEDERAL", "period": "2025Q1", "gap_share": 0.25}
    # claim lines whose keys differ by what is NULL alone are rows of their own
    claims = [{}, {"claim_id": "C1"}, {"claim_id": "C1", "claim_line": 1}, {"plan_id": "C1", "claim_line": 1}]
    return exports.RunTables(
        found,
        lines,
        frame_of(spark, CASES, [case | {"case_id": name} for name in ("A", "B")]),
        frame_of(spark, POSITIONS, [position | claim for claim in claims]),
        frame_of(spark, TIE_OUT, [tied | {"ndc11": ndc, "color": "RED"} for ndc in ("00002759701", "00002759702")]),
    )


def frame_of(spark: SparkSession, schema: Any, rows: Any) -> Any:
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)


AT_ISSUE = {
    "claims": {"units": 30, "amount": 12.5},
    "invoice_lines": {"units": 100, "amount": 50},
    "claims_340b": {"units": 0, "amount": None},
}


def summary(run_id: str = "R1", findings: Any = 0, lines: Any = 0) -> Any:
    return {
        "run_id": run_id,
        "as_of": "2026-09-30",
        "started_at": "2026-10-01T12:00:00+00:00",
        "started_by": "tests",
        "config_hash": "0" * 64,
        "code_version": "1",
        "counts": {"findings": findings, "dispute_lines": lines, "at_issue": AT_ISSUE},
    }


def write(server: Any, found: Any, lines: Any, run_id: str = "R1", settings: Any = None, tables: Any = None) -> None:
    exports.write_to_database(
        tables or tables_of(found, lines),
        summary(run_id, found.count(), lines.count()),
        NAME,
        settings or server.settings,
        server.schema,
        "./spark-submit.sh create_tables --config my.yaml",
    )


def there(server: Any, table: Any, columns: Any = "*") -> Any:
    return Counter(server.query(f"SELECT {columns} FROM {server.table(table)}"))


def test_the_tables_are_made_once_and_left_alone(made: Any) -> None:
    server, said = made, []
    server.run(
        f"INSERT INTO {server.table('decisions')} (finding_id, decided_at, decided_by, decision) "
        "VALUES ('F1', '2026-10-01 10:00:00', 'ada', 'DISPUTE')"
    )
    exports.create_tables(NAME, server.settings, server.schema, SCRIPTS, said.append, adapted=server.adapted)
    assert len(said) == 9
    assert all(line.startswith("exists") for line in said)
    assert there(server, "decisions", "finding_id, decision") == {("F1", "DISPUTE"): 1}
    server.run(f"DELETE FROM {server.table('decisions')}")


def test_a_table_that_lacks_a_column_is_told(made: Any) -> None:
    server = made
    server.run(f"ALTER TABLE {server.table('engine_runs')} DROP COLUMN started_by")
    with pytest.raises(OutputError, match="started_by"):
        exports.create_tables(NAME, server.settings, server.schema, SCRIPTS, print, adapted=server.adapted)
    server.run(f"DROP TABLE {server.table('engine_runs')}")


def test_what_a_run_could_not_be_written_to_is_told_before_it_begins(spark: SparkSession, made: Any) -> None:
    write(made, findings_of(spark, 5), lines_of(spark, 5))
    before = {table: there(made, table) for table in OURS}
    exports.check_tables(NAME, made.settings, made.schema, "create_tables --config my.yaml")
    assert {table: there(made, table) for table in OURS} == before
    made.run(f"ALTER TABLE {made.table('engine_dispute_lines_staging')} DROP COLUMN explanation")
    with pytest.raises(OutputError, match="explanation"):
        exports.check_tables(NAME, made.settings, made.schema, "create_tables --config my.yaml")
    made.run(*(f"DROP TABLE {made.table(f'engine_dispute_lines{ending}')}" for ending in ("", "_staging")))
    with pytest.raises(OutputError, match=r"create_tables --config my\.yaml: it creates"):
        exports.check_tables(NAME, made.settings, made.schema, "create_tables --config my.yaml")


def test_the_shipped_tables_have_the_columns_of_the_contract() -> None:
    tables = {name: columns for script in exports.scripts(SCRIPTS, "dbo") for name, columns in script.tables.items()}
    names = list(FINDINGS.names)
    names.insert(names.index("rules"), "rule_ids")
    assert tuple(tables["engine_findings"]) == tuple(names)
    assert tuple(tables["engine_dispute_lines"]) == ("run_id", *DISPUTE_LINES.names)
    assert tuple(tables["engine_cases"]) == tuple(CASES.names)
    assert tuple(tables["engine_positions"]) == ("run_id", "position_key", *POSITIONS.names)
    assert tuple(tables["engine_tie_out"]) == ("run_id", *TIE_OUT.names)
    for name in ROWS:
        assert tuple(tables[f"{name}_staging"]) == ("write_id", *tables[name])
    assert {name: tuple(tables[name]) for name in COLUMNS} == COLUMNS
    for name in ("decisions", "outcomes"):
        assert tuple(tables[name]) == TABLES[name].column_names


@pytest.mark.both_engines
def test_what_is_written_is_what_was_found(spark: SparkSession, made: Any) -> None:
    found, lines = findings_of(spark, 500), lines_of(spark, 200)
    write(made, found, lines)
    flat = tables_of(found, lines).flat("R1")
    assert tuple(flat) == ROWS
    for table, rows in flat.items():
        expected = Counter(tuple(row) for row in rows.collect())
        assert there(made, table, ", ".join(rows.columns)) == expected
        assert there(made, f"{table}_staging") == {}
    ((rule_ids, rules),) = made.query(
        f"SELECT rule_ids, rules FROM {made.table('engine_findings')} WHERE finding_id = "
        f"(SELECT MIN(finding_id) FROM {made.table('engine_findings')})"
    )
    assert "|".join(hit["rule_id"] for hit in json.loads(rules)) == rule_ids
    columns = "run_id, as_of, started_at, findings, dispute_lines"
    columns += ", claims_at_issue, invoice_lines_at_issue, claims_340b_at_issue"
    assert list(there(made, "engine_runs", columns)) == [
        ("R1", date(2026, 9, 30), datetime(2026, 10, 1, 12), 500, 200, Decimal("12.50"), Decimal("50.00"), None)
    ]


def test_a_second_time_leaves_the_same_rows_and_other_runs_alone(spark: SparkSession, made: Any) -> None:
    found, lines = findings_of(spark, 60), lines_of(spark, 20)
    other = found.withColumn("run_id", F.lit("R0"))
    write(made, other, lines, run_id="R0")
    write(made, found, lines)
    before = {table: there(made, table) for table in ROWS}
    write(made, found, lines)
    assert {table: there(made, table) for table in ROWS} == before
    none = tables_of(found.limit(0), lines.limit(0))
    write(
        made, none.findings, none.lines, tables=replace(none, cases=none.cases.limit(0), positions=None, tie_out=None)
    )
    assert {table: there(made, table, "run_id") for table in ROWS} == {
        "engine_findings": {("R0",): 60},
        "engine_dispute_lines": {("R0",): 20},
        "engine_cases": {},
        "engine_positions": {("R0",): 4},
        "engine_tie_out": {("R0",): 2},
    }
    assert there(made, "engine_runs", "run_id") == {("R0",): 1, ("R1",): 1}


def test_what_people_wrote_is_never_overwritten(spark: SparkSession, made: Any) -> None:
    """Decisions, outcomes and submissions stay as they are, whatever a run writes, fails to write or writes again."""
    decided = "(finding_id, decided_at, decided_by, decision, selection) VALUES ('F1', '2026-10-01 10:00:00', 'ada', "
    made.run(
        *(f"DELETE FROM {made.table(table)}" for table in THEIRS),
        f"INSERT INTO {made.table('decisions')} {decided}'DISPUTE', 'RANDOM')",
        f"INSERT INTO {made.table('outcomes')} (case_id, answered_on, answer) VALUES ('A', '2026-10-02', 'PARTIAL')",
        f"INSERT INTO {made.table('submissions')} (form, recipient, finding_id, case_id, sent_on) "
        "VALUES ('DETAIL', 'STATE KY', 'F1', 'A', '2026-10-01')",
    )
    before = {table: there(made, table) for table in THEIRS}
    found, lines = findings_of(spark, 10), lines_of(spark, 5)
    write(made, found, lines)
    write(made, found, lines)
    with pytest.raises(OutputError):
        write(made, found.withColumn("match_tier", F.lit("too long")), lines)
    exports.create_tables(NAME, made.settings, made.schema, SCRIPTS, print, adapted=made.adapted)
    assert {table: there(made, table) for table in THEIRS} == before
    assert all(sum(rows.values()) == 1 for rows in before.values())
    made.run(*(f"DELETE FROM {made.table(table)}" for table in THEIRS))


def test_texts_of_any_length_are_written_whole(spark: SparkSession, made: Any) -> None:
    long = "ž😀" * 20_000
    found = findings_of(spark, 5).withColumn(
        "rules", F.transform("rules", lambda hit: hit.withField("message", F.lit(long)))
    )
    write(made, found, lines_of(spark, 1))
    texts = [json.loads(rules)[0]["message"] for (rules,) in there(made, "engine_findings", "rules")]
    assert texts == [long] * 5


@pytest.mark.parametrize("letter", ["a", "ž", "😀"])
@pytest.mark.parametrize("length", [1_900, 2_001, 3_999, 4_001])
def test_a_text_of_any_letters_is_written_whole(spark: SparkSession, made: Any, letter: str, length: int) -> None:
    """A driver counts UTF-16 units, of which an emoji has two."""
    found = findings_of(spark, 2).withColumn("narrative", F.lit(letter * length))
    write(made, found, lines_of(spark, 1))
    assert set(there(made, "engine_findings", "narrative")) == {(letter * length,)}


def test_a_value_longer_than_its_column_is_told_before_anything_is_written(spark: SparkSession, made: Any) -> None:
    found = findings_of(spark, 5).withColumn("claim_id", F.lit("c" * 401)).withColumn("narrative", F.lit("n" * 9_000))
    lines = lines_of(spark, 2).withColumn("entity_id", F.lit("e" * 401))
    with pytest.raises(OutputError) as told:
        exports.check_lengths(tables_of(found, lines), summary(), NAME, made.settings, made.schema)
    wrong = {(problem.what.rpartition(" ")[2], problem.found, problem.expected) for problem in told.value.problems}
    tables = {"claim_id": "engine_findings", "entity_id": "engine_dispute_lines"}
    assert wrong == {
        (f'"{made.schema}"."{table}{ending}".{column}', "length 401", "at most 400")
        for column, table in tables.items()
        for ending in ("", "_staging")
    }
    assert "cccc" not in str(told.value)
    fits = found.withColumn("claim_id", F.lit("c" * 400))
    exports.check_lengths(tables_of(fits, lines_of(spark, 2)), summary(), NAME, made.settings, made.schema)


def test_letters_are_counted_as_the_server_counts_them(spark: SparkSession, made: Any) -> None:
    found = findings_of(spark, 2).withColumn("claim_id", F.lit("😀" * 201))
    if made.kind == "postgresql":
        exports.check_lengths(tables_of(found, lines_of(spark, 1)), summary(), NAME, made.settings, made.schema)
        return
    with pytest.raises(OutputError, match="length 402"):
        exports.check_lengths(tables_of(found, lines_of(spark, 1)), summary(), NAME, made.settings, made.schema)


def test_columns_narrower_than_the_shipped_ones_are_told_before_a_run(made: Any) -> None:
    table = made.table("engine_dispute_lines")
    kind = "TYPE " if made.kind == "postgresql" else ""
    made.run(f"ALTER TABLE {table} ALTER COLUMN explanation {kind}nvarchar(4000)")
    made.run(f"ALTER TABLE {table} ALTER COLUMN units_invoiced {kind}decimal(9,2)")
    try:
        with pytest.raises(OutputError) as told:
            exports.check_tables(NAME, made.settings, made.schema, "create_tables")
        (problem,) = told.value.problems
        assert "explanation" in problem.found
        assert "(4000)" in problem.found
        assert "units_invoiced" in problem.found
        assert "explanation nvarchar(max)" in problem.expected
        with pytest.raises(OutputError, match="narrower"):
            exports.create_tables(NAME, made.settings, made.schema, SCRIPTS, print, adapted=made.adapted)
        if made.kind == "sqlserver":
            made.run(*problem.to_do.partition(": ")[2].split("; "))
            exports.check_tables(NAME, made.settings, made.schema, "create_tables")
    finally:
        made.run(*(f"DROP TABLE {table}{ending}" for ending in ("", "_staging")))


def test_a_run_id_and_a_schema_that_do_not_fit_are_told_before_a_run(made: Any) -> None:
    exports.check_tables(NAME, made.settings, made.schema, "create_tables", "r" * 100)
    with pytest.raises(OutputError, match="the run id does not fit"):
        exports.check_tables(NAME, made.settings, made.schema, "create_tables", "r" * 101)
    job: Callable[[], object]
    for job in (
        lambda: exports.check_tables(NAME, made.settings, "no_such_schema", "create_tables"),
        lambda: exports.create_tables(NAME, made.settings, "no_such_schema", SCRIPTS, print, adapted=made.adapted),
    ):
        with pytest.raises(OutputError, match='CREATE SCHEMA "no_such_schema"'):
            job()


def test_a_cut_connection_while_writing_is_tried_again(spark: SparkSession, made: Any) -> None:
    found, lines = findings_of(spark, 3_000), lines_of(spark, 50)
    # the server answers little to a writer: cut soon after the login and again later
    for after in (3_000, 20_000, 60_000):
        with CuttingProxy(made.settings.server, made.settings.port, after=after, cuts=1) as proxy:
            write(made, found, lines, settings=made.with_(server="127.0.0.1", port=proxy.port))
        assert there(made, "engine_findings", "COUNT(*), COUNT(DISTINCT finding_id)") == {(3_000, 3_000): 1}
        assert there(made, "engine_dispute_lines", "COUNT(*)") == {(50,): 1}


def test_rows_that_do_not_fit_leave_the_old_ones(spark: SparkSession, made: Any) -> None:
    found, lines = findings_of(spark, 40), lines_of(spark, 10)
    write(made, found, lines)
    before = {table: there(made, table) for table in OURS}
    too_long = found.withColumn("match_tier", F.lit("secret-9"))
    with pytest.raises(OutputError, match="writing run R1 failed") as failed:
        write(made, too_long, lines)
    assert "widen the column" in str(failed.value)
    assert "secret-9" not in str(failed.value)
    assert {table: there(made, table) for table in OURS} == before


FULL = """
CREATE FUNCTION {schema}.refuse() RETURNS trigger AS $$
BEGIN
  IF (SELECT COUNT(*) FROM {schema}.{table}) >= {after} THEN
    RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{state}';
  END IF;
  RETURN NEW;
END $$ LANGUAGE plpgsql
"""


@pytest.mark.parametrize("table", ["engine_findings_staging", "engine_findings", "engine_tie_out"])
def test_a_full_disk_leaves_the_old_rows(spark: SparkSession, postgresql: Any, table: str) -> None:
    server, _ = postgresql
    exports.create_tables(NAME, server.settings, server.schema, SCRIPTS, print, adapted=server.adapted)
    server.run(*(f"DELETE FROM {server.table(name)}" for name in OURS))
    found, lines = findings_of(spark, 40), lines_of(spark, 10)
    write(server, found, lines)
    before = {name: there(server, name) for name in OURS}
    with closing(server.connect()) as connection:
        connection.execute(
            FULL.format(schema=server.schema, table=table, after=3 if "findings" in table else 1, state="53100")
        )
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {server.table(table)} "
            f"FOR EACH ROW EXECUTE FUNCTION {server.schema}.refuse()"
        )
        connection.commit()
    try:
        with pytest.raises(OutputError, match="full: ask its owner"):
            write(server, found, lines)
        assert {name: there(server, name) for name in OURS} == before
    finally:
        server.run(f"DROP TRIGGER refuse ON {server.table(table)}", f"DROP FUNCTION {server.schema}.refuse()")
    write(server, found, lines)
    assert there(server, "engine_findings_staging") == {}


def test_the_time_of_writing_is_in_utc(spark: SparkSession, made: Any) -> None:
    write(made, findings_of(spark, 1), lines_of(spark, 1))
    ((written,),) = there(made, "engine_runs", "written_at")
    assert abs((datetime.now(UTC).replace(tzinfo=None) - written).total_seconds()) < 600
