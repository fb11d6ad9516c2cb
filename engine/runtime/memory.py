"""Available memory of this machine or of the container that the process runs in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# The limit of a process without a limit is about 2**63 here.
_NO_LIMIT = 1 << 60


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes available without swapping; None if the system does not report them.

    `root`: where `proc` and `sys` are.
    """
    available = [bytes_left for bytes_left in (_of_machine(root), _of_container(root)) if bytes_left is not None]
    return max(0, min(available)) if available else None


def _of_machine(root: Path) -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        # other systems report only the total
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container(root: Path) -> int | None:
    """Bytes left of the limit of a control group, version 2 or 1."""
    group = root / "sys/fs/cgroup"
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            most = int((group / limit).read_text())
            return most - int((group / used).read_text()) if most < _NO_LIMIT else None
    return None
