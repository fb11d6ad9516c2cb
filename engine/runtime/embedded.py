"""The embedded engine: Sail, a Spark Connect server in Rust that runs inside this process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, cast

from pyspark.sql import SparkSession

from engine.permissions import restrict_new_files
from engine.runtime.kinds import register_embedded

CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # otherwise every column expression records its call site, which adds three levels to a plan limited to 100
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}
# Settings of DataFusion, which plans and executes for this engine.
DATAFUSION = {
    # Further passes of the optimizer hardly change these plans, and planning is most of a small run.
    "optimizer.max_passes": "1",
}
# Read when the library is loaded; a user's own setting counts. Parquet has statistics of row groups alone, because
# those of pages take longer to write than they save in reading.
ENVIRONMENT = {
    "RUST_LOG": "error",
    "SAIL_PARQUET__STATISTICS_ENABLED": "chunk",
}


@cache
def _server() -> Any:
    """The server of this process, listening on a free port of the loopback address."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("SAIL_EXECUTION__CHECKPOINT__PATH", _checkpoints())
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    atexit.register(server.stop)
    return server


def _checkpoints() -> str:
    """The folder for `localCheckpoint`, accessible to this user only, deleted when the process ends."""
    folder = tempfile.mkdtemp(prefix="engine-checkpoints-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder).as_uri()


def embedded_session() -> SparkSession:
    """A session of the embedded engine, with the settings that results depend on."""
    restrict_new_files()
    _, port = _server().listening_address
    spark: SparkSession = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    # when the process ends, PySpark would clear a cache of ML models that this engine does not have; after an
    # interruption the engine may never answer
    atexit.unregister(cast(Any, spark).client._on_exit)
    for key, value in CONF.items():
        spark.conf.set(key, value)
    for key, value in DATAFUSION.items():
        spark.sql(f"SET datafusion.{key} = {value}").collect()
    register_embedded(spark)
    return spark
