"""What drivers say, sorted: worth another try, or what a user can fix. No word that may hold data."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.database import FaultKind, fault_of, fault_problem, retrying
from engine.database.connections import connection_string
from engine.errors import ConfigurationError
from engine.settings import DatabaseSettings, Settings
from engine.sources import arrow_fetch, check_connections
from engine.sources.arrow_fetch import check_reader

pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError, reason="unixODBC (libodbc.so.2) is not installed")

MS = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"
DRIVER = "[HY000] [Microsoft][ODBC Driver 18 for SQL Server]"

FAULTS = [
    ("40001", f"[40001] {MS}Transaction was deadlocked (1205) (SQLExecDirectW)", "deadlock"),
    ("42000", f"[42000] {MS}The service has encountered an error (40197) (SQLExecDirectW)", "transient"),
    ("42000", f"[42000] {MS}The service is currently busy (40501) (SQLExecDirectW)", "transient"),
    ("42000", f"[42000] {MS}Database is not currently available (40613) (SQLDriverConnect)", "transient"),
    ("HY000", f"[HY000] {MS}Resource ID : 1. The request limit (10928) (SQLExecDirectW)", "transient"),
    (
        "08S01",
        "[08S01] [Microsoft][ODBC Driver 18 for SQL Server]Communication link failure (0) (SQLFetch)",
        "transient",
    ),
    ("57P01", "[57P01] FATAL: terminating connection due to administrator command (7) (SQLFetch)", "transient"),
    ("HY000", "[HY000] server closed the connection unexpectedly (26) (SQLFetch)", "transient"),
    ("08001", "[08001] could not connect to server: Connection refused (101) (SQLDriverConnect)", "unreachable"),
    (
        "HYT00",
        "[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0) (SQLExecDirectW)",
        "unreachable",
    ),
    ("28000", f"[28000] {MS}Login failed for user 'x'. (18456) (SQLDriverConnect)", "login"),
    ("08001", "[08001] FATAL: password authentication failed for user (101) (SQLDriverConnect)", "login"),
    ("42000", f"[42000] {MS}The SELECT permission was denied on the object (229) (SQLExecDirectW)", "permission"),
    ("42S02", f"[42S02] {MS}Invalid object name 'dbo.t'. (208) (SQLExecDirectW)", "no such table"),
    ("42S22", f"[42S22] {MS}Invalid column name 'a'. (207) (SQLExecDirectW)", "no such column"),
    (
        "08001",
        "[08001] [Microsoft][ODBC Driver 18]SSL Provider: certificate verify failed (-1) (SQLExecDirectW)",
        "encryption",
    ),
    ("42000", f"[42000] {MS}Could not allocate space for object (1105) (SQLExecute)", "full"),
    (
        "22018",
        f"[22018] {MS}Conversion failed when converting 'JANE DOE' to int. (245) (SQLFetch)",
        "value cannot be converted",
    ),
    ("", "Driver Error: Communication link failure; DDBC Error: TCP Provider", "transient"),
    ("HY106", f"{DRIVER}Fetch type out of range (0) (SQLFetch)", "unsupported type"),
    ("HY000", "[HY000] ODBC SQL type -155 is not yet supported.  column-index=0  type=-155", "unsupported type"),
    (
        "HY000",
        f"{DRIVER}SSPI Provider: No Kerberos credentials available (458752) (SQLDriverConnect)",
        "integrated login",
    ),
    ("08001", "[08001] GSSAPI continuation error: ticket expired (101) (SQLDriverConnect)", "integrated login"),
    ("HYT00", f"{DRIVER}Query timeout expired (0) (SQLExecDirectW)", "query timeout"),
    ("22001", f"{DRIVER}String data, right truncation: length 150 buffer 100 (0) (SQLExecute)", "value too long"),
    (
        "42000",
        f"[42000] {MS}String or binary data would be truncated. Truncated value: 'JANE'. (2628) (SQLExecDirectW)",
        "value too long",
    ),
    (
        "42000",
        f'[42000] {MS}The specified schema name "x" either does not exist (2760) (SQLExecDirectW)',
        "no such schema",
    ),
    ("3F000", '[3F000] ERROR: schema "x" does not exist (1) (SQLExecDirectW)', "no such schema"),
    (
        "42000",
        f"[42000] {MS}The column 'a' was specified multiple times for 'source'. (8156) (SQLExecDirectW)",
        "wrong SQL",
    ),
    ("42000", f"[42000] {MS}Incorrect syntax near the keyword 'WITH'. (156) (SQLExecDirectW)", "wrong SQL"),
    (
        "23000",
        f"[23000] {MS}Violation of PRIMARY KEY. The duplicate key value is (JANE). (2627) (SQLExecDirectW)",
        "duplicate key",
    ),
    (
        "42000",
        f"[42000] {MS}Snapshot isolation transaction failed accessing database 'b' (3952) (SQLExecDirectW)",
        "snapshot isolation",
    ),
    ("42000", f"[42000] {MS}Could not find server 'b' in sys.servers. (7202) (SQLExecDirectW)", "linked server"),
    (
        "42000",
        f"[42000] {MS}Database 'b' cannot be opened because it is offline. (942) (SQLExecDirectW)",
        "database not available",
    ),
    ("01S00", f"{DRIVER}Invalid connection string attribute (0) (SQLDriverConnect)", "connection settings"),
    ("IM002", "[IM002] [unixODBC][Driver Manager]Data source name not found (0) (SQLDriverConnect)", "no driver"),
    (
        "01000",
        "[01000] [unixODBC][Driver Manager]Can't open lib 'x.so' : file not found (0) (SQLExecDirectW)",
        "no driver",
    ),
    ("42000", f"[42000] {MS}Patient JANE DOE is locked (50001) (SQLExecDirectW)", ""),
    ("P0001", "[P0001] ERROR: Patient JANE DOE is locked (1) (SQLExecDirectW)", ""),
    ("HY000", f"[HY000] {MS}Something went wrong with 'JANE DOE' (4711) (SQLExecDirectW)", ""),
]


@pytest.mark.parametrize(("state", "text", "kind"), FAULTS)
def test_kinds_of_faults(state: str, text: str, kind: str) -> None:
    fault = fault_of(pyodbc.Error(state, text))
    assert fault.kind.value == (kind or "other")
    assert fault.is_worth_another_try == (kind in ("transient", "unreachable", "deadlock"))


@pytest.mark.parametrize(("state", "text"), [fault[:2] for fault in FAULTS])
def test_every_fault_ends_in_what_to_change_and_quotes_no_value(state: str, text: str) -> None:
    problem = fault_problem(
        fault_of(pyodbc.Error(state, text)), "claims", "reading", "here", "SELECT on t", "input.tables.x.table"
    )
    assert problem.to_do
    assert "manual" not in problem.to_do
    assert "{" not in problem.to_do
    assert "JANE" not in str(problem)


def test_every_kind_of_fault_says_what_to_change() -> None:
    for kind in FaultKind:
        fault = fault_of(pyodbc.Error("HY000", "x"))
        problem = fault_problem(type(fault)(kind, "HY000", 1, ""), "claims", "reading", "here", "SELECT")
        assert problem.to_do, kind


def test_a_mistake_in_a_configured_query_names_the_setting_and_the_sql() -> None:
    text = f"[42000] {MS}The column 'a' was specified multiple times for 'source'. (8156) (SQLExecDirectW)"
    assert (
        "'b'"
        in fault_of(pyodbc.Error("42000", f"[42000] {MS}column 'b' specified more than once (33557097) (SQLx)")).words
    )
    problem = fault_problem(
        fault_of(pyodbc.Error("42000", text)), "c", "opening", "here", "SELECT", "input.tables.x.query", is_query=True
    )
    assert "refuses the configured query" in problem.what
    assert "'a' was specified multiple times" in problem.found
    assert "input.tables.x.query" in problem.to_do


def test_the_words_about_a_missing_ticket_are_the_drivers() -> None:
    text = f"{DRIVER}SSPI Provider: No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_0) (458752) (x)"
    problem = fault_problem(fault_of(pyodbc.Error("HY000", text)), "c", "connecting", "here", "connect")
    assert "No Kerberos credentials available" in problem.found
    assert "kinit" in problem.to_do


def test_a_message_that_may_quote_a_row_is_not_shown() -> None:
    text = next(text for state, text, _ in FAULTS if state == "22018")
    fault = fault_of(pyodbc.Error("22018", text))
    text = str(fault_problem(fault, "claims", "reading", "here", "SELECT"))
    assert "JANE" not in text
    assert "SQLSTATE 22018, error 245" in text


def settings(**values: Any) -> DatabaseSettings:
    return DatabaseSettings(**{"server": "sql.example.com", "first_wait": 0.0, **values})


def test_it_is_tried_again_as_often_as_the_settings_say() -> None:
    tries, dropped = itertools.count(1), []

    def fails_twice() -> str:
        if next(tries) < 3:
            raise pyodbc.OperationalError("08S01", "[08S01] Communication link failure (0) (SQLFetch)")
        return "done"

    assert retrying(settings(), before_next=lambda: dropped.append(1))(fails_twice) == "done"
    assert len(dropped) == 2
    tries = itertools.count(-100)
    with pytest.raises(pyodbc.OperationalError):
        retrying(settings(attempts=4))(fails_twice)
    assert next(tries) == -96


def test_what_another_try_cannot_mend_is_raised_at_once() -> None:
    tries = itertools.count(1)

    def refused() -> None:
        next(tries)
        raise pyodbc.ProgrammingError("28000", f"[28000] {MS}Login failed for user 'x'. (18456) (SQLDriverConnect)")

    with pytest.raises(pyodbc.ProgrammingError):
        retrying(settings())(refused)
    assert next(tries) == 2


def keywords(text: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in text.split(";"))


def test_a_connection_is_encrypted_and_for_reading_only_by_default() -> None:
    words = keywords(connection_string("c", settings(port=1433, database="claims", integrated=True), reads_only=True))
    assert words["SERVER"] == "sql.example.com,1433"
    assert words["Encrypt"] == "yes"
    assert words["TrustServerCertificate"] == "no"
    assert words["ApplicationIntent"] == "ReadOnly"
    assert words["Trusted_Connection"] == "yes"
    assert "PWD" not in words
    strict = keywords(
        connection_string("c", settings(encrypt="strict", authentication="ActiveDirectoryMsi"), reads_only=False)
    )
    assert (strict["Encrypt"], strict["Authentication"]) == ("strict", "ActiveDirectoryMsi")
    assert strict["ApplicationIntent"] == "ReadWrite"
    postgresql = keywords(connection_string("c", settings(driver="psqlodbcw.so"), reads_only=True))
    assert postgresql["SSLmode"] == "verify-full"


def test_values_with_special_letters_stay_one_value(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a;b}c=d \n")
    text = connection_string("c", settings(user="x", password={"file": str(tmp_path / "secret")}), reads_only=True)
    assert text.endswith("PWD={a;b}}c=d }")


def test_what_odbc_ini_has_for_a_dsn_wins_over_our_defaults_and_not_over_the_settings() -> None:
    of_dsn = keywords(connection_string("c", DatabaseSettings(dsn="claims"), reads_only=True))
    assert not {"Encrypt", "TrustServerCertificate", "DRIVER", "SERVER"} & of_dsn.keys()
    assert of_dsn["DSN"] == "claims"
    # as settings travel to the executors
    again = DatabaseSettings.model_validate_json(DatabaseSettings(dsn="claims").model_dump_json())
    assert keywords(connection_string("c", again, reads_only=True)) == of_dsn
    told = DatabaseSettings(dsn="claims", encrypt="strict", trust_server_certificate=False)
    words = keywords(connection_string("c", told, reads_only=True))
    assert (words["Encrypt"], words["TrustServerCertificate"]) == ("strict", "no")
    postgresql = DatabaseSettings(dsn="claims", driver="psqlodbcw.so")
    assert "SSLmode" not in keywords(connection_string("c", postgresql, reads_only=True))


def test_a_reader_that_knows_no_dsn_is_refused() -> None:
    with pytest.raises(ValidationError, match="knows no dsn"):
        DatabaseSettings(dsn="claims", reader="mssql-python")


@pytest.mark.parametrize("missing", ["mssql_python", "mssql_python_odbc"])
def test_a_reader_that_is_not_installed_is_told_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    pytest.importorskip("mssql_python")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError, match="pip install mssql-python mssql-python-odbc"):
        check_reader("claims", settings(reader="mssql-python"))
    # also before the server is even called
    checked = list(check_connections(Settings(databases={"claims": settings(reader="mssql-python")})))
    assert "cannot be loaded" in str(checked[0].problems[0])


NO_PACKAGE = pytest.mark.skipif(
    importlib.util.find_spec("mssql_python") is None, reason="mssql-python is not installed"
)


@NO_PACKAGE
def test_the_texts_in_which_mssql_python_hides_a_state_are_still_its_own() -> None:
    exceptions = importlib.import_module("mssql_python.exceptions")
    for state, text in arrow_fetch._STATES_BY_TEXT.items():
        assert exceptions.sqlstate_to_exception(state, "x").driver_error == text
