"""Output tables and the SQL of reads, without a server."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import types as T

from engine.database import POSTGRESQL, SQL_SERVER
from engine.database.dialects import Dialect
from engine.exports.database import _is_long, _units
from engine.exports.database_columns import DatabaseColumnType, narrow_columns, too_long
from engine.exports.ddl import scripts
from engine.exports.output_tables import FINDINGS_TABLE, KEYS, LINES_TABLE, OUTPUT_TABLES, RUNS, ddl
from engine.settings import DatabaseSettings, Settings, load_settings
from engine.sources.database_types import database_column
from engine.sources.table_read import TableRead

SCRIPTS = Path(__file__).resolve().parents[2] / "conf" / "sqlserver"


@pytest.mark.parametrize("table", [*KEYS, RUNS])
def test_the_shipped_sql_is_what_the_contract_makes_it(table: str) -> None:
    shipped = (SCRIPTS / f"{table}.sql").read_text(encoding="utf-8")
    assert shipped == ddl(table), "python -m engine.exports conf/sqlserver"


def test_narratives_and_lists_have_any_length() -> None:
    for table, names in {
        FINDINGS_TABLE: ("narrative", "rule_ids", "rules", "codes", "reasons", "reference_rows"),
        LINES_TABLE: ("explanation", "other_codes", "documents", "related_source_row_ids", "reference_rows"),
    }.items():
        assert {OUTPUT_TABLES[table][name] for name in names} == {"nvarchar(max)"}


@pytest.mark.parametrize(
    ("schema", "expected"), [("dbo", "dbo."), ("[my.own]", '"my.own".'), ("reviews.dbo", '"reviews"."dbo".')]
)
def test_the_shipped_sql_is_written_for_the_schema(schema: str, expected: str) -> None:
    for script in scripts(SCRIPTS, schema):
        (first, *_) = script.statements
        assert f"CREATE TABLE {expected}{next(iter(script.tables))} (" in first


@pytest.mark.parametrize(
    ("column", "expected", "dialect", "is_narrow"),
    [
        (DatabaseColumnType("nvarchar", 4_000), "nvarchar(max)", SQL_SERVER, True),
        (DatabaseColumnType("nvarchar"), "nvarchar(max)", SQL_SERVER, False),
        (DatabaseColumnType("nvarchar"), "nvarchar(400)", SQL_SERVER, False),
        (DatabaseColumnType("nvarchar", 399), "nvarchar(400)", SQL_SERVER, True),
        (DatabaseColumnType("nvarchar", 401), "nvarchar(400)", SQL_SERVER, False),
        (DatabaseColumnType("varchar", 8_000), "nvarchar(400)", SQL_SERVER, True),
        (DatabaseColumnType("varchar", 8_000), "nvarchar(400)", POSTGRESQL, False),
        (DatabaseColumnType("decimal", None, 15, 3), "decimal(15,3)", SQL_SERVER, False),
        (DatabaseColumnType("decimal", None, 15, 4), "decimal(15,3)", SQL_SERVER, True),
        (DatabaseColumnType("decimal", None, 18, 2), "decimal(15,3)", SQL_SERVER, True),
        (DatabaseColumnType("date"), "date", SQL_SERVER, False),
    ],
)
def test_columns_that_hold_less_than_the_shipped_ones(
    column: DatabaseColumnType, expected: str, dialect: Dialect, is_narrow: bool
) -> None:
    assert bool(narrow_columns({"a": column}, {"A": expected, "b": expected}, dialect)) == is_narrow


def test_a_value_that_does_not_fit_is_told_with_column_width_and_length() -> None:
    columns = {"claim_id": DatabaseColumnType("nvarchar", 100), "narrative": DatabaseColumnType("nvarchar")}
    lengths = [("claim_id", 150), ("narrative", 10_000), ("absent", 5)]
    (problem,) = too_long("claims: dbo", '"dbo"."engine_findings"', lengths, columns)
    assert "claim_id" in problem.what
    assert (problem.found, problem.expected) == ("length 150", "at most 100")
    assert "ALTER COLUMN claim_id nvarchar(150)" in problem.to_do
    assert too_long("c", "t", [("claim_id", 100)], columns) == []


@pytest.mark.parametrize(
    ("text", "units", "is_long"),
    [
        ("a" * 4_000, 4_000, False),
        ("a" * 4_001, 4_001, True),
        ("😀" * 2_000, 4_000, False),
        ("😀" * 2_001, 4_002, True),
    ],
)
def test_lengths_are_counted_as_the_driver_counts(text: str, units: int, is_long: bool) -> None:
    assert (_units(text), _is_long(text)) == (units, is_long)
    assert len(text.encode("utf-16-le")) // 2 == units


def test_commands_in_messages_can_be_pasted(tmp_path: Path) -> None:
    config = tmp_path / "my settings.yaml"
    config.write_text("input: {root: claims}\n")
    settings = load_settings(config, ["output.root=/data/out put", "as_of=2026-09-30"], home=SCRIPTS.parents[1])
    assert settings.command("export", "--run-id", "R1", "--to-database") == (
        f"./spark-submit.sh export --run-id R1 --to-database --config '{config}' --set 'output.root=/data/out put'"
    )
    assert Settings().command("create_tables") == "./spark-submit.sh create_tables"


# ---- reads -------------------------------------------------------------------------------------------------------

# as pyodbc describes a column: name, Python type, display size, internal size, precision, scale, nullable
DESCRIBED = {"int": int, "decimal": type("Decimal", (), {}), "bytes": bytearray, "str": str, "time": datetime}


def described(kind: str) -> tuple[Any, ...]:
    return ("c", DESCRIBED[kind], None, 8, 19, 4, True)


@pytest.mark.parametrize(
    ("type_name", "kind", "expected"),
    [
        *((name, "int", T.LongType()) for name in ("bigint", "int", "smallint", "tinyint")),
        *(
            (name, "decimal", T.DecimalType(19, 4))
            for name in ("money", "smallmoney", "decimal(19,4)", "numeric(19,4)")
        ),
        *((name, "str", T.StringType()) for name in ("char(5)", "nvarchar(max)", "text", "ntext", "uniqueidentifier")),
        *((name, "time", T.TimestampNTZType()) for name in ("datetime", "datetime2(7)", "smalldatetime")),
        ("datetimeoffset(7)", "bytes", T.TimestampNTZType()),
        ("time(7)", "bytes", T.StringType()),
        *(
            (name, kind, None)
            for name in (
                "binary(8)",
                "varbinary(32)",
                "image",
                "timestamp",
                "xml",
                "sql_variant",
                "hierarchyid",
                "json",
            )
            for kind in ("bytes", "str")
        ),
        ("geography", "bytes", None),
        ("CLR type", "bytes", None),
    ],
)
def test_types_of_sql_server(type_name: str, kind: str, expected: T.DataType | None) -> None:
    assert database_column(described(kind), type_name, SQL_SERVER).spark_type == expected


def a_read(**changes: Any) -> TableRead:
    settings = DatabaseSettings(server="s", concurrent_connections=2, rows_per_range=10)
    given = {"table": "t", "connection": "c", "settings": settings, "source": '"t"', "columns": ("a",), "rows": 20}
    return TableRead.model_validate(given | {"received_before": datetime(2026, 10, 1)} | changes)


def test_a_time_with_zone_is_compared_and_returned_in_utc_in_every_role() -> None:
    read = a_read(
        columns=("a",), received=("a", "b"), partition_by="a", times_with_zone=frozenset("a"), texts=frozenset()
    )
    utc = "CAST(SWITCHOFFSET(\"a\", '+00:00') AS datetime2(7))"
    assert read.select(SQL_SERVER) == f'SELECT {utc} AS "a" FROM "t"'
    assert read.received_at(SQL_SERVER) == f'COALESCE({utc}, "b")'
    assert f"ORDER BY {utc}" in read.boundaries_query(SQL_SERVER)[0]
    conditions = read.ranges([datetime(2026, 1, 1)], SQL_SERVER)
    assert [condition.sql for condition in conditions] == [f"({utc} < ? OR {utc} IS NULL)", f"{utc} >= ?"]
    assert '"a"' not in read.is_late(SQL_SERVER).sql.replace(utc, "")


def test_ranges_of_a_text_with_a_code_page_are_ordered_as_they_are_compared() -> None:
    read = a_read(partition_by="k", code_page_texts=frozenset("k"))
    key = 'CAST("k" AS nvarchar(4000))'
    assert f"ORDER BY {key}" in read.boundaries_query(SQL_SERVER)[0]
    assert read.ranges(["m"], SQL_SERVER)[1].sql == f"{key} >= ?"


def test_rows_dated_after_the_day_are_known_by_their_dates() -> None:
    read = a_read(dated=("settled_on",))
    condition = read.is_dated_late(SQL_SERVER)
    assert condition.sql == '("settled_on" IS NOT NULL AND "settled_on" >= ?)'
    assert condition.values == (datetime(2026, 10, 1),)
    assert a_read().is_dated_late(SQL_SERVER) is None


def test_a_snapshot_reaches_no_linked_server() -> None:
    from engine.sources.database_access import Database

    asked = []
    connection = SimpleNamespace(
        getinfo=lambda _: "Microsoft SQL Server",
        execute=lambda _, *values: asked.append(values) or SimpleNamespace(fetchval=lambda: 1),
    )
    database = Database(connection)
    assert [database.allows_snapshot(table) for table in ("a.b.c.d", "a.b.c", "a..c", "b.c", "c", None)] == [
        False,
        *[True] * 5,
    ]
    assert asked == [("a",), ("a",), (None,), (None,), (None,)]
