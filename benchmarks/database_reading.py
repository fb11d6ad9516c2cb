"""Reading a table of many rows from a database: this engine's data source beside plain pyodbc, in one run.

    .venv/bin/python benchmarks/database_reading.py CONFIG CONNECTION [ROWS]

CONFIG is a settings file that describes the connection, whose user may create a table (`engine_benchmark`). Peak
memory: the largest resident size of driver, JVM and Python workers together, sampled ten times a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import date

import pyarrow as pa
from main_job import resident_mib

from engine.contracts.tables import TABLES
from engine.database import SQL_SERVER, connect, dialect_of
from engine.runtime.session import build_session
from engine.settings import DatabaseSettings, SparkSettings, load_settings
from engine.sources.database import DatabaseTable
from engine.sources.location import DATABASE, DatabasePlace, Location

TABLE = "engine_benchmark"
FETCHED = 20_000
_COLUMNS = {
    "id": "bigint",
    "source_row_id": "varchar(40)",
    "ndc": "varchar(11)",
    "pharmacy_npi": "varchar(10)",
    "rx_number": "varchar(20)",
    "date_of_service": "date",
    "quantity": "decimal(15,3)",
    "amount_paid": "decimal(18,2)",
    "fill_number": "int",
    "received_at": "datetime2(6)",
}


def main() -> None:
    config, name = sys.argv[1:3]
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000_000
    settings = load_settings(config, environment=os.environ).databases[name]
    make_table(name, settings, rows)
    # both at the end of the same heap of pages: the first to read would warm the server's cache for the other
    plain_pyodbc(name, settings, rows // 10, arrow=False)
    rowwise = rows / seconds_of(lambda: plain_pyodbc(name, settings, rows, arrow=False))
    print(f"plain pyodbc, fetchmany({FETCHED:,}):            {rowwise:>10,.0f} rows/s")
    plain = rows / seconds_of(lambda: plain_pyodbc(name, settings, rows, arrow=True))
    print(f"plain pyodbc, fetchmany({FETCHED:,}) into Arrow: {plain:>10,.0f} rows/s")
    spark = build_session("benchmark", SparkSettings(master="local[2]", conf={"spark.driver.memory": "2g"}))
    for reader in ("pyodbc", "mssql-python"):
        if reader == "mssql-python" and settings.is_postgresql:
            continue
        for partitions in (1, 2):
            place = DatabasePlace(
                name,
                settings.model_copy(update={"concurrent_connections": partitions, "reader": reader}),
                date(2026, 1, 1),
                table=TABLE,
                partition_by="id",
            )
            location = Location(TABLES["pharmacy_claims"], TABLE, DATABASE, database=place)
            with Memory() as memory:
                began = time.perf_counter()
                table = DatabaseTable(spark, location)
                table.rows(table.names, ()).write.format("noop").mode("overwrite").save()
                speed = rows / (time.perf_counter() - began)
            print(
                f"engine, {reader}, {partitions} connection(s): {speed:>10,.0f} rows/s, {speed / rowwise:.2f} x plain "
                f"rows, {speed / plain:.2f} x plain into Arrow, peak {memory.peak:,.0f} MiB"
            )


def make_table(name: str, settings: DatabaseSettings, rows: int) -> None:
    """Doubled until it is long enough: SQL that every server understands."""
    connection = connect(name, settings, reads_only=False)
    is_sql_server = dialect_of(connection) is SQL_SERVER
    kinds = {k: v if is_sql_server else v.replace("datetime2", "timestamp") for k, v in _COLUMNS.items()}
    if connection.cursor().tables(table=TABLE).fetchone():
        if connection.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchval() == rows:
            return
        connection.execute(f"DROP TABLE {TABLE}")
    connection.execute(f"CREATE TABLE {TABLE} ({', '.join(f'{k} {v}' for k, v in kinds.items())})")
    first = "(1, 'row-0000000001', '00002759701', '1234567893', '001234567', '2025-08-01', 30.5, 123.45, 1, "
    connection.execute(f"INSERT INTO {TABLE} VALUES {first}'2025-08-02 10:11:12.131415')")
    there = 1
    while there < rows:
        more = min(there, rows - there)
        rest = ", ".join(list(_COLUMNS)[2:])
        text = f"CONCAT('row-', CAST(id + {there} AS varchar(20)))"
        connection.execute(f"INSERT INTO {TABLE} SELECT id + {there}, {text}, {rest} FROM {TABLE} WHERE id <= {more}")
        connection.commit()
        there += more
    connection.execute(f"CREATE UNIQUE INDEX ix_{TABLE} ON {TABLE} (id)")
    connection.commit()


def plain_pyodbc(name: str, settings: DatabaseSettings, rows: int, arrow: bool) -> None:
    """One connection, one loop; `arrow`: into the columns that whoever goes on with the rows needs."""
    connection = connect(name, settings, reads_only=True)
    cursor = connection.execute(f"SELECT * FROM {TABLE} WHERE id <= {rows}")
    read = 0
    while batch := cursor.fetchmany(FETCHED):
        if arrow:
            batch = pa.RecordBatch.from_arrays(
                [pa.array(column) for column in zip(*batch, strict=True)], list(_COLUMNS)
            )
        read += len(batch)
    assert read == rows


def seconds_of(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Memory:
    """Peak resident size of this process and of everything that it started, MiB."""

    def __enter__(self) -> Memory:
        self.peak = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self.peak = max(self.peak, resident_mib(os.getpid()))


if __name__ == "__main__":
    main()
