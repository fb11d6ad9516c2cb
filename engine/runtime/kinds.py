"""The kind of engine behind a session."""

from __future__ import annotations

from pyspark.sql import SparkSession

# Sessions of the server in this process.
_embedded: set[str] = set()


def is_classic(spark: SparkSession) -> bool:
    """True if the session has a JVM in this process; False if it speaks Spark Connect, as the embedded engine does."""
    # classes of Spark Connect are imported only when they are used
    return not type(spark).__module__.startswith("pyspark.sql.connect")


def is_embedded(spark: SparkSession) -> bool:
    """True if the session's engine, and every Python function that it calls, runs in this process."""
    return not is_classic(spark) and spark.session_id in _embedded  # type: ignore[attr-defined]


def register_embedded(spark: SparkSession) -> None:
    """Record that a session belongs to the server in this process."""
    _embedded.add(spark.session_id)  # type: ignore[attr-defined]
