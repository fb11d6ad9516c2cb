"""Cutting a table: each row in exactly one range, however its key is spread. On SQLite, which reads the same SQL."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.database import SQL_SERVER
from engine.settings import DatabaseSettings
from engine.sources.table_read import TableRead, all_of, distinct_in_order

KEYS = st.lists(
    st.one_of(st.none(), st.integers(-3, 3), st.integers(-(10**12), 10**12), st.just(5)), min_size=0, max_size=60
)


@given(KEYS, st.integers(1, 5), st.integers(1, 20), st.integers(0, 40))
def test_every_row_meets_one_range(keys: Any, connections: Any, rows_per_range: Any, late: Any) -> None:
    database = sqlite3.connect(":memory:")
    database.execute('CREATE TABLE t ("key" INTEGER, received INTEGER, place INTEGER)')
    database.executemany("INSERT INTO t VALUES (?, ?, ?)", [(key, place, place) for place, key in enumerate(keys)])
    read = TableRead(
        table="t",
        connection="c",
        settings=DatabaseSettings(server="s", concurrent_connections=connections, rows_per_range=rows_per_range),
        source="t",
        columns=("place",),
        partition_by="key",
        # planned on fewer or more rows than there are by now
        rows=max(1, len(keys) + late % 7 - 3),
    )
    sql, values = read.boundaries_query(SQL_SERVER)
    boundaries = (
        list(distinct_in_order(row[0] for row in database.execute(sql, values))) if read.ranges_wanted > 1 else []
    )
    ranges = read.ranges(boundaries, SQL_SERVER)
    found = []
    for one in ranges:
        condition = all_of([read.conditions(SQL_SERVER), one])
        rows = database.execute(read.select(SQL_SERVER) + condition.where, condition.values)
        found += [row[0] for row in rows]
    assert sorted(found) == list(range(len(keys)))


@given(st.lists(st.integers(0, 10**6), min_size=200, max_size=200, unique=True), st.integers(2, 8))
def test_ranges_of_a_spread_key_are_even(keys: Any, connections: Any) -> None:
    database = sqlite3.connect(":memory:")
    database.execute('CREATE TABLE t ("key" INTEGER)')
    database.executemany("INSERT INTO t VALUES (?)", [(key**2,) for key in keys])
    settings = DatabaseSettings(server="s", concurrent_connections=connections)
    read = TableRead(
        table="t", connection="c", settings=settings, source="t", columns=("key",), partition_by="key", rows=len(keys)
    )
    sql, values = read.boundaries_query(SQL_SERVER)
    ranges = read.ranges([row[0] for row in database.execute(sql, values)], SQL_SERVER)
    sizes = [database.execute(f"SELECT COUNT(*) FROM t WHERE {one.sql}", one.values).fetchone()[0] for one in ranges]
    assert len(sizes) == connections
    assert max(sizes) - min(sizes) <= 2
