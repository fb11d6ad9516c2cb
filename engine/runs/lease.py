"""One process at a time works on a run: a lease file in the run's work folder, renewed while the run lives.

A lease is free when its process on this host is gone, or when it was not renewed for 60 seconds. Its age is the
difference between two modification times from the file system, of the lease and of a file written now, so the clocks
of the hosts may differ.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from engine.errors import InternalError, OutputError, Problem
from engine.runtime.storage import Storage, join

LEASE_FILE = "_lease.json"
HEARTBEAT_SECONDS = 10.0
EXPIRES_AFTER_SECONDS = 60.0
_ATTEMPTS = 50
_SECONDS_BETWEEN_ATTEMPTS = 0.1
_PROC = Path("/proc")


class LeaseLost(InternalError):
    """Another process took over the run: this one stops and changes nothing more."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a lease. `process_space`: boot id and pid namespace, within which its pid is unique."""

    host: str
    pid: int
    process_started: str | None
    process_space: str
    token: str
    started_at: str

    @classmethod
    def this_process(cls) -> Owner:
        """The present process with a new token."""
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            process_started=_process_start(os.getpid()),
            process_space=_process_space(),
            token=uuid4().hex,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @property
    def is_gone(self) -> bool:
        """True if the process ran in this process space and has ended; a later process with that pid does not count."""
        return self.process_space == _process_space() and not _is_running(self.pid, self.process_started)

    def __str__(self) -> str:
        """Start, host and process, for messages."""
        return f"since {self.started_at} on host {self.host}, process {self.pid}"


class Lease:
    """The right to write to the folders of one run; held from `acquire` to `release`."""

    def __init__(self, storage: Storage, folder: str):
        self._storage = storage
        self._folder = folder
        self._file = join(folder, LEASE_FILE)
        self._takeover = f"{self._file}.takeover"
        self._owner = Owner.this_process()
        self._content = json.dumps(asdict(self._owner)).encode()
        # a file system may show a file empty while it is refreshed
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def check_free(self) -> None:
        """Raise OutputError if another process holds the lease."""
        content = self._read()
        if content is not None and not self._is_free(content):
            raise self._running(content)

    def acquire(self) -> None:
        """Take the lease and renew it from now on. If several processes try at once, exactly one succeeds.

        Raises:
            OutputError: a running process has it, or the folder is not writable.
        """
        for _ in range(_ATTEMPTS):
            self._storage.make_folder(self._folder)
            if self._storage.create_new(self._file, self._content):
                break
            content = self._read()
            if content is not None:
                if not self._is_free(content):
                    raise self._running(content)
                if self._replace(content):
                    break
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
        content = self._read()
        if content != self._content:
            raise self._running(content or b"")
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Renew the lease at once.

        Raises:
            LeaseLost: another process took it over.
            OutputError: the lease was removed, or cannot be renewed.
        """
        with self._lock:
            self._check()

    @property
    def is_lost(self) -> bool:
        """True if another process has taken the lease over."""
        with self._lock:
            content = self._read()
        return content is not None and content != self._content

    def release(self) -> None:
        """Stop renewing, and remove the lease if it is still this process's own."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(HEARTBEAT_SECONDS)
        if self._read() == self._content:
            self._storage.delete(self._file)

    def _check(self) -> None:
        content = self._read()
        if content is None:
            raise OutputError(
                Problem(
                    "the run's work folder was changed or removed while the run was working",
                    self._folder,
                    f"{LEASE_FILE} is gone",
                    "a folder that only this run changes",
                    "identify the program that removed it, then start the run again",
                )
            )
        if content != self._content:
            raise LeaseLost(
                f"another process took this run over ({self._words(content)}), since this one did not renew its lease "
                f"for {EXPIRES_AFTER_SECONDS:.0f} seconds; this one stops and publishes nothing: {self._folder}"
            )
        self._storage.refresh(self._file)

    def _keep(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self.check()
            except LeaseLost:
                # the run itself detects it at its next step
                return
            except Exception:  # noqa: S112
                continue  # a short storage outage must not end the heartbeat

    def _read(self) -> bytes | None:
        try:
            return self._storage.read_bytes(self._file)
        except OSError:
            if self._storage.exists(self._file):
                raise
            return None

    def _is_free(self, content: bytes) -> bool:
        owner = _owner(content)
        return (owner is not None and owner.is_gone) or self._age(self._file) >= EXPIRES_AFTER_SECONDS

    def _replace(self, seen: bytes) -> bool:
        """Take over a free lease; False if another process is doing so."""
        if not self._storage.create_new(self._takeover, self._content):
            if self._age(self._takeover) >= EXPIRES_AFTER_SECONDS:
                self._storage.delete(self._takeover)
            return False
        try:
            if self._read() != seen:
                return False
            self._storage.write_bytes(self._file, self._content)
            self._storage.refresh(self._file)
            return True
        finally:
            self._storage.delete(self._takeover)

    def _age(self, file: str) -> float:
        clock = join(self._folder, f"_clock-{self._owner.token}")
        self._storage.create_new(clock, b"")
        try:
            return self._storage.modified(clock) - self._storage.modified(file)
        except OSError:
            return 0.0  # removed in the meantime: the next attempt checks again
        finally:
            self._storage.delete(clock)

    def _running(self, content: bytes) -> OutputError:
        return OutputError(
            Problem(
                "a run of this id is running",
                self._folder,
                self._words(content),
                to_do="wait until it has ended, or use another --run-id",
            )
        )

    @staticmethod
    def _words(content: bytes) -> str:
        return str(_owner(content) or "by a process that is just starting")


def _owner(content: bytes) -> Owner | None:
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError):
        return None  # not yet written completely


def _process_space() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _process_start(pid: int) -> str | None:
    """Start time of a process in kernel ticks; None if it has ended, even as a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, *others = stat.rpartition(")")[2].split()
    return None if state in "ZX" else others[18]


def _is_running(pid: int, started: str | None) -> bool:
    if started is not None:
        return _process_start(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
