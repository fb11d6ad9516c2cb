"""The session of a job on the engine that was chosen for it, with the settings that results rest on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from engine.permissions import restrict_new_files
from engine.runtime.java import use_java
from engine.runtime.kinds import is_classic, is_embedded
from engine.runtime.selection import Choice, Engine
from engine.settings import Settings, SparkSettings

# Results depend on these, so that they hold whatever the cluster's defaults are.
REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # Spark's own default is INT96, which is deprecated and has no time zone
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
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


@dataclass(frozen=True)
class EngineFacts:
    """What runs a session: the engine, its version and the reason for which it was chosen."""

    name: str
    version: str
    reason: str

    def __str__(self) -> str:
        product = "Sail" if self.name == Engine.EMBEDDED else "Apache Spark"
        return f"engine     {self.name} ({product} {self.version}): {self.reason}"


# By engine, for sessions that `open_session` opened in this process.
_reasons: dict[Engine, str] = {}


def open_session(name: str, settings: Settings, choice: Choice, say: Callable[[str], None]) -> SparkSession:
    """The session of a job; says first which engine runs it.

    The embedded engine takes none of the settings' `spark` section, which is said once.
    """
    _reasons[choice.engine] = choice.reason
    if choice.engine is Engine.SPARK:
        spark = build_session(name, settings.spark)
        say(str(engine_facts(spark)))
        return spark
    from engine.runtime.embedded import embedded_session

    spark = embedded_session()
    say(str(engine_facts(spark)))
    without_effect = [*(["spark.master"] if settings.spark.master else []), *settings.spark.conf]
    if without_effect:
        say(f"note: the embedded engine ignores {', '.join(without_effect)}")
    return spark


def engine_facts(spark: SparkSession) -> EngineFacts:
    """What runs a session."""
    engine = Engine.EMBEDDED if is_embedded(spark) else Engine.SPARK
    engine_version = version("pysail") if engine is Engine.EMBEDDED else spark.version
    return EngineFacts(engine.value, engine_version, _reasons.get(engine, "opened by the program"))


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
    """End the jobs that the engine still works on, after a signal; nothing happens if it has ended itself.

    The signal may have come while this thread waited for an answer of the JVM. The connection is closed, since the
    next command would take that answer for its own.
    """
    if not is_classic(spark):
        with suppress(Exception):  # an engine that has ended has no jobs
            spark.interruptAll()
        return
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
