"""Independent results made at the same time: an engine plans each in one thread."""

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
    """The results of tasks that do not depend on each other, in their order.

    `at_once`: how many run at a time; None: one per processor, at most 4. When a task fails, those that run are waited
    for, no further one begins, and the error of the first task in order is raised. When this thread is interrupted, the
    engine's jobs are canceled before the interruption goes on, so that no task writes after it.
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
            while unfinished := [one for one in running if not one.done()]:
                cancel_jobs(spark)
                wait(unfinished, timeout=_SECONDS_TO_END)
            raise
    errors = [error for one in running if (error := one.exception()) is not None]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    return [one.result() for one in running]
