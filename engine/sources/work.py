"""The run's own intermediate results as Parquet, so that a lost executor or a restart costs one step."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from engine.sources.failures import SPARK_ERRORS, translate_read_error
from engine.storage import SUCCESS_MARKER, Storage, join


class WorkFolder:
    """Named DataFrames below one folder; any location that Hadoop's file systems serve.

    `resume`: what an earlier run left whole is read instead of computed. Whether it may be (same input, same settings)
    is the caller's to know.
    """

    def __init__(self, spark: SparkSession, storage: Storage, root: str, resume: bool):
        self._spark = spark
        self._storage = storage
        self._root = root
        self._resume = resume

    def path(self, name: str) -> str:
        return join(self._root, *name.split("/"))

    def is_done(self, name: str) -> bool:
        """True where `write` would only read: the result is whole and this run resumes.

        An observation on the DataFrame is not filled then.
        """
        return self._resume and self._storage.exists(join(self.path(name), SUCCESS_MARKER))

    def write(self, name: str, rows: DataFrame, partitions: int | None = None) -> DataFrame:
        """Write the rows and return them read back, in the schema they were declared in, every column nullable.

        `partitions` spreads small results over so many files by an exchange. A result of another schema, left by an
        earlier version of the engine, is written anew. Raises InputError where an input file turns out unreadable
        while it is computed.
        """
        if not (self.is_done(name) and self._has_schema(name, rows.schema)):
            spread = rows if partitions is None else rows.repartition(partitions)
            try:
                spread.write.mode("overwrite").parquet(self.path(name))
            except SPARK_ERRORS as error:
                unreadable = translate_read_error(error)
                if unreadable is None:
                    raise
                raise unreadable from None
        return self._spark.read.schema(rows.schema).parquet(self.path(name))

    def delete(self) -> None:
        self._storage.delete(self._root)

    def _has_schema(self, name: str, schema: T.StructType) -> bool:
        there = self._spark.read.parquet(self.path(name)).schema
        # printed types leave out what may be NULL: read back, everything may
        return there.simpleString() == schema.simpleString()
