"""The ODBC driver manager, loaded when the first connection is opened: most runs use no database."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from engine.errors import ConfigurationError, Problem


def odbc() -> Any:
    """Return the module pyodbc, without connection pooling.

    Raises:
        ConfigurationError: pyodbc or the system library it links to cannot be loaded.
    """
    try:
        pyodbc: Any = importlib.import_module("pyodbc")
    except ImportError as error:
        raise ConfigurationError(
            Problem(
                "the ODBC driver manager cannot be loaded, so no database can be opened",
                "databases",
                str(error),
                "unixODBC (libodbc.so.2) installed on this machine and, on a cluster, on every executor",
                "install it (Debian/Ubuntu: apt install unixodbc; Red Hat: dnf install unixODBC; macOS: brew install "
                "unixodbc) and the ODBC driver of your database",
            )
        ) from None
    # The driver manager would otherwise keep connections open after close(), with their session settings.
    pyodbc.pooling = False
    return pyodbc


def driver_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of the driver; empty as long as no connection was opened."""
    pyodbc = sys.modules.get("pyodbc")
    return (pyodbc.Error,) if pyodbc is not None else ()
