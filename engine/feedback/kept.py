"""The store of decisions, outcomes and submissions: a folder of Parquet files, or tables of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.database import Schema, connect, driver_errors, fault_of, fault_problem, retrying
from engine.errors import InputError, OutputError, Problem
from engine.feedback.sheets import DECISIONS, OUTCOMES
from engine.runtime.storage import Storage, join
from engine.settings import Settings

SUBMISSIONS = "submissions"
_RIGHTS = "SELECT and INSERT on {schema}.decisions, {schema}.outcomes and {schema}.submissions"
_ARROW = {
    DECISIONS: pa.schema(
        [
            ("finding_id", pa.string()),
            ("decided_at", pa.timestamp("us", tz="UTC")),
            ("decided_by", pa.string()),
            ("decision", pa.string()),
            ("reason", pa.string()),
            ("units", pa.decimal128(15, 3)),
            ("comment", pa.string()),
            ("selection", pa.string()),
        ]
    ),
    OUTCOMES: pa.schema(
        [
            ("finding_id", pa.string()),
            ("case_id", pa.string()),
            ("answered_on", pa.date32()),
            ("answer", pa.string()),
            ("counterparty_reason", pa.string()),
            ("units_credited", pa.decimal128(15, 3)),
            ("amount_credited", pa.decimal128(18, 2)),
        ]
    ),
    SUBMISSIONS: pa.schema(
        [
            ("form", pa.string()),
            ("recipient", pa.string()),
            ("finding_id", pa.string()),
            ("case_id", pa.string()),
            ("period", pa.string()),
            ("units", pa.decimal128(15, 3)),
            ("code", pa.string()),
            ("sent_on", pa.date32()),
            ("program", pa.string()),
            ("rebate_type", pa.string()),
            ("invoice_number", pa.string()),
            ("ndc11", pa.string()),
            ("units_paid", pa.decimal128(15, 3)),
            ("amount_paid", pa.decimal128(18, 2)),
        ]
    ),
}


class KeptFeedback:
    """The stored rows of `decisions`, `outcomes` and `submissions`; rows are added and never changed.

    They are in the database `feedback.connection` if that is set, else in the folder `feedback.root`.
    """

    def __init__(self, storage: Storage, settings: Settings):
        self._storage = storage
        self._root = settings.feedback_root
        self._connection = settings.feedback.connection
        self._schema = settings.feedback.database_schema
        self._databases = settings.databases
        self._create = settings.command("create_tables", "--set", f"output.connection={self._connection}")

    @property
    def where(self) -> str:
        """The location, for messages."""
        return self._root if self._connection is None else f"{self._connection}: {self._schema}"

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, times in UTC. Raises InputError if they cannot be read."""
        if self._connection is not None:
            return self._rows_in_database(table)
        uri = join(self._root, f"{table}.parquet")
        if not self._storage.exists(uri):
            return []
        try:
            with self._storage.local_copy(uri) as path:
                return pq.read_table(path, schema=_ARROW[table]).to_pylist()
        except (pa.ArrowException, OSError):
            raise InputError(
                Problem("what is kept cannot be read", uri, to_do="restore the file from a backup")
            ) from None

    def add(self, new: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Add rows by table: in a folder each file is replaced as a unit, in a database all rows are one transaction.

        Raises OutputError if the database does not accept them.
        """
        if self._connection is not None:
            self._add_to_database(new)
            return
        self._storage.make_folder(self._root)
        for table, rows in new.items():
            if rows:
                table_rows = pa.Table.from_pylist([*self.rows(table), *rows], schema=_ARROW[table])
                with self._storage.local_file(join(self._root, f"{table}.parquet")) as path:
                    pq.write_table(table_rows, path)

    def _rows_in_database(self, table: str) -> list[dict[str, Any]]:
        names = _ARROW[table].names
        query = f"SELECT {', '.join(names)} FROM {Schema(self._schema).table(table)}"
        fetched = self._in_database(lambda connection: connection.execute(query).fetchall())
        rows = [dict(zip(names, row, strict=True)) for row in fetched]
        for row in rows:
            if table == DECISIONS:
                row["decided_at"] = row["decided_at"].replace(tzinfo=UTC)
        return rows

    def _add_to_database(self, new: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        def insert(connection: Any) -> None:
            for table, rows in new.items():
                names = _ARROW[table].names
                marks = ", ".join("?" * len(names))
                sql = f"INSERT INTO {Schema(self._schema).table(table)} ({', '.join(names)}) VALUES ({marks})"
                for row in rows:
                    connection.execute(sql, [_without_zone(row[name]) for name in names])
            connection.commit()

        self._in_database(insert)

    def _in_database(self, work: Any) -> Any:
        name = str(self._connection)
        settings, connection = self._databases[name], None
        try:
            connection = retrying(settings)(lambda: connect(name, settings, reads_only=False))
            return work(connection)
        except driver_errors() as error:
            rights = _RIGHTS.format(schema=self._schema)
            problem = fault_problem(
                fault_of(error), name, "keeping decisions, outcomes and submissions", self.where, rights
            )
            raise OutputError([problem, Problem("if the tables are missing", self.where, to_do=self._create)]) from None
        finally:
            if connection is not None:
                connection.close()


def _without_zone(value: Any) -> Any:
    """Times as the tables store them: UTC, without a zone."""
    return value.astimezone(UTC).replace(tzinfo=None) if getattr(value, "tzinfo", None) else value
