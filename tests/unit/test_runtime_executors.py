"""A run that waits for executors says so, and ends after the configured time."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from engine.runtime.executors import ExecutorWatch, executors_watched


class Cluster:
    """What the watch reads of a SparkContext, and does to it."""

    master = "spark://127.0.0.1:7077"

    def __init__(self) -> None:
        self.stages, self.executors, self.cancelled = [1], 0, 0

    def statusTracker(self) -> Any:
        return SimpleNamespace(getActiveStageIds=lambda: self.stages)

    @property
    def _jsc(self) -> Any:
        infos = ["driver", *range(self.executors)]
        return SimpleNamespace(sc=lambda: SimpleNamespace(statusTracker=lambda: SimpleNamespace(
            getExecutorInfos=lambda: infos)))  # fmt: skip

    def cancelAllJobs(self) -> None:
        self.cancelled += 1


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def said() -> list[Any]:
    return []


@pytest.fixture
def watch(cluster: Cluster, said: list[Any]) -> ExecutorWatch:
    return ExecutorWatch(cluster, 600, said.append)


def test_a_run_without_executors_says_so_once_and_ends_after_the_configured_time(
    watch: ExecutorWatch, cluster: Cluster, said: list[Any]
) -> None:
    for now in (0, 10, 29):
        watch.look(now)
    assert said == []
    for now in (31, 36, 590):
        watch.look(now)
    assert len(said) == 1
    assert "no executor works for this run at spark://127.0.0.1:7077" in said[0]
    assert "600 s" in said[0]
    assert (watch.failure, cluster.cancelled) == (None, 0)
    watch.look(600)
    assert cluster.cancelled == 1
    for part in ("no executor", "none for 600 seconds", "spark.executor_wait_seconds"):
        assert part in str(watch.failure)


def test_the_time_begins_again_with_an_executor_and_while_nothing_waits(
    watch: ExecutorWatch, cluster: Cluster, said: list[Any]
) -> None:
    watch.look(0)
    watch.look(40)
    cluster.executors = 1
    watch.look(50)
    assert "again" in said[-1]
    cluster.executors = 0
    watch.look(60)
    cluster.stages = []
    watch.look(650)
    cluster.stages = [2]
    watch.look(700)
    watch.look(1290)
    assert (watch.failure, cluster.cancelled) == (None, 0)


@pytest.mark.parametrize(
    "session", [SimpleNamespace(), SimpleNamespace(sparkContext=SimpleNamespace(master="local[2]"))]
)
def test_nothing_is_watched_where_no_cluster_works(session: Any) -> None:
    with executors_watched(session, 0.01, print) as failure:
        assert failure() is None


def test_the_failure_is_known_when_the_jobs_have_ended(cluster: Cluster, said: list[Any]) -> None:
    with executors_watched(SimpleNamespace(sparkContext=cluster), 0.2, said.append) as failure:
        for _ in range(500):
            if failure():
                break
            time.sleep(0.01)
        assert failure() is not None
    assert cluster.cancelled
