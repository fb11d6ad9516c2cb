"""Opening a server's table as a run does."""

from __future__ import annotations

from datetime import date
from typing import Any

from pyspark.sql import Row, SparkSession

from engine.contracts.tables import TABLES
from engine.settings import DatabaseSettings
from engine.sources.database import DatabaseTable
from engine.sources.location import DATABASE, DatabasePlace, Location
from tests.database.servers import NAME, Server


def location_of(
    server: Server,
    table: str | None,
    contract: str = "pharmacy_claims",
    settings: DatabaseSettings | None = None,
    columns: dict[str, str] | None = None,
    as_of: date = date(2026, 9, 30),
    **place: Any,
) -> Location:
    where = DatabasePlace(NAME, settings or server.settings, as_of, table=table, **place)
    return Location(TABLES[contract], f"{NAME}: {table}", DATABASE, columns=columns or {}, database=where)


def opened(spark: SparkSession, server: Server, table: str | None, **options: Any) -> DatabaseTable:
    return DatabaseTable(spark, location_of(server, table, **options))


def read(table: DatabaseTable) -> list[Row]:
    return table.rows(table.names, ()).collect()
