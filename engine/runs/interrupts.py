"""SIGTERM, SIGHUP and Ctrl-C as an exception, so that a run releases its lease and keeps its work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from engine.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The signal that ended an `interruptible` block: a library may replace the exception by its own.
_received: list[Interrupted] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the main thread for each signal that ends a program; ignored signals stay ignored.

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    _received.clear()
    with _handled_by(_raise):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore the signals while a run that ends cleans up."""
    with _handled_by(signal.SIG_IGN):
        yield


def interruption_of(error: BaseException) -> Interrupted | None:
    """Return the signal that caused an error; None if none did.

    A signal ends the JVM too, and code that cleans up after the exception then fails with other errors. gRPC
    reports an exception that is raised while it reads a response as an unreadable response.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Interrupted):
        cause = cause.__cause__ or cause.__context__
    return cause or (_received[0] if _received else None)


def _raise(number: int, _: FrameType | None) -> None:
    interruption = Interrupted(signal.Signals(number).name, 128 + number)
    _received.append(interruption)
    raise interruption


@contextmanager
def _handled_by(handler: signal._HANDLER) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
