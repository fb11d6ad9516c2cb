"""How this room gets at MLflow: quietly, without telemetry, and with errors that a user can read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ConfigurationError, Problem

# Read by mlflow when it is imported; what the user has set wins.
_ENVIRONMENT = {
    "MLFLOW_CONFIGURE_LOGGING": "false",  # its messages go where the program's own go, not to the terminal
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # seconds, not minutes, until an absent server is reported
    "GIT_PYTHON_REFRESH": "quiet",
}

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
    """Turn what MLflow raises into a ConfigurationError that names the store and no credential."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ConfigurationError(
            Problem(
                what,
                f"mlflow: {without_password(uri)}",
                _first_line(str(error), uri),
                "an MLflow store that can be reached and written to",
                "mend mlflow.tracking_uri, mlflow.registry_uri or the rights on the store",
            )
        ) from error


def found(look_up: Callable[[], Any]) -> Any | None:
    """What a look-up in the registry gives; None where it says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return look_up()
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise


def without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":***@") if parts.password else uri


def _first_line(message: str, uri: str) -> str:
    line = next(iter(message.strip().splitlines()), "no message")
    password = urlsplit(uri).password
    return line.replace(password, "***") if password else line
