"""A standalone Spark cluster on loopback, from the installed package: a master and two workers, each a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 120
_MASTER, _WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"


def pytest_ignore_collect(collection_path: Any, config: pytest.Config) -> Any:  # noqa: ARG001
    """Only on request (`tests/run cluster`): a cluster takes memory and minutes."""
    is_asked = any("cluster" in Path(word.partition("::")[0]).parts for word in config.args)
    return None if is_asked else True


@dataclass
class Cluster:
    """A running master. `start_worker` adds a worker, `kill_worker` ends one with its executors at once."""

    folder: Path
    master: str = ""
    ui: int = 0
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_master(self) -> None:
        port, self.ui = free_port(), free_port()
        self.master = f"spark://127.0.0.1:{port}"
        self._start(_MASTER, "--host", "127.0.0.1", "--port", port, "--webui-port", self.ui)
        wait_for("the master", lambda: self.state() is not None)

    def start_worker(self) -> None:
        place = self.folder / f"worker-{len(self.workers)}"
        words = ("--host", "127.0.0.1", "--cores", 1, "--memory", "1400m", "--work-dir", place, "--webui-port", 0)
        self.workers.append(self._start(_WORKER, *words, self.master))

    def kill_worker(self) -> None:
        os.killpg(self.workers.pop().pid, signal.SIGKILL)

    def state(self) -> dict[str, Any] | None:
        """What the master reports; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ui}/json/", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def is_ready(self) -> bool:
        alive = [worker for worker in (self.state() or {}).get("workers", []) if worker["state"] == "ALIVE"]
        return len(alive) == len(self.workers)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, program: str, *words: object) -> subprocess.Popen[bytes]:
        log = self.folder / f"{program.rpartition('.')[2]}-{len(self.processes)}.log"
        with log.open("wb") as output:
            command = [str(Path(sys.prefix) / "bin" / "spark-class"), program, *map(str, words)]
            process = subprocess.Popen(command, env=spark_environment(), stdout=output, stderr=output, **_APART)
        self.processes.append(process)
        return process


# executors are children of their worker, and end with it
_APART = {"start_new_session": True}


def spark_environment() -> dict[str, str]:
    from engine.runtime.java import use_java

    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    environment.pop("SPARK_HOME", None)
    use_java(environment)
    return environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what: str, is_there: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_there():
        assert time.monotonic() < deadline, f"{what}: not there after {seconds} s"
        time.sleep(0.2)


@pytest.fixture
def lone_master(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without workers."""
    cluster = Cluster(tmp_path)
    try:
        cluster.start_master()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def cluster(lone_master: Any) -> Cluster:
    for _ in range(2):
        lone_master.start_worker()
    wait_for("two workers", lone_master.is_ready)
    return lone_master


@pytest.fixture
def submit(tmp_path: Path) -> Iterator[Any]:
    """Starts spark-submit.sh from a folder that is not the checkout; a master of None is Spark's local mode."""
    started = []

    def start(master: str | None, *words: object) -> subprocess.Popen[str]:
        options = ["--conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=2 --driver-memory 1500m"]
        options += [f"--master {master} --executor-memory 1g --conf spark.driver.host=127.0.0.1"] if master else []
        environment = {**spark_environment(), "ENGINE_LOGS": str(tmp_path / "logs")}
        environment["SPARK_SUBMIT_OPTIONS"] = " ".join(options)
        process = subprocess.Popen(
            [str(PROJECT / "spark-submit.sh"), *map(str, words)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:  # which closes its pipes and waits
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
