"""Memory that this machine, or the container that the process runs in, has left."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# A process without limit has a limit of about 2**63 here.
_NO_LIMIT = 1 << 60


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be taken without swapping; None where the system does not say.

    `root`: where `proc` and `sys` are.
    """
    found = [bytes_left for bytes_left in (_of_machine(root), _of_container(root)) if bytes_left is not None]
    return max(0, min(found)) if found else None


def _of_machine(root: Path) -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        # of other systems only the whole is known
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container(root: Path) -> int | None:
    """Left of the limit of a control group, version 2 or 1."""
    group = root / "sys/fs/cgroup"
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            most = int((group / limit).read_text())
            return most - int((group / used).read_text()) if most < _NO_LIMIT else None
    return None
