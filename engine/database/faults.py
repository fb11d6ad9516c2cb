"""What a database or its driver refused, by SQLSTATE and error number.

A server's own words may quote a row's values or name what nobody asked for: they are shown only where they are known
to be about logins, rights and names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from engine.errors import Problem


class FaultKind(Enum):
    TRANSIENT = "transient"
    LOGIN = "login"
    PERMISSION = "permission"
    NO_TABLE = "no such table"
    NO_COLUMN = "no such column"
    NO_DATABASE = "no such database"
    ENCRYPTION = "encryption"
    NO_DRIVER = "no driver"
    UNREACHABLE = "unreachable"
    FULL = "full"
    OTHER = "other"


# Microsoft: "Transient fault error codes" for Azure SQL, and of SQL Server itself deadlock 1205, lock timeout 1222,
# snapshot conflict 3960, schema change under a snapshot 3961, and what the network layer says of a cut connection.
_TRANSIENT_NUMBERS = {
    *(1205, 1222, 3960, 40613, 40197, 40501, 40540, 40143, 10928, 10929, 49918, 49919, 49920, 4221),
    *(64, 121, 233, 10053, 10054, 10060, 10061, 20),
}
_TRANSIENT_STATES = {"08S01", "08003", "08006", "08007", "40001", "40P01", "57P01", "57P02", "57P03", "HYT01"}
# A server that is starting refuses connections for a while.
_UNREACHABLE_STATES = {"08001", "HYT00", "08004"}
_KINDS_BY_NUMBER = {
    18456: FaultKind.LOGIN,
    18452: FaultKind.LOGIN,
    229: FaultKind.PERMISSION,
    230: FaultKind.PERMISSION,
    262: FaultKind.PERMISSION,
    297: FaultKind.PERMISSION,
    916: FaultKind.PERMISSION,
    208: FaultKind.NO_TABLE,
    207: FaultKind.NO_COLUMN,
    4060: FaultKind.NO_DATABASE,
    911: FaultKind.NO_DATABASE,
    1105: FaultKind.FULL,
    9002: FaultKind.FULL,
}
_KINDS_BY_STATE = {
    "28000": FaultKind.LOGIN,
    "28P01": FaultKind.LOGIN,
    "42501": FaultKind.PERMISSION,
    "42S02": FaultKind.NO_TABLE,
    "42P01": FaultKind.NO_TABLE,
    "42S22": FaultKind.NO_COLUMN,
    "42703": FaultKind.NO_COLUMN,
    "3D000": FaultKind.NO_DATABASE,
    "53100": FaultKind.FULL,
    "IM002": FaultKind.NO_DRIVER,
    "01000": FaultKind.NO_DRIVER,
}
# Servers that speak SQL Server's protocol without its numbers, and drivers that know no state for it.
_KINDS_BY_WORDS = (
    (re.compile(r"certificate|SSL Provider|\bTLS\b|encrypt", re.I), FaultKind.ENCRYPTION),
    (re.compile(r"password authentication failed|login failed|no pg_hba", re.I), FaultKind.LOGIN),
    (re.compile(r"permission (was )?denied", re.I), FaultKind.PERMISSION),
    (re.compile(r'relation ".*" does not exist', re.I), FaultKind.NO_TABLE),
    (re.compile(r'column ".*" does not exist', re.I), FaultKind.NO_COLUMN),
    (re.compile(r'database ".*" does not exist', re.I), FaultKind.NO_DATABASE),
    (re.compile(r"could not extend|no space left|disk full", re.I), FaultKind.FULL),
    (
        re.compile(
            r"server closed the connection|connection (was )?(terminated|reset|refused)|terminating connection"
            r"|no connection to the server|communication link|the connection has been lost|not connected"
            r"|deadlock|serialization failure|could not serialize|canceling statement due to (lock|conflict)",
            re.I,
        ),
        FaultKind.TRANSIENT,
    ),
)
_NUMBER = re.compile(r"\((-?\d+)\) \(SQL\w+\)")
_TAGS = re.compile(r"^(\[[^\]]*\]\s*)+")
_SHOWN_KINDS = {
    FaultKind.LOGIN,
    FaultKind.PERMISSION,
    FaultKind.NO_TABLE,
    FaultKind.NO_COLUMN,
    FaultKind.NO_DATABASE,
    FaultKind.ENCRYPTION,
    FaultKind.NO_DRIVER,
    FaultKind.UNREACHABLE,
}
_TO_DO = {
    FaultKind.LOGIN: "mend user and password of databases.{name}, or ask for a login",
    FaultKind.PERMISSION: "ask the database's owner to GRANT {right} to the user of databases.{name}",
    FaultKind.NO_TABLE: "mend the table's name in the settings, or create it",
    FaultKind.NO_COLUMN: "the table has changed since it was opened, or a query names a column that is not there",
    FaultKind.NO_DATABASE: "mend databases.{name}.database; the user must be allowed to connect to it",
    FaultKind.ENCRYPTION: (
        "give the server's certificate authority to this machine, or, where the way to the server is safe, set "
        "databases.{name}.trust_server_certificate: true"
    ),
    FaultKind.NO_DRIVER: "install the ODBC driver, or name the one that is there in databases.{name}.driver",
    FaultKind.UNREACHABLE: "mend databases.{name}.server, or find out why it does not answer",
    FaultKind.FULL: "the database has no room left: ask its owner; nothing was changed",
    FaultKind.TRANSIENT: "it was tried again in vain: run it once more when the server is steady",
    FaultKind.OTHER: "look the number up in the server's manual",
}


@dataclass(frozen=True)
class Fault:
    """What was refused: `words` are empty where they might hold data."""

    kind: FaultKind
    state: str
    number: int | None
    words: str

    @property
    def is_worth_another_try(self) -> bool:
        return self.kind in (FaultKind.TRANSIENT, FaultKind.UNREACHABLE)

    def __str__(self) -> str:
        known = [self.kind.value] if self.kind is not FaultKind.OTHER else []
        known += [f"SQLSTATE {self.state}"] if self.state else []
        known += [f"error {self.number}"] if self.number else []
        return ", ".join(known) + (f": {self.words}" if self.words else "")


def fault_of(error: Exception) -> Fault:
    """What a driver's exception stands for."""
    arguments = [str(argument) for argument in error.args]
    # pyodbc puts the state first, but for a few errors of its own
    state = next((text for text in arguments if re.fullmatch(r"[0-9A-Z]{5}", text)), "")
    text = " ".join(argument for argument in arguments if argument != state)
    number = next((int(found) for found in _NUMBER.findall(text)), None)
    kind = _kind(state, number, text)
    words = " ".join(_TAGS.sub("", text).split())[:300] if kind in _SHOWN_KINDS else ""
    return Fault(kind, state, number, words)


def _kind(state: str, number: int | None, text: str) -> FaultKind:
    if number in _TRANSIENT_NUMBERS:
        return FaultKind.TRANSIENT
    if number in _KINDS_BY_NUMBER:
        return _KINDS_BY_NUMBER[number]
    if state in _TRANSIENT_STATES:
        return FaultKind.TRANSIENT
    if state in _KINDS_BY_STATE:
        return _KINDS_BY_STATE[state]
    by_words = next((kind for pattern, kind in _KINDS_BY_WORDS if pattern.search(text)), None)
    if state in _UNREACHABLE_STATES and by_words in (None, FaultKind.TRANSIENT):
        return FaultKind.UNREACHABLE
    if by_words is not None:
        return by_words
    return FaultKind.OTHER


def fault_problem(fault: Fault, name: str, doing: str, where: str, right: str) -> Problem:
    """The problem that a user sees. `right`: what the user of the connection `name` must be allowed to do."""
    to_do = _TO_DO[fault.kind].format(name=name, right=right)
    expected = f"the right to {right}" if fault.kind is FaultKind.PERMISSION else ""
    return Problem(f"{doing} failed", where, str(fault), expected, to_do)
