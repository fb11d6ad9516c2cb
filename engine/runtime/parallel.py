"""Run independent tasks concurrently: an engine plans each query in one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import TypeVar

from pyspark.sql import SparkSession

from engine.runtime.session import cancel_jobs

_Result = TypeVar("_Result")

_MOST_AT_ONCE = 4
_SECONDS_TO_END = 0.5


def in_parallel(
    spark: SparkSession, tasks: Sequence[Callable[[], _Result]], at_once: int | None = None
) -> list[_Result]:
    """Run tasks that do not depend on each other; returns their results in order.

    `at_once`: how many run at a time; None: one per processor, at most 4. When a task fails, running tasks
    finish, no further one starts, and the error of the first failed task in order is raised. When this thread is
    interrupted, the engine's jobs are canceled before the interruption is raised, so no task writes after it.
    """
    workers = at_once or min(_MOST_AT_ONCE, os.cpu_count() or 1)
    if workers == 1 or len(tasks) < 2:
        return [task() for task in tasks]
    stop = threading.Event()

    def begun(task: Callable[[], _Result]) -> _Result:
        if stop.is_set():
            raise CancelledError
        try:
            return task()
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(min(workers, len(tasks)), thread_name_prefix="result") as pool:
        running = [pool.submit(begun, task) for task in tasks]
        try:
            wait(running)
        except BaseException:
            stop.set()
            while unfinished := [future for future in running if not future.done()]:
                cancel_jobs(spark)
                wait(unfinished, timeout=_SECONDS_TO_END)
            raise
    errors = [error for future in running if (error := future.exception()) is not None]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    return [future.result() for future in running]
