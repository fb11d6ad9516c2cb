"""Independent results at the same time: their order, their errors, and what an interruption leaves running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.runtime.parallel import in_parallel


def test_results_come_in_the_order_of_their_tasks(spark: SparkSession) -> None:
    def task(number: int) -> Callable[..., Any]:
        def result() -> Any:
            time.sleep(0.02 * (4 - number))
            return number

        return result

    assert in_parallel(spark, [task(number) for number in range(4)], at_once=4) == [0, 1, 2, 3]
    assert in_parallel(spark, [], at_once=4) == []


def test_tasks_run_at_the_same_time(spark: SparkSession) -> None:
    both = threading.Barrier(2, timeout=10)
    assert in_parallel(spark, [both.wait, both.wait], at_once=2) in ([0, 1], [1, 0])


def test_the_first_error_in_order_is_raised_after_running_tasks_have_ended(spark: SparkSession) -> None:
    ended = []
    both = threading.Barrier(2, timeout=10)

    def slow() -> None:
        both.wait()
        time.sleep(0.2)
        ended.append("slow")
        raise KeyError("slow")

    def quick() -> None:
        both.wait()
        raise ValueError("quick")

    def never() -> None:
        ended.append("never")

    with pytest.raises(KeyError, match="slow"):
        in_parallel(spark, [slow, quick, never], at_once=2)
    assert ended == ["slow"]


def test_an_interruption_cancels_what_the_engine_works_on_and_no_task_outlives_it(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(BaseException):
        pass

    canceled = threading.Event()
    ended = []

    def task() -> None:
        assert canceled.wait(10)
        ended.append(threading.current_thread().name)

    def interrupt(*_: Any, **__: Any) -> None:
        raise Interrupted

    real_wait = in_parallel.__globals__["wait"]
    calls = []

    def wait(*arguments: list[Any], **options: Any) -> Any:
        calls.append(options)
        return interrupt() if len(calls) == 1 else real_wait(*arguments, **options)

    monkeypatch.setitem(in_parallel.__globals__, "wait", wait)
    monkeypatch.setitem(in_parallel.__globals__, "cancel_jobs", lambda _: canceled.set())
    with pytest.raises(Interrupted):
        in_parallel(spark, [task, task], at_once=2)
    assert len(ended) == 2
