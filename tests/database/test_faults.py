"""What breaks while a table is read: a successful second try or one clear error, never missing or doubled rows."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine import exports
from engine.database import connect, fault_of
from engine.errors import ConfigurationError, InputError, OutputError
from engine.runtime.storage import storage_of
from engine.settings import Secret, Settings
from engine.sources import check_connections, open_tables, translate_read_error
from tests.database.servers import NAME, SOME_ROWS_COLUMNS, CuttingProxy, some_rows
from tests.database.tables import opened, read

ROWS = some_rows(20_000)
SCRIPTS = Path(__file__).resolve().parents[2] / "conf" / "sqlserver"


@pytest.fixture(scope="module")
def tables() -> Any:
    return {}


@pytest.fixture
def some_table(server: Any, tables: Any) -> Any:
    """Made once per server: no test here changes it."""
    if server.kind not in tables:
        tables[server.kind] = server.make("cut_rows", SOME_ROWS_COLUMNS, ROWS)
    return tables[server.kind]


def told(error: BaseException) -> str:
    """What the user is told, as the pipeline tells it."""
    translated = translate_read_error(error)
    assert isinstance(translated, InputError), error
    return str(translated)


def through(server: Any, proxy: Any, **changes: Any) -> Any:
    return server.with_(server="127.0.0.1", port=proxy.port, rows_per_range=4_000, rows_per_fetch=500, **changes)


@pytest.mark.both_engines
@pytest.mark.parametrize("connections", [1, 2])
def test_a_cut_connection_loses_and_doubles_nothing(
    spark: SparkSession, server: Any, some_table: Any, connections: int
) -> None:
    # several ranges fit before the cut, and the cut falls into the middle of one
    with CuttingProxy(server.settings.server, server.settings.port, after=600_000, cuts=2) as proxy:
        settings = through(server, proxy, concurrent_connections=connections)
        table = opened(spark, server, some_table, settings=settings, partition_by="units", partition_method="range")
        assert Counter(tuple(row) for row in read(table)) == Counter(ROWS)
        assert proxy.cut > 0


@pytest.mark.both_engines
def test_a_connection_that_is_cut_again_and_again_is_one_error(
    spark: SparkSession, server: Any, some_table: Any
) -> None:
    with CuttingProxy(server.settings.server, server.settings.port, after=300_000, cuts=1_000) as proxy:
        settings = through(server, proxy, attempts=3)
        table = opened(spark, server, some_table, settings=settings)
        with pytest.raises(Exception) as failed:  # noqa: PT011
            read(table)
        assert proxy.cut == 3
    text = told(failed.value)
    assert "reading table pharmacy_claims failed" in text
    assert f"databases.{NAME}" in text
    assert "retries failed" in text


@pytest.mark.both_engines
def test_a_server_that_is_killed_and_comes_back_while_a_table_is_read(spark: SparkSession, postgresql: Any) -> None:
    server, cluster = postgresql
    name = server.make("killed_rows", SOME_ROWS_COLUMNS, ROWS)
    settings = server.with_(rows_per_range=2_000, rows_per_fetch=100, attempts=12, concurrent_connections=1)
    table = opened(spark, server, name, settings=settings, partition_by="units", partition_method="range")
    rows = table.rows(table.names, ())
    iterator = rows.toLocalIterator()
    seen = [tuple(next(iterator))]  # the task is at work: it fetches faster than this loop takes
    cluster.stop("immediate")

    def come_back() -> None:
        time.sleep(1)
        cluster.start()

    helper = threading.Thread(target=come_back)
    helper.start()
    seen += [tuple(row) for row in iterator]
    helper.join()
    assert Counter(seen) == Counter(ROWS)
    # and once more with the server down from before the first row
    cluster.stop("immediate")
    helper = threading.Thread(target=come_back)
    helper.start()
    assert Counter(tuple(row) for row in read(table)) == Counter(ROWS)
    helper.join()


@pytest.mark.parametrize(
    ("alteration", "expected"),
    [
        ("ALTER TABLE {table} DROP COLUMN b", "b"),
        ("ALTER TABLE {table} ALTER COLUMN a {type} decimal(12,2)", "a: decimal128(12, 2), was int64"),
    ],
)
@pytest.mark.both_engines
def test_a_table_that_is_altered_between_opening_and_reading(
    spark: SparkSession, server: Any, alteration: str, expected: str
) -> None:
    name = server.make("altered", {"a": "int", "b": "nvarchar(5)"}, [(1, "x")])
    table = opened(spark, server, name)
    rows = table.rows(table.names, ())
    server.run(alteration.format(table=name, type="TYPE" if server.kind == "postgresql" else ""))
    with pytest.raises(Exception) as failed:  # noqa: PT011
        rows.collect()
    assert expected in told(failed.value)
    assert "altered" in told(failed.value) or "no such column" in told(failed.value)


@pytest.mark.both_engines
def test_a_column_of_a_type_that_changed_for_a_value_that_fits_nowhere(spark: SparkSession, server: Any) -> None:
    """A view may promise less than what it gives; the value itself is never quoted."""
    if server.kind != "postgresql":
        pytest.skip("SQL Server's columns hold nothing but their type")
    server.run(f"CREATE TABLE {server.table('loose')} (u numeric)")
    server.run(f"INSERT INTO {server.table('loose')} VALUES (1.123456789)")
    with pytest.raises(Exception) as failed:  # noqa: PT011
        read(opened(spark, server, server.table("loose")))
    assert "column u" in told(failed.value)
    assert "1.123456789" not in str(failed.value)
    server.run(f"DROP TABLE {server.table('loose')}")


@pytest.fixture
def reader(server: Any) -> Iterator[Any]:
    """Somebody who may connect and see the schema, and read no table."""
    password = "Only-4-Tests-x9"
    if server.kind == "postgresql":
        server.run(
            f"CREATE ROLE nobody LOGIN PASSWORD '{password}'", f"GRANT USAGE ON SCHEMA {server.schema} TO nobody"
        )
        remove = [f"REVOKE USAGE ON SCHEMA {server.schema} FROM nobody", "DROP ROLE nobody"]
    else:
        server.run(f"CREATE LOGIN nobody WITH PASSWORD = '{password}'", "CREATE USER nobody FOR LOGIN nobody")
        remove = ["DROP USER nobody", "DROP LOGIN nobody"]
    yield "nobody", password
    with closing(server.connect()) as connection:
        for statement in remove:
            connection.execute(statement)
            connection.commit()


def test_a_reader_without_rights_is_told_which_one_is_missing(
    spark: SparkSession, server: Any, some_table: Any, reader: Any, tmp_path: Path
) -> None:
    user, password = reader
    (tmp_path / "password").write_text(password)
    settings = server.with_(user=user, password=Secret(file=str(tmp_path / "password")))
    with pytest.raises(InputError) as failed:
        opened(spark, server, some_table, settings=settings)
    text = str(failed.value)
    assert "permission" in text.lower()
    assert f"GRANT SELECT on {some_table}" in text
    assert password not in text


def test_who_may_read_and_not_write_is_told_before_a_run(server: Any, reader: Any, tmp_path: Path) -> None:
    user, password = reader
    (tmp_path / "password").write_text(password)
    settings = server.with_(user=user, password=Secret(file=str(tmp_path / "password")))
    exports.create_tables(NAME, server.settings, server.schema, SCRIPTS, print, adapted=server.adapted)
    table = server.table("engine_findings")
    server.run(f"GRANT SELECT ON {table} TO {user}")
    try:
        with pytest.raises(OutputError) as failed:
            exports.check_tables(NAME, settings, server.schema, "create_tables")
    finally:
        server.run(f"REVOKE SELECT ON {table} FROM {user}")
    assert "GRANT SELECT, INSERT and DELETE" in str(failed.value)


def test_a_wrong_password_is_not_tried_again(spark: SparkSession, server: Any, some_table: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("not the password")
    with CuttingProxy(server.settings.server, server.settings.port, after=1 << 40, cuts=0) as proxy:
        settings = through(server, proxy, password=Secret(file=str(tmp_path / "password")), first_wait=30.0)
        began = time.monotonic()
        with pytest.raises(InputError) as failed:
            opened(spark, server, some_table, settings=settings)
    assert time.monotonic() - began < 10
    assert "fix user and password of databases.claims" in str(failed.value)
    assert "not the password" not in str(failed.value)


def test_a_server_that_is_not_there_is_one_error(spark: SparkSession, server: Any, some_table: Any) -> None:
    settings = server.with_(server="127.0.0.1", port=1, attempts=2, connect_timeout=2)
    with pytest.raises(InputError, match=r"databases\.claims\.server"):
        opened(spark, server, some_table, settings=settings)


def test_a_table_that_is_not_there_and_a_driver_that_is_not(spark: SparkSession, server: Any) -> None:
    with pytest.raises(InputError, match="fix the table's name"):
        opened(spark, server, server.table("nowhere"))
    with pytest.raises(InputError, match="install the ODBC driver"):
        opened(spark, server, server.table("nowhere"), settings=server.with_(driver="No Such Driver"))


@pytest.mark.parametrize(
    ("secret", "found"),
    [
        ({"environment": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ({"file": "/no/such/file"}, "/no/such/file"),
    ],
)
def test_a_secret_that_is_not_there(server: Any, secret: dict[str, str], found: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        connect(NAME, server.with_(password=Secret(**secret)), reads_only=True)
    assert found in str(failed.value)


def test_an_untrusted_certificate_is_refused_unless_the_settings_trust_it(sql_server: Any) -> None:
    if not sql_server.settings.trust_server_certificate:
        pytest.skip("the server's certificate is trusted here")
    with pytest.raises(Exception) as failed:  # noqa: PT011
        connect(NAME, sql_server.with_(trust_server_certificate=False), reads_only=True)
    assert fault_of(failed.value).kind.value == "encryption"
    assert not fault_of(failed.value).is_worth_another_try


@pytest.mark.real_sqlserver
def test_error_numbers_of_sql_server(sql_server: Any) -> None:
    for statement, kind in (
        ("SELECT * FROM dbo.no_such_table_here", "no such table"),
        ("SELECT no_such_column FROM sys.databases", "no such column"),
        ("RAISERROR (50001, 16, 1)", "other"),
    ):
        with closing(sql_server.connect()) as connection, pytest.raises(Exception) as failed:  # noqa: PT011
            connection.execute(statement).fetchall()
        assert fault_of(failed.value).kind.value == kind


@pytest.mark.real_sqlserver
def test_snapshot_isolation_is_told_as_the_database_has_it(spark: SparkSession, sql_server: Any) -> None:
    table = opened(spark, sql_server, sql_server.make("snapshots", {"a": "int"}, [(1,)]))
    state = sql_server.query("SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()")[0][0]
    assert table.sees_one_state == (state == 1)
    assert bool(table.notes) == (state != 1)


def test_a_silent_server_is_told_once_for_all_its_tables(spark: SparkSession, server: Any) -> None:
    away = server.with_(server="127.0.0.1", port=1, attempts=1, connect_timeout=2)
    tables = {name: {"connection": NAME, "table": f"dbo.{name}"} for name in ("rebate_claims", "invoices", "prices")}
    settings = Settings.model_validate(
        {"databases": {NAME: away.model_dump()}, "input": {"connection": NAME, "tables": tables}}
    )
    with pytest.raises(InputError) as failed:
        open_tables(spark, storage_of(spark), settings)
    assert len(failed.value.problems) == 1
    assert "connecting failed" in str(failed.value)
    (checked,) = check_connections(settings)
    assert len(checked.problems) == 1
    assert checked.tables == []
