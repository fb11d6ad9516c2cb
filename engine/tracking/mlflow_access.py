"""Access to MLflow: without log output or telemetry, in bounded time, and with readable errors."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from engine.errors import ConfigurationError, Problem, UserError

# Read by mlflow when it is imported; variables that the user has set take precedence.
_ENVIRONMENT = {
    "MLFLOW_CONFIGURE_LOGGING": "false",  # its messages go to the program's own log, not to the terminal
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Report an unavailable server after seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}

# Messages of a database while another process creates the same tables or rows.
_CREATED_ELSEWHERE = re.compile(r"already exists|already been created|is locked|duplicate key|UNIQUE constraint", re.I)
_ATTEMPTS, _WAIT = 20, 1.0

_MISSING = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"}


def load_mlflow() -> Any:
    """The mlflow module, imported on first use: it takes seconds."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow
    import mlflow.artifacts
    import mlflow.pyfunc

    return mlflow


@contextmanager
def readable_errors(what: str, uri: str) -> Iterator[None]:
    """Turn exceptions of MLflow into a ConfigurationError that names the store."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise _store_problem(what, uri, error) from error


def within(seconds: float, what: str, uri: str, action: Callable[[], None]) -> None:
    """Run an action on the store within a time limit.

    Raises ConfigurationError if it fails or has not ended after `seconds`, because database drivers retry and wait for
    many minutes.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:  # raised again below, in the waiting thread
            failures.append(error)

    thread = Thread(target=run, name="check of the tracking store", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise _store_problem(what, uri, TimeoutError(f"no answer within {seconds:.0f} seconds"))
    for failure in failures:
        if isinstance(failure, UserError) or not isinstance(failure, Exception):
            raise failure
        raise _store_problem(what, uri, failure) from failure


def retried(action: Callable[[], None]) -> None:
    """Retry an action while it fails because another process creates the same thing at the same time."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return action()
        except Exception as error:
            if attempt == _ATTEMPTS or not _CREATED_ELSEWHERE.search(str(error)):
                raise
            time.sleep(_WAIT)
    return None


@contextmanager
def alone_in(folder: Path | None) -> Iterator[None]:
    """Let only one process at a time into the block, per folder. Does not wait for None or without file locks."""
    if folder is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _store_problem(what: str, uri: str, error: BaseException) -> ConfigurationError:
    message = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    if isinstance(error, ImportError):
        message = f"a package is missing: {message}"
    return ConfigurationError(
        Problem(
            what,
            f"mlflow: {uri}",
            message,
            "an MLflow store that can be reached and written to",
            "correct mlflow.tracking_uri or mlflow.registry_uri, or the permissions of the store",
        )
    )


def existing(look_up: Callable[[], Any]) -> Any | None:
    """The result of a registry look-up; None if the registry reports that the item does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return look_up()
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise
