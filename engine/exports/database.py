"""A run's rows and its record in a database: staged, then swapped in within one transaction.

A failed write leaves the earlier rows in place; a repeated write results in the same rows.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.findings import DISPUTE_LINES, FINDINGS
from engine.contracts.positions import POSITIONS
from engine.contracts.tie_out import TIE_OUT
from engine.database import (
    FaultKind,
    connect,
    dialect_of,
    driver_errors,
    fault_of,
    fault_problem,
    odbc,
    retrying,
)
from engine.errors import OutputError, Problem, counted
from engine.exports.batches import ordered_batches
from engine.exports.database_columns import (
    columns_of_table,
    missing_schema,
    narrow_columns,
    narrow_problem,
    schema_of,
    too_long,
)
from engine.exports.output_tables import (
    CASES_TABLE,
    FINDINGS_TABLE,
    KEYS,
    LINES_TABLE,
    OUTPUT_TABLES,
    POSITIONS_TABLE,
    RUNS,
    STAGING,
    TIE_OUT_TABLE,
    nullable,
)
from engine.exports.review_rows import SEPARATOR
from engine.exports.totals import SUBJECT_KEYS
from engine.runtime.expressions import to_json
from engine.settings import DatabaseSettings

if TYPE_CHECKING:
    import pyodbc

COLUMNS = {table: tuple(columns) for table, columns in OUTPUT_TABLES.items()}
# The driver's buffer is as large as the longest value, in UTF-16 units, times the rows of a batch.
_LONGEST_IN_BATCH = 4_000
_RIGHTS = f"SELECT, INSERT and DELETE on {{schema}}.{RUNS}, {', '.join(KEYS)} and the staging tables"


@dataclass(frozen=True)
class RunTables:
    """Tables that a run writes: FINDINGS, DISPUTE_LINES, CASES, POSITIONS and TIE_OUT; None if the run has none."""

    findings: DataFrame
    lines: DataFrame
    cases: DataFrame
    positions: DataFrame | None = None
    tie_out: DataFrame | None = None

    def flat(self, run_id: str) -> dict[str, DataFrame]:
        """Rows by database table, with its columns; tables that the run does not have are omitted."""
        spark = self.findings.sparkSession
        positions, tie_out = (
            spark.createDataFrame([], schema) if rows is None else rows
            for rows, schema in ((self.positions, POSITIONS), (self.tie_out, TIE_OUT))
        )
        return {
            FINDINGS_TABLE: flat_findings(self.findings),
            LINES_TABLE: flat_dispute_lines(self.lines, run_id),
            CASES_TABLE: self.cases.select(*COLUMNS[CASES_TABLE]),
            POSITIONS_TABLE: flat_positions(positions, run_id),
            TIE_OUT_TABLE: tie_out.withColumn("run_id", F.lit(run_id)).select(*COLUMNS[TIE_OUT_TABLE]),
        }


@dataclass(frozen=True)
class Target:
    """A database table and its rows: `rows` has the table's columns, none of them nested, in a total `order`."""

    table: str
    rows: DataFrame
    order: Sequence[str]
    count: int


def check_tables(name: str, settings: DatabaseSettings, schema: str, create: str, run_id: str = "") -> None:
    """Check, before a run does its work, that its results can be written to the database; changes nothing.

    Args:
        name, settings: The connection.
        schema: Where the tables are: `schema` or `database.schema`.
        create: The command that creates the tables, for an error message.
        run_id: The run's id, if already known.

    Raises:
        OutputError: A table, a column or a right is missing, a column is too narrow, or the run id does not fit.
    """
    connection = None
    place, where = schema_of(schema), f"{name}: {schema}"
    try:
        connection = retrying(settings)(lambda: connect(name, settings, reads_only=False))
        no_schema = missing_schema(connection, place, where)
        if no_schema is not None:
            raise OutputError(no_schema)
        dialect = dialect_of(connection)
        problems, width = [], len(run_id)
        for table, types in OUTPUT_TABLES.items():
            columns = columns_of_table(connection, place, table)
            if narrow := narrow_columns(columns, types, dialect):
                ends = {column: nullable(table, column) for column in types}
                problems.append(narrow_problem(where, place.table(table), narrow, types, ends.__getitem__))
            width = min(width, columns["run_id"].width or width) if "run_id" in columns else width
        if len(run_id) > width:
            to_do = "give a shorter --run-id"
            problems.append(
                Problem(
                    "the run id does not fit the columns run_id",
                    where,
                    f"length {len(run_id)}",
                    f"at most {width}",
                    to_do,
                )
            )
        if problems:
            raise OutputError(problems)
        for table, names in COLUMNS.items():
            target, columns_text = place.table(table), ", ".join(names)
            # Statements that need the same rights as writing does, on no row.
            connection.execute(f"INSERT INTO {target} ({columns_text}) SELECT {columns_text} FROM {target} WHERE 1 = 0")
            connection.execute(f"DELETE FROM {target} WHERE 1 = 0")
            connection.rollback()
    except driver_errors() as error:
        raise _refused(error, name, schema, "checking the tables that the run will write to", create) from None
    finally:
        if connection is not None:
            connection.close()


def check_lengths(
    tables: RunTables,
    summary: Mapping[str, Any],
    name: str,
    settings: DatabaseSettings,
    schema: str,
) -> None:
    """Check that every text of a run fits its column as currently defined in the database. One pass over the rows.

    A server that does not answer is not reported here but by writing, after the run's files are complete.

    Raises:
        OutputError: One problem per column that is too narrow, with its width and the longest value.
    """
    frames = tables.flat(str(summary["run_id"]))
    place, connection = schema_of(schema), None
    try:
        connection = retrying(settings)(lambda: connect(name, settings, reads_only=False))
        counts_units = dialect_of(connection).counts_utf16_units
        columns = {table: columns_of_table(connection, place, table) for table in OUTPUT_TABLES}
    except driver_errors():
        return
    finally:
        if connection is not None:
            with suppress(*driver_errors()):
                connection.close()
    problems = []
    for table, rows in frames.items():
        texts = [field.name for field in rows.schema.fields if isinstance(field.dataType, T.StringType)]
        longest = rows.agg(*(F.max(_length(text, counts_units)).alias(text) for text in texts)).first()
        lengths = [] if longest is None else [(text, int(longest[text] or 0)) for text in texts]
        for target in (table, table + STAGING):
            problems += too_long(f"{name}: {schema}", place.table(target), lengths, columns[target])
    of_run = [(text, _units(str(summary[text]))) for text in ("run_id", "started_by", "config_hash", "code_version")]
    problems += too_long(f"{name}: {schema}", place.table(RUNS), of_run, columns[RUNS])
    if problems:
        raise OutputError(problems)


def _length(name: str, counts_units: bool) -> Column:
    return F.octet_length(F.encode(name, "UTF-16BE")) / 2 if counts_units else F.length(name)


def _units(text: str) -> int:
    """Length in UTF-16 units, as SQL Server and its driver count."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def write_to_database(
    tables: RunTables,
    summary: Mapping[str, Any],
    name: str,
    settings: DatabaseSettings,
    schema: str,
    create: str,
) -> None:
    """Replace the rows of the summary's run in the database. The tables are those of `conf/sqlserver`.

    Memory does not grow with the number of findings. Transient faults of the server are retried from the start.
    `create`: the command that creates the tables, for an error message. Raises OutputError if the server refuses.
    """
    run_id = str(summary["run_id"])
    targets = [
        Target(table, rows, [column for column in KEYS[table] if column != "run_id"], rows.count())
        for table, rows in tables.flat(run_id).items()
    ]
    writer = _Writer(name, settings, schema, run_id)
    try:
        retrying(settings, before_next=writer.close)(lambda: writer.write(targets, summary))
    except driver_errors() as error:
        raise _refused(error, name, schema, f"writing run {run_id}", create) from None
    finally:
        writer.close()


def _refused(error: Exception, name: str, schema: str, doing: str, create: str) -> OutputError:
    fault = fault_of(error)
    problem = fault_problem(fault, name, doing, f"{name}: {schema}", _RIGHTS.format(schema=schema))
    if fault.kind in (FaultKind.NO_TABLE, FaultKind.NO_COLUMN):
        to_do = f"run {create}: it creates what is missing, and names the columns that a table lacks"
        problem = replace(problem, to_do=to_do)
    return OutputError(problem)


def flat_findings(findings: DataFrame) -> DataFrame:
    """FINDINGS with `rule_ids`, and lists as JSON text."""
    rule_ids = F.array_join(F.transform("rules", lambda hit: hit["rule_id"]), SEPARATOR).alias("rule_ids")
    flat = {field.name: _flat(field) for field in FINDINGS.fields} | {"rule_ids": rule_ids}
    return findings.select(*(flat[name] for name in COLUMNS[FINDINGS_TABLE]))


def flat_dispute_lines(lines: DataFrame, run_id: str) -> DataFrame:
    """DISPUTE_LINES of a run; lists of words are joined, lists of rows are JSON text."""
    return lines.select(F.lit(run_id).alias("run_id"), *map(_flat, DISPUTE_LINES.fields))


def flat_positions(positions: DataFrame, run_id: str) -> DataFrame:
    """POSITIONS of a run with position_key, a hash of the columns that identify a row (NULL equals only NULL)."""
    key = [name for name in POSITIONS.names if name not in ("units", "as_of", "previous_position")]
    text = F.concat_ws("\x1f", *(F.coalesce(F.col(name).cast("string"), F.lit("\x1e")) for name in key))
    rows = positions.withColumns({"run_id": F.lit(run_id), "position_key": F.sha2(text, 256)})
    return rows.select(*COLUMNS[POSITIONS_TABLE])


def _flat(field: T.StructField) -> Column:
    if not isinstance(field.dataType, T.ArrayType):
        return F.col(field.name)
    if isinstance(field.dataType.elementType, T.StringType):
        return F.array_join(field.name, SEPARATOR).alias(field.name)
    return to_json(F.col(field.name), field.dataType).alias(field.name)


class _Writer:
    """Attempts until one succeeds, each with its own write id, so rows of an interrupted attempt never mix with it."""

    def __init__(self, name: str, settings: DatabaseSettings, schema: str, run_id: str):
        self._name = name
        self._settings = settings
        self._schema = schema_of(schema)
        self._where = f"{name}: {schema}"
        self._run_id = run_id
        self._connection: pyodbc.Connection | None = None

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*driver_errors()):
                connection.rollback()
            with suppress(*driver_errors()):
                connection.close()

    def write(self, targets: Sequence[Target], summary: Mapping[str, Any]) -> None:
        connection = self._connection = connect(self._name, self._settings, reads_only=False)
        write_id = uuid.uuid4().hex
        for target in targets:
            # staged by an interrupted attempt
            connection.execute(f"DELETE FROM {self._staging(target)} WHERE run_id = ?", self._run_id)
        connection.commit()
        for target in targets:
            for batch in ordered_batches(target.rows, [F.col(column) for column in target.order], target.count):
                self._stage(connection, target, batch, write_id)
                connection.commit()
        for target in targets:
            self._swap(connection, target, write_id)
        self._record(connection, summary)
        connection.commit()

    def _staging(self, target: Target) -> str:
        return self._table(f"{target.table}_staging")

    def _table(self, table: str) -> str:
        return self._schema.table(table)

    def _stage(self, connection: pyodbc.Connection, target: Target, batch: pa.RecordBatch, write_id: str) -> None:
        columns = ["write_id", *target.rows.columns]
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {self._staging(target)} ({', '.join(columns)}) VALUES ({marks})"
        kinds = [(odbc().SQL_WVARCHAR, 32, 0), *(_parameter(field.dataType) for field in target.rows.schema.fields)]
        short: list[tuple[Any, ...]] = []
        long: list[tuple[Any, ...]] = []
        for row in _rows(batch):
            is_long = any(isinstance(value, str) and _is_long(value) for value in row)
            (long if is_long else short).append((write_id, *row))
        cursor = connection.cursor()
        if short:
            cursor.fast_executemany = True
            cursor.setinputsizes(kinds)
            cursor.executemany(sql, short)
        if long:
            cursor = connection.cursor()
            cursor.executemany(sql, long)

    def _swap(self, connection: pyodbc.Connection, target: Target, write_id: str) -> None:
        table, staging = self._table(target.table), self._staging(target)
        columns = ", ".join(target.rows.columns)
        staged = connection.execute(f"SELECT COUNT(*) FROM {staging} WHERE write_id = ?", write_id).fetchval()
        if staged != target.count:
            raise OutputError(
                Problem(
                    f"rows of run {self._run_id} went missing on their way into the database",
                    f"{self._where}.{target.table}_staging",
                    counted(staged, "row", "rows"),
                    counted(target.count, "row", "rows"),
                    "make sure that no other program writes this run at the same time, and write it again",
                )
            )
        connection.execute(f"DELETE FROM {table} WHERE run_id = ?", self._run_id)
        connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging} WHERE write_id = ?", write_id
        )
        connection.execute(f"DELETE FROM {staging} WHERE write_id = ?", write_id)

    def _record(self, connection: pyodbc.Connection, summary: Mapping[str, Any]) -> None:
        counts = summary["counts"]
        values = {
            "run_id": self._run_id,
            "as_of": date.fromisoformat(summary["as_of"]),
            "started_at": datetime.fromisoformat(summary["started_at"]).astimezone(UTC).replace(tzinfo=None),
            "written_at": datetime.now(UTC).replace(tzinfo=None),
            "started_by": summary["started_by"],
            "config_hash": summary["config_hash"],
            "code_version": summary["code_version"],
            "findings": counts["findings"],
            "dispute_lines": counts["dispute_lines"],
            # runs of earlier versions recorded only the sum of the three
            **{f"{key}_at_issue": _amount(counts.get("at_issue", {}).get(key)) for key in SUBJECT_KEYS.values()},
            "summary": json.dumps(summary, default=str),
        }
        runs = self._table(RUNS)
        connection.execute(f"DELETE FROM {runs} WHERE run_id = ?", self._run_id)
        columns = COLUMNS[RUNS]
        marks = ", ".join("?" * len(columns))
        row = [values[column] for column in columns]
        connection.execute(f"INSERT INTO {runs} ({', '.join(columns)}) VALUES ({marks})", *row)


def _amount(at_issue: Mapping[str, Any] | None) -> Decimal | None:
    return None if at_issue is None or at_issue["amount"] is None else Decimal(str(at_issue["amount"]))


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _is_long(text: str) -> bool:
    return 2 * len(text) > _LONGEST_IN_BATCH and _units(text) > _LONGEST_IN_BATCH


def _parameter(kind: T.DataType) -> tuple[int, int, int]:
    """The type with which the driver binds a column; it cannot infer one from a batch of NULLs."""
    pyodbc = odbc()
    if isinstance(kind, T.DecimalType):
        return pyodbc.SQL_DECIMAL, kind.precision, kind.scale
    by_type: dict[type, tuple[int, int, int]] = {
        T.LongType: (pyodbc.SQL_BIGINT, 0, 0),
        T.DoubleType: (pyodbc.SQL_DOUBLE, 0, 0),
        T.BooleanType: (pyodbc.SQL_BIT, 0, 0),
        T.DateType: (pyodbc.SQL_TYPE_DATE, 0, 0),
    }
    return by_type.get(type(kind), (pyodbc.SQL_WVARCHAR, _LONGEST_IN_BATCH, 0))
