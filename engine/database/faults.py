"""Errors of databases and drivers, classified by SQLSTATE, error number and text, and what a user can do about them.

A server's message may quote values of a row. Messages about logins, permissions and names are shown unchanged; in
others everything in quotation marks, parentheses or digits is masked, and messages written by users of the database
(RAISERROR, THROW, RAISE EXCEPTION) are not shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from engine.errors import Problem


class FaultKind(Enum):
    """What went wrong, whatever driver reports it."""

    TRANSIENT = "transient"
    DEADLOCK = "deadlock"
    TIMEOUT = "query timeout"
    LOGIN = "login"
    KERBEROS = "integrated login"
    PERMISSION = "permission"
    NO_TABLE = "no such table"
    NO_COLUMN = "no such column"
    NO_SCHEMA = "no such schema"
    NO_DATABASE = "no such database"
    DATABASE_CLOSED = "database not available"
    READ_ONLY = "read-only database"
    ENCRYPTION = "encryption"
    NO_DRIVER = "no driver"
    CONNECTION_SETTINGS = "connection settings"
    UNREACHABLE = "unreachable"
    LINKED_SERVER = "linked server"
    NO_SNAPSHOT = "snapshot isolation"
    TOO_LONG = "value too long"
    DUPLICATE = "duplicate key"
    CONSTRAINT = "constraint"
    BAD_VALUE = "value cannot be converted"
    COLLATION = "collation conflict"
    QUERY = "wrong SQL"
    UNSUPPORTED_TYPE = "unsupported type"
    MEMORY = "memory"
    FULL = "full"
    OTHER = "other"


# Microsoft: "Transient fault error codes" for Azure SQL, and of SQL Server itself snapshot conflict 3960, schema change
# under a snapshot 3961, and network errors for a lost connection.
_TRANSIENT_NUMBERS = {
    *(3960, 3961, 40613, 40197, 40501, 40540, 40143, 10928, 10929, 49918, 49919, 49920, 4221),
    *(64, 121, 233, 10053, 10054, 10060, 10061, 20),
}
_TRANSIENT_STATES = {"08S01", "08003", "08006", "08007", "57P01", "57P02", "57P03", "HYT01"}
# A server that is starting refuses connections for a while.
_UNREACHABLE_STATES = {"08001", "HYT00", "08004"}
_NUMBERS = {
    FaultKind.DEADLOCK: {1205, 1222},
    FaultKind.LOGIN: {18456, 18452, 18486, 18487, 18488, 18470},
    FaultKind.PERMISSION: {229, 230, 262, 297, 300, 916, 1088, 2557, 2571, 15247},
    FaultKind.NO_TABLE: {208, 4902, 3701},
    FaultKind.NO_COLUMN: {207, 4104},
    FaultKind.NO_SCHEMA: {2760, 15151},
    FaultKind.NO_DATABASE: {4060, 911},
    FaultKind.DATABASE_CLOSED: {922, 924, 926, 927, 942, 945, 952, 976, 978, 983},
    FaultKind.READ_ONLY: {3906, 3908},
    FaultKind.LINKED_SERVER: {7202, 7399, 7391, 7411, 7416, 18482, 18483},
    FaultKind.NO_SNAPSHOT: {3951, 3952, 3957, 3964, 3988},
    FaultKind.TOO_LONG: {8152, 2628},
    FaultKind.DUPLICATE: {2627, 2601},
    FaultKind.CONSTRAINT: {515, 547, 513, 550},
    FaultKind.BAD_VALUE: {241, 242, 244, 245, 248, 220, 232, 295, 517, 535, 8114, 8115, 8134, 8169, 8170, 9810, 3621},
    FaultKind.COLLATION: {451, 457, 468},
    FaultKind.QUERY: {
        *(102, 105, 107, 109, 116, 117, 119, 120, 121, 130, 137, 145, 147, 156, 164, 174, 178, 189, 195, 201, 205, 209),
        *(213, 210, 306, 319, 336, 402, 421, 529, 1033, 1035, 1054, 2715, 2812, 4121, 4145, 4413, 8120, 8127),
        *(8155, 8156, 8158, 8159, 8180, 10734, 11514, 11526, 11529),
    },
    FaultKind.MEMORY: {701, 802, 8645, 8651, 8902},
    FaultKind.FULL: {1105, 1101, 9002, 5149, 40544},
}
_STATES = {
    FaultKind.DEADLOCK: {"40001", "40P01", "55P03"},
    FaultKind.TIMEOUT: {"57014", "HY008"},
    FaultKind.LOGIN: {"28000", "28P01"},
    FaultKind.PERMISSION: {"42501"},
    FaultKind.NO_TABLE: {"42S02", "42P01"},
    FaultKind.NO_COLUMN: {"42S22", "42703"},
    FaultKind.NO_SCHEMA: {"3F000"},
    FaultKind.NO_DATABASE: {"3D000"},
    FaultKind.READ_ONLY: {"25006"},
    FaultKind.TOO_LONG: {"22001", "22026", "HY090"},
    FaultKind.DUPLICATE: {"23505"},
    FaultKind.UNSUPPORTED_TYPE: {"HY106", "HYC00", "HY004", "HY003", "07006", "HY097"},
    FaultKind.MEMORY: {"HY001", "HY013", "53200"},
    FaultKind.FULL: {"53100"},
    FaultKind.CONNECTION_SETTINGS: {"01S00", "01S09", "HY024", "IM007", "IM010", "IM011", "IM012", "HY092"},
    FaultKind.NO_DRIVER: {"IM002", "IM003", "IM004", "IM005", "IM006", "01000", "IM001"},
}
# The first two letters of a SQLSTATE are its class, for states that are not listed above.
_STATE_CLASSES = {
    "22": FaultKind.BAD_VALUE,
    "23": FaultKind.CONSTRAINT,
    "44": FaultKind.CONSTRAINT,
    "42": FaultKind.QUERY,
    "21": FaultKind.QUERY,
    "IM": FaultKind.NO_DRIVER,
}
_KIND_OF_NUMBER = {number: kind for kind, numbers in _NUMBERS.items() for number in numbers}
_KIND_OF_STATE = {state: kind for kind, states in _STATES.items() for state in states}
# These messages quote names from the statement and no row.
_ABOUT_SQL = re.compile(r"syntax error|specified multiple times|specified more than once", re.I)
# For servers that use SQL Server's protocol without its numbers, and drivers without a state for the error.
_KINDS_BY_WORDS = (
    (re.compile(r"Kerberos|\bSSPI\b|\bGSS|ticket cache|credentials cache", re.I), FaultKind.KERBEROS),
    (re.compile(r"Can't open lib|file not found|IM002|data source name not found", re.I), FaultKind.NO_DRIVER),
    (re.compile(r"certificate|SSL Provider|does not support SSL|\bTLS\b|encrypt", re.I), FaultKind.ENCRYPTION),
    (
        re.compile(
            r'password authentication failed|login failed|no pg_hba|no password supplied|role ".*" does not', re.I
        ),
        FaultKind.LOGIN,
    ),
    (re.compile(r"permission (was )?denied|must be owner", re.I), FaultKind.PERMISSION),
    (re.compile(r'schema ".*" does not exist|schema name ".*"', re.I), FaultKind.NO_SCHEMA),
    (re.compile(r'relation ".*" does not exist|invalid object name', re.I), FaultKind.NO_TABLE),
    (re.compile(r'column ".*" does not exist|invalid column name', re.I), FaultKind.NO_COLUMN),
    (re.compile(r'database ".*" does not exist', re.I), FaultKind.NO_DATABASE),
    (re.compile(r"could not extend|no space left|disk full", re.I), FaultKind.FULL),
    (re.compile(r"query timeout|canceling statement due to statement timeout", re.I), FaultKind.TIMEOUT),
    (re.compile(r"deadlock|canceling statement due to lock timeout", re.I), FaultKind.DEADLOCK),
    (
        re.compile(
            r"server closed the connection|connection (was )?(terminated|reset|refused)|terminating connection"
            r"|no connection to the server|communication link|the connection has been lost|not connected"
            r"|serialization failure|could not serialize|canceling statement due to conflict",
            re.I,
        ),
        FaultKind.TRANSIENT,
    ),
    (re.compile(r"value too long|right[- ]truncat|would be truncated", re.I), FaultKind.TOO_LONG),
    (re.compile(r"duplicate key", re.I), FaultKind.DUPLICATE),
    (
        re.compile(r"violates .* constraint|null value in column|cannot insert the value NULL", re.I),
        FaultKind.CONSTRAINT,
    ),
    (
        re.compile(r"invalid input syntax|conversion failed|error converting|out of range|overflow", re.I),
        FaultKind.BAD_VALUE,
    ),
    (re.compile(r"collation", re.I), FaultKind.COLLATION),
    (
        re.compile(r"not yet supported|ODBC (SQL|data) type|unsupported (sql )?type|fetch type out of range", re.I),
        FaultKind.UNSUPPORTED_TYPE,
    ),
    (_ABOUT_SQL, FaultKind.QUERY),
)
_NUMBER = re.compile(r"\((-?\d+)\) \(SQL\w+\)")
_TAGS = re.compile(r"^(\[[^\]]*\]\s*)+")
_LATER_TAGS = re.compile(r"\s*\[\w{5}\]\s*(\[[^\]]*\]\s*)+")
_OF_SERVER = re.compile(r"\[SQL Server\]|ERROR:|FATAL:|DDBC Error", re.I)
_DETAIL = re.compile(r"(DETAIL|CONTEXT|HINT|QUERY|STATEMENT):.*", re.S)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|\d+")
# of RAISERROR and THROW
_FIRST_OWN_NUMBER = 50_000
# Babelfish's number for errors without a SQL Server number
_NO_NUMBER = 33_557_097
_SHOWN_KINDS = {
    FaultKind.LOGIN,
    FaultKind.KERBEROS,
    FaultKind.PERMISSION,
    FaultKind.NO_TABLE,
    FaultKind.NO_COLUMN,
    FaultKind.NO_SCHEMA,
    FaultKind.NO_DATABASE,
    FaultKind.DATABASE_CLOSED,
    FaultKind.READ_ONLY,
    FaultKind.ENCRYPTION,
    FaultKind.NO_DRIVER,
    FaultKind.CONNECTION_SETTINGS,
    FaultKind.UNREACHABLE,
    FaultKind.LINKED_SERVER,
    FaultKind.NO_SNAPSHOT,
}
_TO_DO = {
    FaultKind.LOGIN: "fix user and password of databases.{name}, or ask the server's owner for a login",
    FaultKind.KERBEROS: (
        "get a Kerberos ticket for the account that the job runs under (kinit USER@REALM; klist shows it) and check "
        "/etc/krb5.conf, or set user and password in databases.{name} instead of integrated: true"
    ),
    FaultKind.PERMISSION: "ask the database's owner to GRANT {right} to the user of databases.{name}",
    FaultKind.NO_TABLE: "fix the table's name in {setting}, or create it",
    FaultKind.NO_COLUMN: "fix the column's name in {setting}; run again if the table was altered after it was opened",
    FaultKind.NO_SCHEMA: "fix the schema's name in the settings, or ask the database's owner for CREATE SCHEMA",
    FaultKind.NO_DATABASE: "fix databases.{name}.database; the user must be allowed to connect to it",
    FaultKind.DATABASE_CLOSED: "ask the database's owner to bring the database online, then run again",
    FaultKind.READ_ONLY: "write to a database that accepts changes: fix databases.{name}.server and .database",
    FaultKind.ENCRYPTION: (
        "install the server's certificate authority on this machine, or, if the network to the server is safe, set "
        "databases.{name}.trust_server_certificate: true"
    ),
    FaultKind.NO_DRIVER: (
        "install the ODBC driver, or name an installed one in databases.{name}.driver (odbcinst -q -d lists them); a "
        "databases.{name}.dsn must be in odbc.ini (odbcinst -q -s)"
    ),
    FaultKind.CONNECTION_SETTINGS: "fix the keyword in databases.{name} (options, connection_string) or in odbc.ini",
    FaultKind.UNREACHABLE: "fix databases.{name}.server and port, or check why the server does not answer",
    FaultKind.LINKED_SERVER: (
        "ask the server's owner to set up the linked server for the user of databases.{name}, or connect to that "
        "server directly"
    ),
    FaultKind.NO_SNAPSHOT: (
        "a table is in a database without snapshot isolation: ask its owner for ALTER DATABASE ... SET "
        "ALLOW_SNAPSHOT_ISOLATION ON, or configure that database as a separate connection"
    ),
    FaultKind.DEADLOCK: (
        "other programs hold locks on the same tables, and retries failed: run again when they have finished, or raise "
        "databases.{name}.attempts"
    ),
    FaultKind.TIMEOUT: "raise databases.{name}.query_timeout (seconds; 0: no limit), or read fewer rows with a query",
    FaultKind.TOO_LONG: (
        "a value is longer than its column: widen the column to its width in conf/sqlserver; on reading, "
        "in the view or query of {setting}"
    ),
    FaultKind.DUPLICATE: (
        "two rows have one key: make sure that no other program writes the same run, and that the tables have the keys "
        "of conf/sqlserver"
    ),
    FaultKind.CONSTRAINT: (
        "a constraint or trigger of the table rejects a row: compare the table with conf/sqlserver and drop what that "
        "file does not have"
    ),
    FaultKind.BAD_VALUE: (
        "a view, a computed column or {setting} converts a value that cannot be converted: use TRY_CAST or TRY_CONVERT "
        "there, or select the column as text"
    ),
    FaultKind.COLLATION: "{setting} compares texts of different collations: add COLLATE DATABASE_DEFAULT to one",
    FaultKind.QUERY: "fix the SQL of {setting} or, if that names a view, of the view; try it in a query tool",
    FaultKind.UNSUPPORTED_TYPE: (
        "the driver cannot return a column's type: read it from a view or query that casts it to text, a number or "
        "datetime2 ({setting})"
    ),
    FaultKind.MEMORY: "memory ran out: lower databases.{name}.rows_per_fetch, or run when the server is less busy",
    FaultKind.FULL: "the database or its log is full: ask its owner for space; nothing was changed",
    FaultKind.TRANSIENT: "retries failed: try again when the server is stable",
    FaultKind.OTHER: (
        "show this message, with the time, to the administrator of databases.{name}: the server's own log has its full "
        "text; nothing was changed"
    ),
}
_TO_DO_QUERY = (
    "fix {setting}: one SELECT whose columns all have distinct names, without WITH, ORDER BY or a second "
    "statement; try SELECT * FROM (...) AS source in a query tool"
)
_WRONG_QUERY_KINDS = {FaultKind.QUERY, FaultKind.NO_COLUMN, FaultKind.NO_TABLE}


@dataclass(frozen=True)
class Fault:
    """A classified error. `words` contain no data; they are empty if that is not certain."""

    kind: FaultKind
    state: str
    number: int | None
    words: str

    @property
    def is_worth_another_try(self) -> bool:
        """Whether the same statement may succeed later without any change."""
        return self.kind in (FaultKind.TRANSIENT, FaultKind.UNREACHABLE, FaultKind.DEADLOCK)

    def __str__(self) -> str:
        """Kind, codes and the server's words, for messages."""
        parts = [self.kind.value] if self.kind is not FaultKind.OTHER else []
        parts += [f"SQLSTATE {self.state}"] if self.state else []
        parts += [f"error {self.number}"] if self.number else []
        return ", ".join(parts) + (f": {self.words}" if self.words else "")


def fault_of(error: Exception) -> Fault:
    """Classify a driver's exception."""
    arguments = [str(argument) for argument in error.args]
    # pyodbc puts the state first, except for a few of its own errors
    state = next((text for text in arguments if re.fullmatch(r"[0-9A-Z]{5}", text)), "")
    text = " ".join(argument for argument in arguments if argument != state)
    numbers = [int(number) for number in _NUMBER.findall(text) if int(number) != _NO_NUMBER]
    # if the first number only means that something failed, a later one explains it
    number = next((number for number in numbers if number in _KIND_OF_NUMBER), next(iter(numbers), None))
    kind = _kind(state, number, text)
    return Fault(kind, state, number, _words(kind, number, state, text))


def _words(kind: FaultKind, number: int | None, state: str, text: str) -> str:
    plain = " ".join(_LATER_TAGS.sub(" ", _TAGS.sub("", text)).split())
    # SQL is rejected before a row is read, but SQL Server uses 42000 for nearly everything
    is_about_sql = kind is FaultKind.QUERY and (
        number in _KIND_OF_NUMBER or state not in ("", "42000") or _ABOUT_SQL.search(text) is not None
    )
    if kind in _SHOWN_KINDS or is_about_sql or not _OF_SERVER.search(text):
        return plain[:300]
    if _is_written_by_people(number, state):
        return ""
    return _QUOTED.sub("...", _DETAIL.sub("", _NUMBER.sub("", plain))).strip()[:300]


def _is_written_by_people(number: int | None, state: str) -> bool:
    return state == "P0001" or (number is not None and number >= _FIRST_OWN_NUMBER)


def _kind(state: str, number: int | None, text: str) -> FaultKind:
    if number in _TRANSIENT_NUMBERS:
        return FaultKind.TRANSIENT
    by_words = next((kind for pattern, kind in _KINDS_BY_WORDS if pattern.search(text)), None)
    if by_words is FaultKind.KERBEROS:
        return by_words
    if number in _KIND_OF_NUMBER:
        return _KIND_OF_NUMBER[number]
    if state in _TRANSIENT_STATES:
        return FaultKind.TRANSIENT
    if state in _KIND_OF_STATE:
        return _KIND_OF_STATE[state]
    if state in _UNREACHABLE_STATES and by_words in (None, FaultKind.TRANSIENT, FaultKind.NO_DRIVER):
        return FaultKind.UNREACHABLE
    if by_words is not None:
        return by_words
    if _is_written_by_people(number, state):
        return FaultKind.OTHER
    return _STATE_CLASSES.get(state[:2], FaultKind.OTHER)


def fault_problem(
    fault: Fault, name: str, doing: str, where: str, right: str, setting: str = "", is_query: bool = False
) -> Problem:
    """The problem that a user sees.

    Args:
        fault: The error.
        name: The connection's name in the settings.
        doing, where: The operation and its object.
        right: The permission that the user of the connection needs.
        setting: The setting with the table or the query.
        is_query: True if that setting is a query.
    """
    is_wrong_query = is_query and fault.kind in _WRONG_QUERY_KINDS
    to_do = _TO_DO_QUERY if is_wrong_query else _TO_DO[fault.kind]
    to_do = to_do.format(name=name, right=right, setting=setting or "the settings")
    what = f"{doing} failed: the database refuses the configured query" if is_wrong_query else f"{doing} failed"
    expected = f"the right to {right}" if fault.kind is FaultKind.PERMISSION else ""
    return Problem(what, where, str(fault), expected, to_do)
