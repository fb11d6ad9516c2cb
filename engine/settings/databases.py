"""Settings of connections to databases (`engine.database`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from engine.redaction import is_secret_name
from engine.settings.base import NonNegative, PositiveInt, Section


class Secret(Section):
    """Where a secret is found, on the driver and on every executor: never what it is."""

    environment: str | None = Field(None, description="name of an environment variable")
    file: str | None = Field(None, description="path of a mounted file that holds nothing else")

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.environment is None) == (self.file is None):
            raise ValueError("expected environment: NAME, or file: PATH")
        return self


class DatabaseSettings(Section):
    """A connection through ODBC, to SQL Server or to what speaks its language."""

    driver: str = Field("ODBC Driver 18 for SQL Server", description="name, or path of the driver's library")
    dsn: str | None = Field(None, description="data source of odbc.ini, instead of server and database")
    server: str | None = Field(None, description="host name or address")
    port: PositiveInt | None = Field(None, description="default: the driver's")
    database: str | None = Field(None, description="name of the database on the server")
    user: str | None = Field(None, description="login; its password is a secret")
    password: Secret | None = None
    connection_string: Secret | None = Field(None, description="all of it in one secret; nothing above is read then")
    authentication: str | None = Field(None, description="of Entra ID, such as ActiveDirectoryMsi; see the driver")
    integrated: bool = Field(False, description="log in as the account that the job runs under (Kerberos)")
    encrypt: bool | Literal["strict"] | None = Field(None, description="default: true; with a dsn, what odbc.ini has")
    trust_server_certificate: bool | None = Field(None, description="default: false; with a dsn, what odbc.ini has")
    options: dict[str, str] = Field(default_factory=dict, description="further keywords of the driver")
    reader: Literal["pyodbc", "mssql-python"] = Field(
        "pyodbc", description="mssql-python fetches Arrow, where that package is installed"
    )
    concurrent_connections: PositiveInt = Field(4, description="most connections that read one table at a time")
    rows_per_fetch: PositiveInt = Field(2_000, description="few enough to stay in the processor's cache")
    rows_per_range: PositiveInt = Field(500_000, description="read again together when a connection breaks")
    attempts: PositiveInt = Field(5, description="attempts on a transient error")
    first_wait: NonNegative = Field(1.0, description="seconds, at most, before the second attempt; then doubled")
    connect_timeout: PositiveInt = Field(15, description="seconds")
    query_timeout: Annotated[int, Field(ge=0)] = Field(0, description="seconds; 0: none")

    @field_validator("options")
    @classmethod
    def _without_secrets(cls, options: dict[str, str]) -> dict[str, str]:
        secrets = [key for key in options if is_secret_name(key.replace(" ", ""))]
        if secrets:
            raise ValueError(f"{', '.join(secrets)} is a secret: it belongs into password, as a variable or a file")
        return options

    @model_validator(mode="after")
    def _somewhere(self) -> DatabaseSettings:
        if self.connection_string is None and self.dsn is None and self.server is None:
            raise ValueError("expected a server, a dsn or a connection_string")
        if self.reader == "mssql-python" and self.dsn is not None and self.connection_string is None:
            raise ValueError("reader mssql-python knows no dsn: set server and database, or reader: pyodbc")
        return self

    @property
    def is_postgresql(self) -> bool:
        """Whether the driver's name is that of a PostgreSQL driver."""
        return "postgres" in self.driver.lower() or "psqlodbc" in self.driver.lower()
