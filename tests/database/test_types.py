"""Every type of a server in every role: read exactly, or refused by name by the check and by the run alike."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from engine.database import fault_of
from engine.errors import InputError
from engine.settings import Settings
from engine.sources import check_connections
from engine.sources.database import DatabaseTable, describe
from engine.sources.odbc import OdbcReader
from tests.database.servers import NAME
from tests.database.tables import location_of

DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12, 0)
# type: literal, the value as it must arrive, the type it is read as
READABLE = {
    "sqlserver": {
        "bigint": ("9007199254740993", 9007199254740993, T.LongType()),
        "int": ("-7", -7, T.LongType()),
        "smallint": ("-7", -7, T.LongType()),
        "tinyint": ("255", 255, T.LongType()),
        "bit": ("1", True, T.BooleanType()),
        "decimal(38,10)": (
            "12345678901234567.0123456789",
            Decimal("12345678901234567.0123456789"),
            T.DecimalType(38, 10),
        ),
        "numeric(15,3)": ("-0.001", Decimal("-0.001"), T.DecimalType(15, 3)),
        "money": ("922337203685477.5807", Decimal("922337203685477.5807"), T.DecimalType(19, 4)),
        "smallmoney": ("-214748.3648", Decimal("-214748.3648"), T.DecimalType(10, 4)),
        "float": ("0.1", 0.1, T.DoubleType()),
        "real": ("0.5", 0.5, T.FloatType()),
        "date": ("'2024-02-29'", DAY, T.DateType()),
        "datetime": ("'2024-02-29T12:00:00'", NOON, T.TimestampNTZType()),
        "datetime2(7)": ("'2024-02-29T12:00:00.0000010'", NOON.replace(microsecond=1), T.TimestampNTZType()),
        "smalldatetime": ("'2024-02-29T12:00:00'", NOON, T.TimestampNTZType()),
        "datetimeoffset(7)": (
            "'2024-02-29 14:00:00.0000010 +02:00'",
            NOON.replace(microsecond=1),
            T.TimestampNTZType(),
        ),
        "datetimeoffset(0)": ("'2024-02-29 07:00:00 -05:00'", NOON, T.TimestampNTZType()),
        "char(15)": ("'5810622'", "5810622", T.StringType()),
        "nchar(15)": ("N'žluť'", "žluť", T.StringType()),
        "varchar(20)": ("'0042 '", "0042", T.StringType()),
        "nvarchar(20)": ("N' 日本😀 '", "日本😀", T.StringType()),
        "varchar(max)": ("REPLICATE(CAST('a' AS varchar(max)), 9000)", "a" * 9_000, T.StringType()),
        "nvarchar(max)": ("N'日本'", "日本", T.StringType()),
        "text": ("'old'", "old", T.StringType()),
        "ntext": ("N'日'", "日", T.StringType()),
        "uniqueidentifier": (
            "'6F9619FF-8B86-D011-B42D-00C04FC964FF'",
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            T.StringType(),
        ),
        "time(0)": ("'12:34:56'", "12:34:56", T.StringType()),
    },
    "postgresql": {
        "bigint": ("9007199254740993", 9007199254740993, T.LongType()),
        "smallint": ("-7", -7, T.LongType()),
        "boolean": ("true", True, T.BooleanType()),
        "numeric(15,3)": ("-0.001", Decimal("-0.001"), T.DecimalType(15, 3)),
        "double precision": ("0.1", 0.1, T.DoubleType()),
        "date": ("'2024-02-29'", DAY, T.DateType()),
        "timestamp": ("'2024-02-29 12:00:00.000001'", NOON.replace(microsecond=1), T.TimestampNTZType()),
        "timestamptz": ("'2024-02-29 14:00:00+02'", NOON, T.TimestampNTZType()),
        "char(15)": ("'5810622'", "5810622", T.StringType()),
        "varchar(20)": ("'0042 '", "0042", T.StringType()),
        "text": ("' 日本😀 '", "日本😀", T.StringType()),
    },
}
REFUSED = {
    "sqlserver": (
        *("binary(8)", "varbinary(32)", "varbinary(max)", "image", "rowversion", "xml", "sql_variant"),
        *("hierarchyid", "geography", "geometry"),
    ),
    "postgresql": ("bytea",),
}
NO_KEYS = ("text", "ntext")
CASES = [pytest.param(server, kind, id=f"{server}-{kind}") for server, kinds in READABLE.items() for kind in kinds]
READERS = {"sqlserver": ("pyodbc", "mssql-python"), "postgresql": ("pyodbc",)}
CASES_BY_READER = [
    pytest.param(*case.values, reader, id=f"{case.id}-{reader}") for case in CASES for reader in READERS[case.values[0]]
]


def make(server: Any, kind: str, name: str = "typed", column: str = "v", rows: tuple[str, ...] = ("NULL",)) -> str:
    """A table with an id and a column of a type; a row per literal. Skips types that the server does not have."""
    table = server.table(name)
    try:
        with closing(server.connect()) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f'CREATE TABLE {table} (id varchar(9), "{column}" {server.adapted(kind)})')
            for place, literal in enumerate(rows):
                values = f"('{place}')" if kind == "rowversion" else f"('{place}', {literal})"
                columns = "(id)" if kind == "rowversion" else f'(id, "{column}")'
                connection.execute(f"INSERT INTO {table} {columns} VALUES {values}")
            connection.commit()
    except Exception as error:
        if fault_of(error).number == 1 or "type" in str(error):
            pytest.skip(f"{kind}: {fault_of(error)}")
        raise
    return table


def rows_of(location: Any, *names: str) -> list[dict[str, Any]]:
    """The rows as the executors read them, without Spark."""
    told = describe(location)
    columns = [column for column in told.columns if column.name in names]
    schema = T.StructType([T.StructField(column.name, column.spark_type) for column in columns])
    reader = OdbcReader(told.read.model_copy(update={"columns": tuple(column.name for column in columns)}), schema)
    batches = [batch for partition in reader.partitions() for batch in reader.read(partition)]
    return pa.Table.from_batches(batches, to_arrow_schema(schema, timezone="UTC")).to_pylist()


@pytest.mark.parametrize(("server", "kind", "reader"), CASES_BY_READER, indirect=["server"])
def test_a_value_arrives_as_it_is(server: Any, kind: Any, reader: str) -> None:
    if reader == "mssql-python":
        pytest.importorskip("mssql_python", reason="mssql-python is not installed")
    literal, expected, spark_type = READABLE[server.kind][kind]
    table = make(server, kind, rows=(literal, "NULL"))
    location = location_of(server, table, settings=server.with_(reader=reader))
    (column,) = (column for column in describe(location).columns if column.name == "v")
    assert column.spark_type == spark_type
    rows = rows_of(location, "id", "v")
    assert [row["v"] for row in sorted(rows, key=lambda row: row["id"])] == [expected, None]


@pytest.mark.parametrize(("server", "kind"), CASES, indirect=["server"])
@pytest.mark.parametrize("method", ["range", "hash"])
def test_as_a_key_every_row_is_read_once(server: Any, kind: Any, method: str) -> None:
    literal, _, _ = READABLE[server.kind][kind]
    table = make(server, kind, rows=(literal, "NULL", literal))
    settings = server.with_(concurrent_connections=2, rows_per_range=1)
    location = location_of(server, table, settings=settings, partition_by="v", partition_method=method)
    if server.kind == "sqlserver" and kind in NO_KEYS:
        with pytest.raises(InputError, match=f"cannot be partitioned by column v[^$]*type {kind}"):
            describe(location)
        return
    assert sorted(row["id"] for row in rows_of(location, "id")) == ["0", "1", "2"]


TIMES = {
    "sqlserver": ("date", "datetime", "datetime2(7)", "smalldatetime", "datetimeoffset(7)"),
    "postgresql": ("date", "timestamp", "timestamptz"),
}


@pytest.mark.parametrize(
    ("server", "kind"),
    [pytest.param(server, kind, id=f"{server}-{kind}") for server, kinds in TIMES.items() for kind in kinds],
    indirect=["server"],
)
def test_as_the_time_received_later_rows_and_old_ones_are_left_out(server: Any, kind: Any) -> None:
    moments = ["2026-09-30", "2026-10-01", "2025-01-01", "2026-01-01"]
    table = make(server, kind, column="received_at", rows=(*(f"'{moment}'" for moment in moments), "NULL"))
    location = location_of(server, table, as_of=date(2026, 9, 30), received_after=datetime(2025, 6, 1, tzinfo=UTC))
    counts = describe(location).counts
    assert counts.left_out == {"AFTER_AS_OF": 1, "BEFORE_HIGH_WATER_MARK": 1}
    assert str(counts.last_received)[:10] == "2026-09-30"
    assert sorted(row["id"] for row in rows_of(location, "id")) == ["0", "3", "4"]


def test_an_offset_counts_where_it_moves_a_time_into_another_day(started_sql_server: Any) -> None:
    """Midnight in UTC begins the next day, whatever the clock on the wall."""
    server = started_sql_server
    rows = ("'2026-09-30 23:59:00 -05:00'", "'2026-10-01 01:00:00 +02:00'")
    table = make(server, "datetimeoffset(7)", column="received_at", rows=rows)
    location = location_of(server, table, as_of=date(2026, 9, 30))
    assert describe(location).counts.left_out == {"AFTER_AS_OF": 1}
    assert rows_of(location, "received_at") == [{"received_at": datetime(2026, 9, 30, 23, 0)}]


def refusals(server: Any, table: str) -> tuple[str, str]:
    """What the run says and what the check says."""
    with pytest.raises(InputError) as refused:
        describe(location_of(server, table))
    one = {"connection": NAME, "table": table}
    settings = Settings.model_validate(
        {"databases": {NAME: server.settings.model_dump()}, "input": {"tables": {"pharmacy_claims": one}}}
    )
    (checked,) = check_connections(settings)
    return str(refused.value), "\n".join(map(str, checked.problems))


@pytest.mark.parametrize(
    ("server", "kind"),
    [pytest.param(server, kind, id=f"{server}-{kind}") for server, kinds in REFUSED.items() for kind in kinds],
    indirect=["server"],
)
def test_a_type_that_no_contract_column_has_is_refused_by_name(server: Any, kind: Any) -> None:
    run, check = refusals(server, make(server, kind, column="patient_key"))
    assert "patient_key (" in run
    assert run == check
    # a column that the contract does not name does no harm
    location = location_of(server, make(server, kind, column="picture"))
    assert rows_of(location, "id") == [{"id": "0"}]
    with pytest.raises(InputError, match="cannot be partitioned by column picture"):
        describe(location_of(server, server.table("typed"), partition_by="picture"))


@pytest.mark.parametrize("kind", ["bigint", "decimal(15,3)", "float", "bit"])
def test_an_identifier_that_is_a_number_is_refused_unless_it_has_no_value(server: Any, kind: str) -> None:
    one = "true" if server.kind == "postgresql" and kind == "bit" else "1"
    table = make(server, kind, column="ndc", rows=(one, "NULL"))
    run, check = refusals(server, table)
    assert "identifier column is numeric, its leading zeros are gone: pharmacy_claims.ndc" in run
    assert run == check
    table = make(server, kind, column="ndc", rows=("NULL",))
    assert rows_of(location_of(server, table), "ndc") == [{"ndc": None}]


@pytest.mark.parametrize(
    ("kind", "is_read"), [("bigint", True), ("decimal(10,0)", True), ("float", True), ("real", False), ("bit", False)]
)
def test_an_npi_may_be_a_number_that_holds_ten_digits(server: Any, kind: str, is_read: bool) -> None:
    literal = "true" if (server.kind, kind) == ("postgresql", "bit") else "1"
    table = make(server, kind, column="pharmacy_npi", rows=(literal,))
    if is_read:
        assert len(rows_of(location_of(server, table), "pharmacy_npi")) == 1
        return
    run, check = refusals(server, table)
    assert "its last digits are gone: pharmacy_claims.pharmacy_npi" in run
    assert run == check


def test_computed_columns_are_read_like_others(started_sql_server: Any) -> None:
    server = started_sql_server
    table = server.table("computed")
    server.run(f"CREATE TABLE {table} (id varchar(9), units decimal(15,3), twice AS units * 2)")
    server.run(f"INSERT INTO {table} (id, units) VALUES ('a', 1.5)")
    try:
        assert rows_of(location_of(server, table), "twice") == [{"twice": Decimal(3)}]
    finally:
        server.run(f"DROP TABLE {table}")


def test_padding_does_not_reach_a_column_of_the_contract(spark: SparkSession, server: Any) -> None:
    table = make(server, "char(15)", column="rx_number", rows=("'5810622'",))
    assert [
        row["rx_number"] for row in DatabaseTable(spark, location_of(server, table)).rows(("rx_number",), ()).collect()
    ] == ["5810622"]


def test_a_row_of_tomorrow_leaves_the_fingerprint_of_the_day(server: Any) -> None:
    table = make(server, "datetime2(6)", column="received_at", rows=("'2026-01-01'",))

    def fingerprint() -> tuple[Any, ...]:
        told = describe(location_of(server, table))
        return told.counts.known, told.counts.last_received

    before = fingerprint()
    server.run(f"INSERT INTO {table} VALUES ('z', '2026-10-02')")
    assert fingerprint() == before
    server.run(f"INSERT INTO {table} VALUES ('z', '2026-09-02')")
    assert fingerprint() != before


def test_settlements_of_later_leave_the_fingerprint_too(server: Any) -> None:
    table = make(server, "date", column="settled_on", rows=("'2026-01-01'",))

    def known() -> int:
        return describe(location_of(server, table, contract="settlements")).counts.known

    server.run(f"INSERT INTO {table} VALUES ('z', '2026-10-02')")
    assert known() == 1
    server.run(f"INSERT INTO {table} VALUES ('z', '2026-09-02')")
    assert known() == 2


@pytest.mark.parametrize("query", ["SELECT id FROM {0} -- all of them", "SELECT id FROM {0}; /* done */ ;"])
def test_a_query_may_end_in_a_comment(server: Any, query: str) -> None:
    table = make(server, "date", rows=("NULL",))
    assert rows_of(location_of(server, None, query=query.format(table)), "id") == [{"id": "0"}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("WITH c AS (SELECT id FROM {0}) SELECT id FROM c", "begins with WITH"),
        ("SELECT id FROM {0} ORDER BY id", "ORDER BY"),
        ("SELECT id FROM {0}; SELECT 2 AS b", "second statement"),
        ("SELECT id AS rx_number, v AS rx_number FROM {0}", "rx_number"),
        ("SELECT nope FROM {0}", "nope"),
        ("SELECT id FROM {0} WHERE", "refuses the configured query"),
    ],
)
def test_a_mistake_in_a_query_is_told_as_one(started_sql_server: Any, query: str, said: str) -> None:
    table = make(started_sql_server, "date")
    with pytest.raises(InputError) as refused:
        describe(location_of(started_sql_server, None, query=query.format(table)))
    assert said in str(refused.value)
    assert "input.tables.pharmacy_claims.query" in str(refused.value) or "more than once" in str(refused.value)
