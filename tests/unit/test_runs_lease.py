"""The lease: one process at a time, free when its owner is gone or silent."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OutputError
from engine.runs import Lease, LeaseLost, lease
from engine.runs.lease import LEASE_FILE, Owner
from engine.runtime.storage import Storage


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def acquire(storage: Storage, folder: Any) -> Iterator[Callable[..., Lease]]:
    held = []

    def acquire() -> Lease:
        one = Lease(storage, str(folder))
        one.acquire()
        held.append(one)
        return one

    yield acquire
    for one in held:
        one.release()


def write_lease(folder: Path, seconds_old: float | int = 0.0, **changed: Any) -> dict[str, Any]:
    """A lease of this process, or as changed."""
    owner = {**vars(Owner.this_process()), "started_at": "2026-11-29T08:00:00+00:00", **changed}
    (folder / LEASE_FILE).write_text(json.dumps(owner))
    make_older(folder, seconds_old)
    return owner


def make_older(folder: Path, seconds: float | int) -> None:
    then = time.time() - seconds
    os.utime(folder / LEASE_FILE, (then, then))


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_lease_is_given_once_and_again_after_its_release(acquire: Callable[..., Lease], folder: Path) -> None:
    first = acquire()
    first.check()
    with pytest.raises(OutputError, match=rf"is running(.|\n)*since 20.* on host .*, process {os.getpid()}"):
        acquire()
    first.release()
    assert list(folder.iterdir()) == []
    acquire().check()


ELSEWHERE = {"process_space": "another boot or container", "host": "node7", "pid": 1}


@pytest.mark.parametrize(
    ("owner", "seconds_old", "is_free"),
    [
        ({}, 0, False),
        ({}, 61, True),
        ({"pid": ended_process}, 0, True),
        # the pid is taken by a later process
        ({"process_started": "1"}, 0, True),
        (ELSEWHERE, 0, False),
        (ELSEWHERE, 55, False),
        (ELSEWHERE, 61, True),
    ],
)
def test_a_lease_is_free_when_its_process_is_gone_or_it_is_60_seconds_old(
    acquire: Callable[..., Lease], folder: Path, owner: dict[str, Any], seconds_old: int, is_free: bool
) -> None:
    owner = {name: value() if callable(value) else value for name, value in owner.items()}
    written = write_lease(folder, seconds_old, **owner)
    if is_free:
        acquire().check()
        assert json.loads((folder / LEASE_FILE).read_text())["token"] != written["token"]
        return
    with pytest.raises(OutputError) as refused:
        acquire()
    for part in ("is running", "2026-11-29T08:00:00+00:00", written["host"], str(written["pid"])):
        assert part in str(refused.value)
    assert json.loads((folder / LEASE_FILE).read_text()) == written


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "x"}'])
def test_a_lease_that_is_being_written_is_not_free_until_it_is_60_seconds_old(
    acquire: Callable[..., Lease], folder: Path, content: str
) -> None:
    (folder / LEASE_FILE).write_text(content)
    with pytest.raises(OutputError, match="just starting"):
        acquire()
    make_older(folder, 61)
    acquire().check()


def test_a_killed_process_that_nobody_waited_for_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    owner = replace(Owner.this_process(), pid=process.pid, process_started=lease._process_start(process.pid))
    assert not owner.is_gone
    process.kill()
    deadline = time.monotonic() + 30
    while not owner.is_gone:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.wait()


def test_the_heartbeat_renews_the_lease_survives_faults_and_ends_with_it(
    acquire: Callable[..., Lease], folder: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.02)
    held = acquire()
    faults = []

    def fail(uri: Any) -> None:
        faults.append(uri)
        raise OutputError([])

    with monkeypatch.context() as broken:
        broken.setattr(storage, "refresh", fail)
        wait_until(lambda: len(faults) > 2)
    make_older(folder, 50)
    wait_until(lambda: time.time() - (folder / LEASE_FILE).stat().st_mtime < 10)
    held.release()
    assert held._thread is not None
    assert not held._thread.is_alive()
    assert [thread.name for thread in threading.enumerate() if thread.name == "lease"] == []


def test_a_lease_that_was_taken_over_is_noticed_and_not_removed(acquire: Callable[..., Lease], folder: Path) -> None:
    held = acquire()
    newer = write_lease(folder, host="node7", pid=12)
    assert held.is_lost
    with pytest.raises(LeaseLost, match=r"node7, process 12"):
        held.check()
    held.release()
    assert json.loads((folder / LEASE_FILE).read_text()) == newer


def test_a_lease_that_was_removed_is_noticed(acquire: Callable[..., Lease], folder: Path) -> None:
    held = acquire()
    (folder / LEASE_FILE).unlink()
    assert not held.is_lost
    with pytest.raises(OutputError, match="changed or removed"):
        held.check()


def test_a_takeover_that_died_half_way_does_not_block_for_ever(acquire: Callable[..., Lease], folder: Path) -> None:
    write_lease(folder, 100, **ELSEWHERE)
    takeover = folder / f"{LEASE_FILE}.takeover"
    takeover.write_text("")
    os.utime(takeover, (time.time() - 100,) * 2)
    acquire().check()
    assert sorted(path.name for path in folder.iterdir()) == [LEASE_FILE]


def race(folder: Path, barrier: Any, winners: Any, rounds: Any) -> None:
    storage = Storage()
    for number in range(rounds):
        one = Lease(storage, f"{folder}/{number}")
        barrier.wait()
        try:
            one.acquire()
            winners.put((number, os.getpid()))
        except OutputError as error:
            if "is running" not in str(error):
                raise
        barrier.wait()


@pytest.mark.parametrize("found", ["nothing", "a stale lease", "a lease of a dead process"])
def test_of_processes_that_race_exactly_one_gets_the_lease(tmp_path: Path, found: str) -> None:
    processes, rounds = 3, 15
    for number in range(rounds):
        (tmp_path / str(number)).mkdir()
        if found != "nothing":
            is_stale = found == "a stale lease"
            write_lease(tmp_path / str(number), 100 * is_stale, **(ELSEWHERE if is_stale else {"process_started": "1"}))
    context = multiprocessing.get_context("fork")
    barrier, winners = context.Barrier(processes, timeout=60), context.Queue()
    runners = [context.Process(target=race, args=(tmp_path, barrier, winners, rounds)) for _ in range(processes)]
    for runner in runners:
        runner.start()
    won = [winners.get(timeout=60) for _ in range(rounds)]
    for runner in runners:
        runner.join(60)
        assert runner.exitcode == 0
    assert sorted(number for number, _ in won) == list(range(rounds))
    assert winners.empty()


def test_signals_end_the_block_and_ignored_ones_stay_ignored() -> None:
    from engine.errors import Interrupted
    from engine.runs import interruptible

    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT"), (signal.SIGHUP, "SIGHUP")):
        before = signal.getsignal(number)
        if before is signal.SIG_IGN:  # inherited, if the tests were started in the background
            continue
        with pytest.raises(Interrupted, match=name) as interrupted, interruptible():
            signal.raise_signal(number)
        assert interrupted.value.exit_status == 128 + number
        assert signal.getsignal(number) is before
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def wait_until(condition: Callable[..., Any], seconds: int = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_signal_is_known_where_a_library_replaced_its_exception_by_another() -> None:
    """As gRPC does with whatever is raised while it reads an answer."""
    from engine.errors import Interrupted
    from engine.runs import interruptible, interruption_of

    def read_answer() -> None:
        with contextlib.suppress(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("the answer could not be read")

    with pytest.raises(RuntimeError) as replaced, interruptible():
        read_answer()
    assert replaced.value.__context__ is None
    interruption = interruption_of(replaced.value)
    assert interruption is not None
    assert interruption.exit_status == 143

    with pytest.raises(ValueError) as unrelated, interruptible():  # noqa: PT011
        raise ValueError
    assert interruption_of(unrelated.value) is None
