"""The Spark session, with the settings that results rest on."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from engine.permissions import restrict_new_files
from engine.runtime.java import use_java
from engine.settings import SparkSettings

# Results depend on these, so that they hold whatever the cluster's defaults are.
REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # pandas writes nanosecond timestamps, which Spark otherwise refuses
    "spark.sql.legacy.parquet.nanosAsLong": "true",
}

# Good for speed and quiet; a cluster may set others.
PREFERRED = {
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    # one exchange by dispense serves joins and windows on longer keys
    "spark.sql.requireAllClusterKeysForCoPartition": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    # facts are wider than the default of 100 fields, beyond which no operators are compiled together
    "spark.sql.codegen.maxFields": "300",
    # Spark's own default knows no keys of storage accounts
    "spark.redaction.regex": "(?i)secret|password|passwd|pwd|token|credential|(access|account|api)[._-]?key|sas",
    # else every Python column expression records where it was written: half of the time it takes to make one
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}


# The JVM compiles no method of more than 8,000 bytes unless it is told to, and as one such method a chain of joins
# would be interpreted, many times slower. Where it is not told, Spark must not make operators into one.
COMPILES_HUGE_METHODS = "-XX:-DontCompileHugeMethods"
_JAVA_OPTIONS = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions")
_LONGEST_COMPILED_METHOD = "8000"
_DRIVER_MEMORY = "4g"


def build_session(name: str, settings: SparkSettings) -> SparkSession:
    """The session of a job. spark-submit's own --master and --conf win over the settings' `spark` section."""
    use_java(os.environ)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # without spark-submit (a notebook, a benchmark) the JVM starts with what this says, once and for all
    memory = settings.conf.get("spark.driver.memory", _DRIVER_MEMORY)
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"--driver-memory {memory} pyspark-shell")
    builder = SparkSession.builder.appName(name)
    if not _submitted_value("spark.master"):
        builder = builder.master(settings.master or "local[*]")
    # Hadoop sets the permissions of each new file itself, on local file systems too, by this mask
    preferred = {**PREFERRED, "spark.hadoop.fs.permissions.umask-mode": f"{restrict_new_files():03o}"}
    if not all(COMPILES_HUGE_METHODS in (_submitted_value(options) or "") for options in _JAVA_OPTIONS):
        preferred["spark.sql.codegen.hugeMethodLimit"] = _LONGEST_COMPILED_METHOD
    for key, value in {**preferred, **{k: str(v) for k, v in settings.conf.items()}}.items():
        if not _submitted_value(key):
            builder = builder.config(key, value)
    for key, value in REQUIRED.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def cancel_jobs(spark: SparkSession) -> None:
    """End the jobs that Spark still works on, after a signal; nothing happens if Spark itself has ended.

    The signal may have come while this thread waited for an answer of the JVM. The connection is closed, since the
    next command would take that answer for its own.
    """
    with suppress(Exception):  # whatever a connection raises while the JVM is going away
        gateway: Any = spark.sparkContext._gateway
        # absent unless each thread has a connection of its own, which is Spark's default
        connection = getattr(gateway._gateway_client, "get_thread_connection", lambda: None)()
        if connection is not None:
            connection.close()
        spark.sparkContext.cancelAllJobs()


def _submitted_value(key: str) -> str | None:
    """What spark-submit was told about a key, before any session exists."""
    SparkContext._ensure_initialized()
    return SparkConf(loadDefaults=True).get(key, None)
