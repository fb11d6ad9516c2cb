"""Python objects that functions on the executors use: sent once, or not sent if the executors are this process.

Executors import this module, so it imports no large module of the engine.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from pyspark.sql import SparkSession

from engine.runtime.kinds import is_classic, is_embedded

Value = TypeVar("Value")
_ValueOut = TypeVar("_ValueOut", covariant=True)
_numbers = itertools.count()
# Objects used by functions of the embedded engine, by the number that represents each in a plan.
_of_this_process: dict[int, Any] = {}


class Shared(Protocol[_ValueOut]):
    """An object that functions on executors read as `value`."""

    @property
    def value(self) -> _ValueOut:
        """The object, on the driver and on executors alike."""


class _InPlan(Generic[Value]):
    """An object that is part of every plan that uses it."""

    def __init__(self, value: Value):
        self.value = value


class _InProcess(Generic[Value]):
    """An object that stays in this process. Never freed, because a plan that refers to it may run again."""

    def __init__(self, value: Value):
        self._number = next(_numbers)
        _of_this_process[self._number] = value

    @property
    def value(self) -> Value:
        value: Value = _of_this_process[self._number]
        return value

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _restored, (self._number,)


def _restored(number: int) -> _InProcess[Any]:
    restored = _InProcess.__new__(_InProcess)
    restored._number = number
    return restored


def share(spark: SparkSession, value: Value) -> Shared[Value]:
    """Make an object available to Python functions of a session's executors.

    On Spark it is a broadcast variable, on a remote Spark Connect server it is part of each plan, and on the embedded
    engine functions use the object itself, so it must not be changed.
    """
    if is_classic(spark):
        return spark.sparkContext.broadcast(value)
    return _InProcess(value) if is_embedded(spark) else _InPlan(value)


def parallelism(spark: SparkSession) -> int:
    """Number of tasks that the session's engine can run at once."""
    if is_classic(spark):
        return spark.sparkContext.defaultParallelism
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
