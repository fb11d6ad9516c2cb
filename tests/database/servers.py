"""Real servers for the tests: a PostgreSQL that they start themselves, and any SQL Server that is named to them."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.database import connect, odbc
from engine.errors import ConfigurationError
from engine.settings import DatabaseSettings

if TYPE_CHECKING:
    import pyodbc

NAME = "claims"
_POSTGRESQL_TYPES = {
    r"nvarchar\(max\)": "text",
    r"nvarchar\((\d+)\)": r"varchar(\1)",
    r"datetime2\((\d)\)": r"timestamp(\1)",
    r"\bfloat\b": "double precision",
    r"\bbit\b": "boolean",
}


@dataclass
class Server:
    """`schema`: the tests' own. `kind`: `postgresql` or `sqlserver`."""

    kind: str
    settings: DatabaseSettings
    schema: str
    folder: Path | None = None
    drop: list[str] = field(default_factory=list)

    def connect(self, settings: DatabaseSettings | None = None) -> pyodbc.Connection:
        return connect(NAME, settings or self.settings, reads_only=False)

    def adapted(self, sql: str) -> str:
        """T-SQL as this server understands it."""
        if self.kind == "postgresql":
            for pattern, replacement in _POSTGRESQL_TYPES.items():
                sql = re.sub(pattern, replacement, sql)
        return sql

    def run(self, *statements: str) -> None:
        with contextlib.closing(self.connect()) as connection:
            for statement in statements:
                connection.execute(self.adapted(statement))
            connection.commit()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(self.connect()) as connection:
            return [tuple(row) for row in connection.execute(sql).fetchall()]

    def table(self, name: str) -> str:
        return f"{self.schema}.{name}"

    def make(self, name: str, columns: dict[str, str], rows: Sequence[Sequence[Any]] = ()) -> str:
        """A table of T-SQL column types with rows; its name with the schema."""
        table = self.table(name)
        with contextlib.closing(self.connect()) as connection:
            if connection.cursor().tables(table=name, schema=self.schema).fetchone():
                connection.execute(f"DROP TABLE {table}")
            body = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            connection.execute(self.adapted(f"CREATE TABLE {table} ({body})"))
            cursor = connection.cursor()
            cursor.fast_executemany = True
            # else the drivers leave out fractions of seconds
            times = [
                (odbc().SQL_TYPE_TIMESTAMP, 26, 6) if kind.startswith("datetime2") else None
                for kind in columns.values()
            ]
            cursor.setinputsizes(times)
            for first in range(0, len(rows), 5_000):
                cursor.executemany(
                    f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})",
                    [tuple(row) for row in rows[first : first + 5_000]],
                )
            connection.commit()
        return table

    def with_(self, **changes: Any) -> DatabaseSettings:
        return self.settings.model_copy(update=changes)


# ---- PostgreSQL -------------------------------------------------------------------------------------------------


def _programs() -> Path | None:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))
    return Path(found[-1]).parent if found else None


def _driver() -> str | None:
    return next(iter(glob.glob("/usr/lib/*/odbc/psqlodbcw.so")), None)


def odbc_lacks() -> str | None:
    """Why no ODBC connection can be opened here; None if one can."""
    try:
        odbc()
    except ConfigurationError as error:
        return error.problems[0].found
    return None


def postgresql_lacks() -> str | None:
    """Why no PostgreSQL can be started here; None where it can."""
    if lacks := odbc_lacks():
        return lacks
    if _programs() is None or _driver() is None:
        return "PostgreSQL with psqlodbc is not installed (tests/install_postgresql)"
    return None


class Postgresql:
    """A cluster of its own in a temporary folder, on loopback; stopped and removed in the end."""

    def __init__(self) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="engine-postgresql-"))
        self.port = free_port()
        self.password = "pw-" + secrets.token_hex(8)
        # the server refuses to run as root
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self.folder, "postgres")
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        data = str(self.folder / "data")
        self._run(
            "initdb", "-D", data, "-U", "engine", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"
        )

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._programs / program), *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off "
            "-c max_connections=40"
        )
        data, log = str(self.folder / "data"), str(self.folder / "log")
        self._run("pg_ctl", "-D", data, "-o", options, "-l", log, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def settings(self) -> DatabaseSettings:
        return DatabaseSettings(
            driver=str(_driver()),
            server="127.0.0.1",
            port=self.port,
            database="postgres",
            user="engine",
            password={"file": str(self.folder / "password")},
            encrypt=False,
            first_wait=0.2,
        )


@contextlib.contextmanager
def postgresql() -> Iterator[tuple[Server, Postgresql]]:
    cluster = Postgresql()
    cluster.start()
    try:
        server = Server("postgresql", cluster.settings(), "dbo", cluster.folder)
        server.run("CREATE SCHEMA dbo")
        yield server, cluster
    finally:
        with contextlib.suppress(RuntimeError):
            cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


# ---- SQL Server -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def sql_server(words: str) -> Iterator[Server]:
    """The server of a connection string, in a schema of the tests' own, dropped in the end."""
    given = {key.strip().upper(): value.strip() for key, _, value in (word.partition("=") for word in words.split(";"))}
    folder = Path(tempfile.mkdtemp(prefix="engine-sqlserver-"))
    (folder / "password").write_text(given.get("PWD", "").strip("{}"))
    host, _, port = given["SERVER"].removeprefix("tcp:").partition(",")
    settings = DatabaseSettings(
        driver=given["DRIVER"].strip("{}"),
        server=host,
        port=int(port) if port else None,
        database=given.get("DATABASE"),
        user=given.get("UID"),
        password={"file": str(folder / "password")},
        encrypt=given.get("ENCRYPT", "yes").lower() != "no",
        trust_server_certificate=given.get("TRUSTSERVERCERTIFICATE", "no").lower() == "yes",
        first_wait=0.2,
    )
    server = Server("sqlserver", settings, f"t{secrets.token_hex(4)}")
    server.run(f"CREATE SCHEMA {server.schema}")
    try:
        yield server
    finally:
        tables = server.query(
            f"SELECT TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{server.schema}'"
        )
        for name, kind in sorted(tables, key=lambda one: one[1] != "VIEW"):
            server.run(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {server.schema}.{name}")
        server.run(f"DROP SCHEMA {server.schema}")
        shutil.rmtree(folder)


# ---- the way between ---------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class CuttingProxy:
    """Hands a server's bytes on, and cuts the first `cuts` connections that got more than `after` of them.

    A process of its own: drivers wait for bytes without letting other threads of this one go on.
    """

    def __init__(self, host: str, port: int, after: int, cuts: int) -> None:
        self._log = Path(tempfile.mkdtemp(prefix="engine-proxy-")) / "cuts"
        self._log.touch()
        self.port = free_port()
        words = [host, port, self.port, after, cuts, self._log]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("cutting_proxy.py")), *map(str, words)],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # which closes its pipe and waits
            self._process.kill()
        shutil.rmtree(self._log.parent)

    @property
    def cut(self) -> int:
        return self._log.stat().st_size


SOME_ROWS_COLUMNS = {
    "id": "bigint",
    "words": "nvarchar(60)",
    "day": "date",
    "at": "datetime2(6)",
    "units": "decimal(15,3)",
    "money": "decimal(18,2)",
    "is_true": "bit",
    "number": "float",
}


def some_rows(count: int) -> list[tuple[Any, ...]]:
    """Rows of SOME_ROWS_COLUMNS: every eleventh without a key, keys skewed, each row told apart by its number."""
    return [
        (
            None if place % 11 == 0 else (place if place % 3 else 7),
            f"žluťoučký 日本 😀 {place % 97}",
            None if place % 13 == 0 else date(2025, 1 + place % 12, 1 + place % 28),
            datetime(2025, 7, 1, 12, 0, 0, place % 1_000_000),
            Decimal(place) / 1000,
            Decimal("-12345678901234.56") if place % 5 == 0 else Decimal(place),
            None if place % 7 == 0 else place % 2 == 0,
            place / 7,
        )
        for place in range(count)
    ]
