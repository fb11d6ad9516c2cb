"""Which kind of session a DataFrame belongs to."""

from __future__ import annotations

from pyspark.sql import SparkSession


def is_classic(spark: SparkSession) -> bool:
    """True if the session has a JVM in this process; False if it speaks Spark Connect, as the embedded engine does."""
    # the classes of Spark Connect are imported only where they are used
    return not type(spark).__module__.startswith("pyspark.sql.connect")
