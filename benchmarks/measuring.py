"""Seconds, processor time and peak memory of a command with all the processes that it starts."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_INTERVAL = 0.2
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """What a command took. `peak_mib`: the largest sum of resident sizes of its processes; pages that several of them
    share count in each. `load`: the machine's load average over one minute, before the command.
    """

    status: int
    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    load: float


def measure(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], meanwhile: Callable[[], None] = lambda: None
) -> Measured:
    """Run a command and wait for it.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environment: Its environment variables.
        meanwhile: Called five times a second, and once more when the command has ended.
    """
    load = os.getloadavg()[0]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    tree, ended = _Tree(process.pid), threading.Event()

    def watch() -> None:
        while not ended.wait(_INTERVAL):
            tree.look()
            meanwhile()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    meanwhile()
    # the kernel's count lacks processes that nobody waited for, the samples what came after the last of them
    cpu = max(used.ru_utime + used.ru_stime, tree.cpu_seconds)
    return Measured(process.returncode, output, seconds, cpu, max(tree.peak_mib, used.ru_maxrss / 1024), load)


class _Tree:
    """A process and its descendants, as /proc shows them."""

    def __init__(self, root: int):
        self._root = root
        self._cpu: dict[tuple[int, str], float] = {}
        self.peak_mib = 0.0

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def look(self) -> None:
        parents: dict[int, int] = {}
        seen: dict[int, tuple[str, float, float]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
                cpu = (int(fields[11]) + int(fields[12])) / _TICK
                seen[int(entry.name)] = (fields[19], cpu, int(fields[21]) * _PAGE / 2**20)
        total = 0.0
        for process, (began, cpu, mib) in seen.items():
            if self._is_ours(process, parents):
                self._cpu[process, began] = cpu
                total += mib
        self.peak_mib = max(self.peak_mib, total)

    def _is_ours(self, process: int, parents: Mapping[int, int]) -> bool:
        while process not in (0, 1, self._root):
            process = parents.get(process, 0)
        return process == self._root
