"""The Spark data source `engine_odbc`: a database table in Arrow batches, one connection per task.

A range of rows is fetched completely before its rows are returned (into memory, and beyond a few MB to a temporary
file). If the connection breaks in between, it is opened again and the range is read again, without lost or repeated
rows.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import to_arrow_schema

from engine.database import Dialect, connect, dialect_of, driver_errors, fault_of, fault_problem, retrying
from engine.errors import InputError, Problem, UserError
from engine.runtime.abilities import abilities
from engine.sources.arrow_fetch import arrow_batches, without_columns
from engine.sources.database_types import spark_type
from engine.sources.table_read import Condition, TableRead, all_of, distinct_in_order

FORMAT = "engine_odbc"
# Unicode's white space, and the NUL characters with which some programs pad.
_PADDING = "".join(letter for letter in map(chr, range(0x3001)) if letter.isspace()) + "\0"
_KEPT_IN_MEMORY = 64 << 20
# Marks a failure on an executor, so the driver can report it in one message: see `engine.sources.failures`.
MARK = "ENGINE_DATABASE_PROBLEM"


class OdbcSource(DataSource):
    """Option `read`: a TableRead as JSON. The schema is required: it names the columns and their types."""

    @classmethod
    def name(cls) -> str:
        """The name of the format, for `spark.read.format`."""
        return FORMAT

    def reader(self, schema: T.StructType) -> DataSourceReader:
        """The reader of the query that the options describe."""
        return OdbcReader(TableRead.model_validate_json(self.options["read"]), schema)


@dataclass
class RangesPartition(InputPartition):
    """The ranges of a table that one task reads, one after the other."""

    ranges: tuple[Condition, ...]


class OdbcReader(DataSourceReader):
    """Reads a table over ODBC, a connection per task."""

    def __init__(self, read: TableRead, schema: T.StructType):
        self._read = read
        self._schema = schema

    def partitions(self) -> Sequence[InputPartition]:
        """Ranges that cover the table, dealt to as many tasks as may connect at once."""
        read = self._read
        with _driver_faults_reported(read), _Session(read) as session:
            boundaries: list[Any] = []
            if read.partition_by is not None and read.partition_method == "range" and read.ranges_wanted > 1:
                boundaries = session.retried(
                    lambda: list(distinct_in_order(session.column(*read.boundaries_query(session.dialect))))
                )
            ranges = read.ranges(boundaries, session.retried(lambda: session.dialect))
        tasks = min(len(ranges), read.settings.concurrent_connections)
        per_task = -(-len(ranges) // tasks)
        return [RangesPartition(tuple(ranges[first : first + per_task])) for first in range(0, len(ranges), per_task)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of a task's ranges. A range that fails is read again from its start, so no row comes twice."""
        assert isinstance(partition, RangesPartition)
        schema = to_arrow_schema(self._schema, timezone="UTC")
        with _driver_faults_reported(self._read), _Session(self._read) as session:
            for rows in partition.ranges:
                with tempfile.SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY) as spool:
                    session.retried(lambda rows=rows, spool=spool: _fetch(session, rows, schema, spool))
                    spool.seek(0)
                    with pa.ipc.open_stream(spool) as batches:
                        yield from batches


def frame(spark: SparkSession, read: TableRead, schema: T.StructType) -> DataFrame:
    """The rows of a table: one task per connection, as the engine reads a data source in Python."""
    if abilities(spark).reads_data_sources:
        spark.dataSource.register(OdbcSource)
        return spark.read.format(FORMAT).schema(schema).option("read", read.model_dump_json()).load()
    reader = OdbcReader(read, schema)
    partitions = reader.partitions()
    tasks = spark.range(0, len(partitions), 1, numPartitions=len(partitions))
    # rows are counted by their columns, so one column is read even if none is requested
    received = schema if schema.names else T.StructType([T.StructField("row", T.StringType())])
    rows = tasks.mapInArrow(partial(_read_partitions, reader, partitions), received)
    return rows.select(*schema.names)


def _read_partitions(
    reader: OdbcReader, partitions: Sequence[InputPartition], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch.column("id").to_pylist():
            for rows in reader.read(partitions[number]):
                yield (
                    rows
                    if rows.num_columns
                    else pa.RecordBatch.from_pydict({"row": pa.nulls(rows.num_rows, pa.string())})
                )


class _Session:
    """One connection at a time, opened when first needed and again after it broke."""

    def __init__(self, read: TableRead):
        self._read = read
        self._connection: Any = None
        self._dialect: Dialect | None = None

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*driver_errors()):  # it may be broken already
                connection.close()

    def retried(self, work: Any) -> Any:
        return retrying(self._read.settings, before_next=self.close)(work)

    @property
    def dialect(self) -> Dialect:
        _ = self.connection
        assert self._dialect is not None
        return self._dialect

    @property
    def connection(self) -> Any:
        if self._connection is None:
            read = self._read
            self._connection = connect(read.connection, read.settings, reads_only=True)
            self._dialect = dialect_of(self._connection)
            if read.sees_one_state:
                # takes effect with the next transaction, which must not have begun
                self._connection.rollback()
                self._connection.execute(self._dialect.snapshot)
                self._connection.commit()
        return self._connection

    def column(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return [row[0] for row in self.connection.execute(sql, *values).fetchall()]


def _fetch(session: _Session, rows: Condition, schema: pa.Schema, spool: IO[bytes]) -> None:
    read = session._read
    spool.seek(0)
    spool.truncate()
    condition = all_of([read.conditions(session.dialect), rows])
    sql = read.select(session.dialect) + condition.where
    if read.settings.reader == "mssql-python":
        batches = arrow_batches(read, sql, condition.values, schema, session.dialect)
    else:
        batches = _row_batches(session, sql, condition.values, schema)
    with pa.ipc.new_stream(spool, schema) as stream:
        for batch in batches:
            stream.write_batch(_without_padding(batch))


def _without_padding(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Strip white space around text: char(n) pads with it."""
    columns = [
        pc.utf8_trim(column, characters=_PADDING) if pa.types.is_string(column.type) else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, schema=batch.schema) if columns else batch


def _row_batches(session: _Session, sql: str, values: Sequence[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    read = session._read
    cursor = session.connection.execute(sql, *values)
    if read.columns:
        _check_unchanged(read, cursor.description, schema)
    while rows := cursor.fetchmany(read.settings.rows_per_fetch):
        if not read.columns:
            yield without_columns(len(rows))
            continue
        columns = zip(*rows, strict=True)
        yield pa.record_batch(
            [_array(read, field, values) for field, values in zip(schema, columns, strict=True)], schema=schema
        )
    cursor.close()


def _array(read: TableRead, field: pa.Field, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError):
        # the library's own message quotes the value
        raise InputError(
            Problem(
                f"table {read.table} has a value that its column's type cannot represent",
                f"{read.connection}: {read.source}",
                f"column {field.name}",
                f"values of type {field.type}",
                "cast the column in a view or a query",
            )
        ) from None


def _check_unchanged(read: TableRead, description: Sequence[Any], schema: pa.Schema) -> None:
    names = [column[0] for column in description]
    received = to_arrow_schema(
        T.StructType([T.StructField(column[0], spark_type(column) or T.BinaryType()) for column in description]),
        timezone="UTC",
    )
    if names != list(read.columns) or [field.type for field in received] != [field.type for field in schema]:
        changed = [
            f"{field.name}: {field.type}, was {planned.type}"
            for field, planned in zip(received, schema, strict=False)
            if field.type != planned.type
        ]
        raise InputError(
            Problem(
                f"table {read.table} was altered while it was read",
                f"{read.connection}: {read.source}",
                "; ".join(changed) or ", ".join(names),
                "the columns that it had when it was opened",
                "run again",
            )
        )


@contextmanager
def _driver_faults_reported(read: TableRead) -> Iterator[None]:
    """Report user errors and server errors as one marked line that contains no data."""
    try:
        yield
        return
    except UserError as error:
        problems = error.problems
    except driver_errors() as error:
        doing = f"reading table {read.table}"
        is_query = read.source.startswith("(")
        source = f"query of input.tables.{read.table}" if is_query else read.source
        where = f"databases.{read.connection}: {source}"
        problem = fault_problem(
            fault_of(error),
            read.connection,
            doing,
            where,
            f"SELECT on {source}",
            setting=f"input.tables.{read.table}",
            is_query=is_query,
        )
        problems = (problem,)
    marked = json.dumps([vars(problem) for problem in problems])
    raise RuntimeError(f"{MARK}{marked}{MARK}")
