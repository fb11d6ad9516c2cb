"""What drivers say, sorted: worth another try, or what a user can mend. No word that may hold data."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from engine.database import fault_of, fault_problem, quoted_table, retrying
from engine.database.connections import connection_string
from engine.settings import DatabaseSettings

pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError, reason="unixODBC (libodbc.so.2) is not installed")

MS = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"

FAULTS = [
    ("40001", f"[40001] {MS}Transaction was deadlocked (1205) (SQLExecDirectW)", "transient"),
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
    ("HYT00", "[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0) (x)", "unreachable"),
    ("28000", f"[28000] {MS}Login failed for user 'x'. (18456) (SQLDriverConnect)", "login"),
    ("08001", "[08001] FATAL: password authentication failed for user (101) (SQLDriverConnect)", "login"),
    ("42000", f"[42000] {MS}The SELECT permission was denied on the object (229) (SQLExecDirectW)", "permission"),
    ("42S02", f"[42S02] {MS}Invalid object name 'dbo.t'. (208) (SQLExecDirectW)", "no such table"),
    ("42S22", f"[42S22] {MS}Invalid column name 'a'. (207) (SQLExecDirectW)", "no such column"),
    ("08001", "[08001] [Microsoft][ODBC Driver 18]SSL Provider: certificate verify failed (-1) (x)", "encryption"),
    ("42000", f"[42000] {MS}Could not allocate space for object (1105) (SQLExecute)", "full"),
    ("22018", f"[22018] {MS}Conversion failed when converting 'JANE DOE' to int. (245) (SQLFetch)", ""),
    ("", "Driver Error: Communication link failure; DDBC Error: TCP Provider", "transient"),
]


@pytest.mark.parametrize(("state", "text", "kind"), FAULTS)
def test_kinds_of_faults(state, text, kind):
    fault = fault_of(pyodbc.Error(state, text))
    assert fault.kind.value == (kind or "other")
    assert fault.is_worth_another_try == (kind in ("transient", "unreachable"))


def test_a_message_that_may_quote_a_row_is_not_shown():
    fault = fault_of(pyodbc.Error("22018", FAULTS[-2][1]))
    text = str(fault_problem(fault, "claims", "reading", "here", "SELECT"))
    assert "JANE" not in text
    assert "SQLSTATE 22018, error 245" in text


def settings(**values):
    return DatabaseSettings(**{"server": "sql.example.com", "first_wait": 0.0, **values})


def test_it_is_tried_again_as_often_as_the_settings_say():
    tries, dropped = itertools.count(1), []

    def fails_twice():
        if next(tries) < 3:
            raise pyodbc.OperationalError("08S01", "[08S01] Communication link failure (0) (SQLFetch)")
        return "done"

    assert retrying(settings(), before_next=lambda: dropped.append(1))(fails_twice) == "done"
    assert len(dropped) == 2
    tries = itertools.count(-100)
    with pytest.raises(pyodbc.OperationalError):
        retrying(settings(attempts=4))(fails_twice)
    assert next(tries) == -96


def test_what_another_try_cannot_mend_is_raised_at_once():
    tries = itertools.count(1)

    def refused():
        next(tries)
        raise pyodbc.ProgrammingError("28000", f"[28000] {MS}Login failed for user 'x'. (18456) (SQLDriverConnect)")

    with pytest.raises(pyodbc.ProgrammingError):
        retrying(settings())(refused)
    assert next(tries) == 2


def keywords(text: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in text.split(";"))


def test_a_connection_is_encrypted_and_for_reading_only_by_default():
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


def test_values_with_special_letters_stay_one_value(tmp_path: Path):
    (tmp_path / "secret").write_text("a;b}c=d \n")
    text = connection_string("c", settings(user="x", password={"file": str(tmp_path / "secret")}), reads_only=True)
    assert text.endswith("PWD={a;b}}c=d }")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claims", '"claims"'),
        ("dbo.claims", '"dbo"."claims"'),
        ("[my db].dbo.[a]]b]", '"my db"."dbo"."a]b"'),
        ('dbo."odd ""name"', '"dbo"."odd ""name"'),
    ],
)
def test_table_names(name, expected):
    assert quoted_table(name) == expected


@pytest.mark.parametrize("name", ["", "dbo.", "a b.c; DROP TABLE x.y.", 'dbo."open', "a..b"])
def test_what_is_no_table_name(name):
    with pytest.raises(ValueError, match="no table's name"):
        quoted_table(name)
