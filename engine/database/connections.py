"""Opening a connection that the settings name: encrypted, and read-only if the caller only reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tenacity

from engine.database.driver import driver_errors, odbc
from engine.database.faults import fault_of
from engine.errors import ConfigurationError, Problem
from engine.settings import DatabaseSettings, Secret

if TYPE_CHECKING:
    import pyodbc

_NAME = "drug-discount-engine"
_LONGEST_WAIT = 30.0
_ROWS_PER_ROUND_TRIP = "20000"


def connect(name: str, settings: DatabaseSettings, *, reads_only: bool) -> pyodbc.Connection:
    """An open connection, autocommit off. Raises the driver's error; ConfigurationError if the secret is missing."""
    connection = odbc().connect(
        connection_string(name, settings, reads_only=reads_only), timeout=settings.connect_timeout, autocommit=False
    )
    if settings.query_timeout:
        connection.timeout = settings.query_timeout
    return connection


def connection_string(name: str, settings: DatabaseSettings, *, reads_only: bool, driver: bool = True) -> str:
    """The ODBC connection string, with the password. `driver`: include keywords that only a driver manager knows."""
    if settings.connection_string is not None:
        return secret_value(name, "connection_string", settings.connection_string)
    keywords = _for_postgresql(settings) if settings.is_postgresql else _for_sql_server(settings, reads_only)
    if not driver:
        keywords = {key: value for key, value in keywords.items() if key not in ("DRIVER", "DSN", "APP")}
    if settings.password is not None:
        keywords["PWD"] = secret_value(name, "password", settings.password)
    return ";".join(f"{key}={_escaped(value)}" for key, value in {**keywords, **settings.options}.items())


def _for_sql_server(settings: DatabaseSettings, reads_only: bool) -> dict[str, str]:
    """Without a DSN, unset keywords have safe defaults; the keywords of a DSN take precedence over those defaults."""
    encrypt, trust = settings.encrypt, settings.trust_server_certificate
    if settings.dsn is None:
        encrypt, trust = True if encrypt is None else encrypt, bool(trust)
    keywords = {
        "DSN": settings.dsn,
        "DRIVER": None if settings.dsn else settings.driver,
        "SERVER": settings.server and settings.server + (f",{settings.port}" if settings.port else ""),
        "DATABASE": settings.database,
        "UID": settings.user,
        "Authentication": settings.authentication,
        "Trusted_Connection": "yes" if settings.integrated else None,
        "Encrypt": encrypt if isinstance(encrypt, str) else _yes_or_no(encrypt),
        "TrustServerCertificate": _yes_or_no(trust),
        "ApplicationIntent": "ReadOnly" if reads_only else "ReadWrite",
        "APP": _NAME,
    }
    return {key: value for key, value in keywords.items() if value}


def _for_postgresql(settings: DatabaseSettings) -> dict[str, str]:
    """By default psqlodbc would fetch a result at once, and return booleans as text and times in the session's zone."""
    encrypt = settings.encrypt if settings.encrypt is not None or settings.dsn else True
    mode = "disable"
    if encrypt:
        mode = "require" if settings.trust_server_certificate else "verify-full"
    keywords = {
        "DSN": settings.dsn,
        "DRIVER": None if settings.dsn else settings.driver,
        "SERVER": settings.server,
        "PORT": str(settings.port) if settings.port else None,
        "DATABASE": settings.database,
        "UID": settings.user,
        "SSLmode": None if encrypt is None else mode,
        "UseDeclareFetch": "1",
        "Fetch": _ROWS_PER_ROUND_TRIP,
        "BoolsAsChar": "0",
        "ConnSettings": "SET TIME ZONE 'UTC'",
    }
    return {key: value for key, value in keywords.items() if value}


def _yes_or_no(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _escaped(value: str) -> str:
    """Put a value in braces if it would end early or be misread."""
    is_plain = not any(letter in value for letter in ";{}=") and value == value.strip()
    return value if is_plain else "{" + value.replace("}", "}}") + "}"


def secret_value(name: str, what: str, secret: Secret, environment: Mapping[str, str] = os.environ) -> str:
    """The secret from its configured source. Raises ConfigurationError, which names only the source."""
    setting = f"databases.{name}.{what}"
    if secret.environment is not None:
        if secret.environment in environment:
            return environment[secret.environment]
        raise ConfigurationError(
            Problem(
                "a secret is missing",
                f"{setting}.environment",
                f"environment variable {secret.environment} is not set",
                to_do="set it where the job runs and, on a cluster, for the executors (spark.executorEnv.*)",
            )
        )
    try:
        return Path(str(secret.file)).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            Problem(
                "a secret is missing",
                f"{setting}.file",
                f"{secret.file}: {error.strerror}",
                to_do="mount it where the job runs and, on a cluster, on every executor",
            )
        ) from None


def retrying(settings: DatabaseSettings, before_next: Callable[[], None] = lambda: None) -> tenacity.Retrying:
    """Retry after transient faults of server or network; any other error is raised at once.

    Waits longer each time, by chance so that many tasks do not come back together. `before_next` drops what is left of
    the broken connection.
    """

    def is_worth_another_try(error: BaseException) -> bool:
        return isinstance(error, driver_errors()) and fault_of(error).is_worth_another_try

    def drop(_: Any) -> None:
        before_next()

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_worth_another_try),
        stop=tenacity.stop_after_attempt(settings.attempts),
        wait=tenacity.wait_random_exponential(multiplier=settings.first_wait, max=_LONGEST_WAIT),
        before_sleep=drop,
        reraise=True,
    )
