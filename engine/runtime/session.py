"""The session of a job on its chosen engine, with the settings that results depend on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

# Results depend on these, so they override the cluster's defaults.
REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # Spark's own default is INT96, which is deprecated and has no time zone
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # pandas writes nanosecond timestamps, which Spark otherwise rejects
    "spark.sql.legacy.parquet.nanosAsLong": "true",
}

# For speed and less output; a cluster may override them.
PREFERRED = {
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    # one shuffle by dispense serves joins and windows on longer keys
    "spark.sql.requireAllClusterKeysForCoPartition": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    # facts are wider than the default limit of 100 fields for whole-stage code generation
    "spark.sql.codegen.maxFields": "300",
    # Spark's own default does not cover keys of storage accounts
    "spark.redaction.regex": "(?i)secret|password|passwd|pwd|token|credential|(access|account|api)[._-]?key|sas",
    # otherwise every Python column expression records its call site, which takes half of the time to build it
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}


# By default the JVM does not compile methods of more than 8,000 bytes. A chain of joins generated as one such method
# would be interpreted, many times slower. Without the JVM option, whole-stage code generation must stay off.
COMPILES_HUGE_METHODS = "-XX:-DontCompileHugeMethods"
_JAVA_OPTIONS = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions")
_LONGEST_COMPILED_METHOD = "8000"
_DRIVER_MEMORY = "4g"


@dataclass(frozen=True)
class EngineFacts:
    """The engine of a session: its name, version and the reason for the choice."""

    name: str
    version: str
    reason: str

    def __str__(self) -> str:
        """The line that a run prints first."""
        product = "Sail" if self.name == Engine.EMBEDDED else "Apache Spark"
        return f"engine     {self.name} ({product} {self.version}): {self.reason}"


# By engine, for sessions that `open_session` opened in this process.
_reasons: dict[Engine, str] = {}


def open_session(name: str, settings: Settings, choice: Choice, report: Callable[[str], None]) -> SparkSession:
    """Open the session of a job and report which engine runs it.

    The embedded engine ignores the settings' section `spark`, which is reported once.
    """
    _reasons[choice.engine] = choice.reason
    if choice.engine is Engine.SPARK:
        spark = build_session(name, settings.spark)
        report(str(engine_facts(spark)))
        return spark
    from engine.runtime.embedded import embedded_session

    spark = embedded_session()
    report(str(engine_facts(spark)))
    without_effect = [*(["spark.master"] if settings.spark.master else []), *settings.spark.conf]
    if without_effect:
        report(f"note: the embedded engine ignores {', '.join(without_effect)}")
    return spark


def engine_facts(spark: SparkSession) -> EngineFacts:
    """The engine of a session."""
    engine = Engine.EMBEDDED if is_embedded(spark) else Engine.SPARK
    engine_version = version("pysail") if engine is Engine.EMBEDDED else spark.version
    return EngineFacts(engine.value, engine_version, _reasons.get(engine, "opened by the program"))


def build_session(name: str, settings: SparkSettings) -> SparkSession:
    """Build the Spark session of a job. spark-submit's --master and --conf take precedence over the section `spark`."""
    use_java(os.environ)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # without spark-submit (a notebook, a benchmark) the JVM starts with these arguments
    memory = settings.conf.get("spark.driver.memory", _DRIVER_MEMORY)
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"--driver-memory {memory} pyspark-shell")
    builder = SparkSession.builder.appName(name)
    if not _submitted_value("spark.master"):
        builder = builder.master(settings.master or "local[*]")
    # Hadoop sets the permissions of new files by this mask, on local file systems too
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
    """Cancel the engine's running jobs after a signal; does nothing if the engine has ended.

    The signal may have arrived while this thread waited for a response of the JVM. The connection is closed, because
    the next command would read that response as its own.
    """
    if not is_classic(spark):
        with suppress(Exception):  # an engine that has ended has no jobs
            spark.interruptAll()
        return
    with suppress(Exception):  # a connection may raise anything while the JVM shuts down
        gateway: Any = spark.sparkContext._gateway
        # absent unless each thread has its own connection, which is Spark's default
        connection = getattr(gateway._gateway_client, "get_thread_connection", lambda: None)()
        if connection is not None:
            connection.close()
        spark.sparkContext.cancelAllJobs()


def _submitted_value(key: str) -> str | None:
    """The value that spark-submit received for a key, before a session exists."""
    SparkContext._ensure_initialized()
    return SparkConf(loadDefaults=True).get(key, None)


@contextmanager
def operators_compiled_apart(spark: SparkSession) -> Iterator[None]:
    """All rules are too long for one method: Spark tries for seconds and fails, or makes one that runs slowly."""
    setting = "spark.sql.codegen.wholeStage"
    before = spark.conf.get(setting)
    spark.conf.set(setting, "false")
    try:
        yield
    finally:
        spark.conf.set(setting, str(before))
