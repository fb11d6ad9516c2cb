"""Reading tables: exact values, every row once, only what is wanted."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.columns import Kind
from engine.contracts.tables import TABLES
from engine.errors import InputError
from engine.settings import Settings
from engine.sources import check_connections
from engine.sources.odbc import OdbcReader, RangesPartition
from engine.sources.table_read import TableRead
from tests.database.servers import NAME, SOME_ROWS_COLUMNS, some_rows
from tests.database.tables import opened, read

ROWS = some_rows(3_000)


@pytest.fixture
def some_table(server: Any) -> Any:
    return server.make("some_rows", SOME_ROWS_COLUMNS, ROWS)


def rows_by_task(rows: Any) -> Any:
    return list(Counter(row[0] for row in rows.select(F.spark_partition_id()).collect()).values())


@pytest.mark.both_engines
def test_values_are_read_as_they_are(spark: SparkSession, server: Any, some_table: Any) -> None:
    table = opened(spark, server, some_table)
    rows = table.rows(table.names, ())
    assert [field.dataType for field in rows.schema] == [
        *(T.LongType(), T.StringType(), T.DateType(), T.TimestampNTZType()),
        *(T.DecimalType(15, 3), T.DecimalType(18, 2), T.BooleanType(), T.DoubleType()),
    ]
    assert Counter(tuple(row) for row in rows.collect()) == Counter(ROWS)
    assert (table.counts.read, table.names) == (len(ROWS), tuple(SOME_ROWS_COLUMNS))


@pytest.mark.parametrize(
    ("key", "method"),
    [("id", None), ("day", None), ("at", None), ("words", None), ("words", "range"), ("units", "range")],
)
@pytest.mark.both_engines
@pytest.mark.parametrize(("connections", "per_range"), [(1, 700), (3, 500_000), (3, 100)])
def test_every_row_is_read_once_however_the_table_is_cut(
    spark: SparkSession, server: Any, some_table: Any, key: str, method: str | None, connections: int, per_range: int
) -> None:
    settings = server.with_(concurrent_connections=connections, rows_per_range=per_range, rows_per_fetch=64)
    table = opened(spark, server, some_table, settings=settings, partition_by=key, partition_method=method)
    rows = table.rows(table.names, ())
    assert Counter(tuple(row) for row in rows.collect()) == Counter(ROWS)
    assert len(rows_by_task(rows)) <= connections


def test_an_uneven_key_is_cut_into_even_parts(spark: SparkSession, server: Any) -> None:
    keys = [(7,)] * 200 + [(1_000_000 + place,) for place in range(800)]
    name = server.make("uneven", {"id": "bigint"}, keys)
    table = opened(spark, server, name, settings=server.with_(concurrent_connections=4), partition_by="id")
    sizes = rows_by_task(table.rows(table.names, ()))
    assert sum(sizes) == 1_000
    assert max(sizes) <= 260, sizes


def test_an_empty_table_has_its_columns(spark: SparkSession, server: Any) -> None:
    name = server.make("nothing", SOME_ROWS_COLUMNS)
    table = opened(spark, server, name, partition_by="id")
    assert read(table) == []
    assert table.counts.read == 0


def test_only_columns_that_are_wanted_are_asked_for(spark: SparkSession, server: Any, some_table: Any) -> None:
    table = opened(spark, server, some_table)
    rows = table.rows(("day", "id"), ())
    assert rows.columns == ["day", "id"]
    assert Counter(tuple(row) for row in rows.collect()) == Counter((row[2], row[0]) for row in ROWS)
    assert table.rows((), ()).count() == len(ROWS)


def test_queries_views_and_names_with_spaces(spark: SparkSession, server: Any) -> None:
    server.run(f'CREATE TABLE {server.schema}."odd ""names" ("Größe Nr." int, x nvarchar(5))')
    try:
        server.run(f"INSERT INTO {server.schema}.\"odd \"\"names\" VALUES (5, 'a'), (6, 'b')")
        table = opened(spark, server, f'{server.schema}."odd ""names"', partition_by="größe nr.")
        assert sorted(map(tuple, read(table))) == [(5, "a"), (6, "b")]
        query = f'SELECT q."Größe Nr." * 2 AS twice FROM {server.schema}."odd ""names" q WHERE x = \'b\';'
        assert [tuple(row) for row in read(opened(spark, server, None, query=query))] == [(12,)]
    finally:
        server.run(f'DROP TABLE {server.schema}."odd ""names"')


SQL_TYPES = {
    Kind.INTEGER: "bigint",
    Kind.UNITS: "decimal(15,3)",
    Kind.UNIT_PRICE: "float",
    Kind.MONEY: "decimal(18,2)",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "datetime2(6)",
    Kind.BOOLEAN: "bit",
}


def test_every_table_of_the_contract_is_found_by_its_name(server: Any) -> None:
    made = []
    for table in TABLES.values():
        columns = ", ".join(f'"{one.name}" {SQL_TYPES.get(one.kind, "nvarchar(40)")}' for one in table.columns)
        made.append(f"DROP TABLE IF EXISTS {server.table(table.name)}")
        made.append(f"CREATE TABLE {server.table(table.name)} ({columns})")
        made.append(f'INSERT INTO {server.table(table.name)} ("{table.columns[0].name}") VALUES (NULL)')
    server.run(*made)
    settings = Settings.model_validate(
        {
            "databases": {NAME: server.settings.model_dump()},
            "input": {"connection": NAME, "database_schema": server.schema},
        }
    )
    try:
        (checked,) = check_connections(settings)
    finally:
        server.run(*(f"DROP TABLE {server.table(name)}" for name in TABLES))
    assert checked.problems == []
    assert {found.table: (found.rows, tuple(name for name, *_ in found.columns)) for found in checked.tables} == {
        name: (1, table.column_names) for name, table in TABLES.items()
    }
    assert "cannot be read" not in {read_as for found in checked.tables for *_, read_as in found.columns}


def received_table(server: Any) -> Any:
    times = [None, datetime(2026, 9, 30, 23, 59, 59, 999_999), datetime(2026, 10, 1), datetime(2026, 7, 1)]
    rows = [(place, times[place % 4], datetime(2027, 1, 1) if place == 0 else None) for place in range(40)]
    return server.make("received", {"n": "int", "came": "datetime2(6)", "transaction_at": "datetime2(6)"}, rows)


def test_rows_after_the_as_of_day_are_not_even_asked_for(spark: SparkSession, server: Any) -> None:
    table = opened(spark, server, received_table(server), columns={"received_at": "came"}, as_of=date(2026, 9, 30))
    found = {row.n for row in read(table)}
    # no time: the transaction's own counts; none at all: it counts as received
    assert found == {place for place in range(1, 40) if place % 4 != 2}
    assert table.counts.left_out == {"AFTER_AS_OF": 11}
    assert table.counts.read == len(found)


def test_rows_before_the_high_water_mark_are_left_out_and_counted(spark: SparkSession, server: Any) -> None:
    table = opened(
        spark,
        server,
        received_table(server),
        columns={"received_at": "came"},
        as_of=date(2026, 9, 30),
        received_after=datetime(2026, 7, 1),
    )
    assert {row.n for row in read(table)} == {place for place in range(1, 40) if place % 4 in (0, 1)}
    assert table.counts.left_out == {"AFTER_AS_OF": 11, "BEFORE_HIGH_WATER_MARK": 10}


def test_a_mark_without_a_time_to_hold_it_against_is_a_mistake(
    spark: SparkSession, server: Any, some_table: Any
) -> None:
    with pytest.raises(InputError) as told:
        opened(spark, server, some_table, received_after=datetime(2026, 7, 1), partition_by="nope")
    assert "received_after" in str(told.value)
    assert "partition_by" in str(told.value)


@pytest.mark.both_engines
def test_rows_that_come_while_a_table_is_read_are_noticed(spark: SparkSession, server: Any) -> None:
    name = server.make("growing", {"id": "int"}, [(place,) for place in range(10)])
    table = opened(spark, server, name)
    before = table.fingerprint
    server.run(f"INSERT INTO {name} VALUES (10)")
    assert len(read(table)) == 11 != table.counts.read
    assert opened(spark, server, name).fingerprint != before


@pytest.mark.both_engines
def test_one_connection_sees_one_state_over_all_its_ranges(spark: SparkSession, server: Any) -> None:
    """Rows that come between two ranges of a task are not seen by it."""
    name = server.make("states", {"id": "int"}, [(place,) for place in range(100)])
    settings = server.with_(concurrent_connections=1, rows_per_range=25)
    table = opened(spark, server, name, settings=settings, partition_by="id")
    assert table.sees_one_state
    reader = OdbcReader(
        table._read.model_copy(update={"columns": ("id",)}), T.StructType([T.StructField("id", T.LongType())])
    )
    (partition,) = reader.partitions()
    assert isinstance(partition, RangesPartition)
    assert len(partition.ranges) == 4
    batches = reader.read(partition)
    seen = next(batches).column(0).to_pylist()
    with closing(server.connect()) as other:
        other.execute(f"UPDATE {name} SET id = 1000 WHERE id = 99")
        other.execute(f"DELETE FROM {name} WHERE id = 60")
        other.commit()
    seen += [value for batch in batches for value in batch.column(0).to_pylist()]
    assert sorted(seen) == list(range(100))


def test_a_type_that_no_contract_column_has_is_refused_only_where_it_is_wanted(
    spark: SparkSession, server: Any
) -> None:
    kind = "bytea" if server.kind == "postgresql" else "varbinary(10)"
    name = server.make("bytes_there", {"id": "int", "picture": kind})
    table = opened(spark, server, name)
    assert table.rows(("id",), ()).columns == ["id"]
    with pytest.raises(InputError, match="picture"):
        table.rows(("id", "picture"), ())


@pytest.mark.both_engines
def test_what_travels_to_executors_holds_no_secret(server: Any) -> None:
    read = TableRead(table="t", connection="c", settings=server.settings, source="t", columns=())
    assert "pw-" not in read.model_dump_json()


SQL_SERVER_TYPES = {
    "cash": ("money", Decimal("922337203685477.5807"), T.DecimalType(19, 4)),
    "small_cash": ("smallmoney", Decimal("-214748.3648"), T.DecimalType(10, 4)),
    "id": ("uniqueidentifier", "6F9619FF-8B86-D011-B42D-00C04FC964FF", T.StringType()),
    "zoned": ("datetimeoffset(6)", datetime(2024, 2, 28, 23, 2, 3, 123_456), T.TimestampNTZType()),
    "old_time": ("datetime", datetime(2024, 2, 29, 1, 2, 3), T.TimestampNTZType()),
    "text": ("nvarchar(max)", "日本😀" * 3_000, T.StringType()),
    "fixed": ("char(5)", "ab", T.StringType()),
    "short": ("real", 1.100000023841858, T.FloatType()),
    "tiny": ("tinyint", 255, T.LongType()),
    "yes": ("bit", True, T.BooleanType()),
    "wide": ("decimal(38,10)", Decimal("1234567890123456789012345678.0123456789"), T.DecimalType(38, 10)),
}


@pytest.mark.parametrize("reader", ["pyodbc", "mssql-python"])
def test_types_that_only_sql_server_has(spark: SparkSession, sql_server: Any, reader: str) -> None:
    if reader == "mssql-python":
        pytest.importorskip("mssql_python", reason="mssql-python is not installed")
    name = sql_server.make("types", {column: kind for column, (kind, _, _) in SQL_SERVER_TYPES.items()})
    values = {column: value for column, (_, value, _) in SQL_SERVER_TYPES.items()} | {"zoned": None}
    marks = ", ".join("?" for _ in values)
    with closing(sql_server.connect()) as connection:
        connection.execute(f"INSERT INTO {name} VALUES ({marks})", *values.values())
        connection.execute(f"UPDATE {name} SET zoned = '2024-02-29 01:02:03.123456 +02:00'")
        connection.execute(f"INSERT INTO {name} (id) VALUES (NULL)")
        connection.commit()
    table = opened(spark, sql_server, name, settings=sql_server.with_(reader=reader))
    rows = table.rows(table.names, ())
    assert [field.dataType for field in rows.schema] == [kind for _, _, kind in SQL_SERVER_TYPES.values()]
    full, empty = sorted(rows.collect(), key=lambda row: row.id is None)
    assert tuple(full) == tuple(value for _, value, _ in SQL_SERVER_TYPES.values())
    assert set(empty) == {None}


@pytest.mark.parametrize("per_range", [100, 500_000])
def test_both_readers_give_the_same(spark: SparkSession, sql_server: Any, per_range: int) -> None:
    pytest.importorskip("mssql_python", reason="mssql-python is not installed")
    name = sql_server.make("some_rows", SOME_ROWS_COLUMNS, ROWS)
    settings = sql_server.with_(reader="mssql-python", rows_per_range=per_range, concurrent_connections=2)
    table = opened(spark, sql_server, name, settings=settings, partition_by="id")
    assert Counter(tuple(row) for row in read(table)) == Counter(ROWS)
    assert table.rows((), ()).count() == len(ROWS)
