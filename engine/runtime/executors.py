"""Watch whether a run gets executors: Spark itself waits for them indefinitely and without a message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from pyspark.sql import SparkSession

from engine.errors import ConfigurationError, Problem

_INTERVAL = 5.0
# Executors take some seconds to start or to be replaced.
_NOTICE = 30.0


class ExecutorWatch:
    """Checks in a thread whether jobs wait while no executor is available. `failure`: why the jobs were ended."""

    def __init__(self, context: Any, seconds: float, report: Callable[[str], None]):
        self.failure: ConfigurationError | None = None
        self._context = context
        self._seconds = seconds
        self._report = report
        self._ended = Event()
        self._since: float | None = None
        self._is_announced = False

    def watch(self) -> None:
        """Check until the run ends."""
        while not self._ended.wait(min(_INTERVAL, self._seconds / 4)):
            with suppress(Exception):  # the JVM may be shutting down, which the run itself reports
                self.look(time.monotonic())

    def end(self) -> None:
        """Stop the checks; a check that is under way ends first."""
        self._ended.set()

    def look(self, now: float) -> None:
        """Compare the state of the cluster with that of the last check; end all jobs after the configured time."""
        if not self._is_starved():
            if self._is_announced:
                self._report("           note: executors work for this run again")
            self._since, self._is_announced = None, False
            return
        self._since = now if self._since is None else self._since
        waited = now - self._since
        if waited >= self._seconds:
            self.failure = ConfigurationError(
                Problem(
                    "no executor works for this run",
                    self._context.master,
                    f"none for {waited:,.0f} seconds, while jobs wait for one",
                    "workers with free cores and memory",
                    "check the cluster and the resources that the run requests (--executor-memory, --executor-cores, "
                    "--num-executors); spark.executor_wait_seconds sets how long a run waits",
                )
            )
            self._context.cancelAllJobs()
        elif waited >= min(_NOTICE, self._seconds / 2) and not self._is_announced:
            self._is_announced = True
            self._report(
                f"           note: no executor works for this run at {self._context.master}; it waits for one and ends "
                f"after {self._seconds:,.0f} s without"
            )

    def _is_starved(self) -> bool:
        """True if jobs wait and only the driver is available. An idle run needs no executors; some clusters remove
        them.
        """
        if not self._context.statusTracker().getActiveStageIds():
            return False
        return len(self._context._jsc.sc().statusTracker().getExecutorInfos()) <= 1


@contextmanager
def executors_watched(
    spark: SparkSession, seconds: float, report: Callable[[str], None]
) -> Iterator[Callable[[], ConfigurationError | None]]:
    """Watch a cluster's executors during the block, which gets a function that returns why jobs were ended, if they
    were. Spark's local mode and the embedded engine have no cluster to watch.
    """
    context = getattr(spark, "sparkContext", None)
    if context is None or context.master.startswith("local"):
        yield lambda: None
        return
    watch = ExecutorWatch(context, seconds, report)
    thread = Thread(target=watch.watch, name="executors", daemon=True)
    thread.start()
    try:
        yield lambda: watch.failure
    finally:
        watch.end()
        thread.join(timeout=_INTERVAL)
