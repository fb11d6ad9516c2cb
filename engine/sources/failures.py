"""Read failures as messages that name the file and contain none of its content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InputError, Problem
from engine.runtime.failures import Cause, causes_of
from engine.sources.odbc import MARK

_READ_CONDITIONS = (
    "CANNOT_READ_FILE_FOOTER",
    "FAILED_READ_FILE",
    "INCONSISTENT_BEHAVIOR_CROSS_VERSION.READ_ANCIENT_DATETIME",
    "INVALID_JSON_RECORD_TYPE",
    "MALFORMED_CSV_RECORD",
    "MALFORMED_RECORD_IN_PARSING",
    "MALFORMED_RECORD_IN_SCHEMA_INFERENCE",
    "PARQUET_",
    "UNABLE_TO_INFER_SCHEMA",
)

# Only these messages are safe: others may quote a value, which can be patient data.
_MESSAGES_WITHOUT_DATA = ("java.io.", "java.nio.", "java.util.zip.", "org.apache.parquet.", "org.apache.hadoop.")
_NOT_PARQUET = re.compile(r"is not a Parquet file")
_CSV_LINE = re.compile(r"\bline=(\d+)")
_EXECUTOR_REPORT = re.compile(f"{MARK}(.*?){MARK}", re.DOTALL)
_UNKNOWN_FILE = "unknown file"
# The embedded engine names no file; a page that it cannot decode may also end the stream.
_UNNAMED_DAMAGE = re.compile(r"Parquet (?:argument )?error|Arrow error|Stream removed|RST_STREAM")
_suspects: dict[Path, None] = {}
_TO_DO = "ask the sender for the file again, or fix it"


def translate_read_error(error: BaseException) -> InputError | None:
    """Translate a failed Spark action to an InputError; None if the failure is not a read failure.

    Use it around actions: a damaged page, a record that fits no header or a truncated file is detected only there. The
    message names the file and never quotes its content.
    """
    if isinstance(error, InputError):
        return error
    report = _EXECUTOR_REPORT.search(str(error))
    if report is not None:
        return InputError([Problem(**problem) for problem in json.loads(report.group(1))])
    causes = causes_of(error)
    of_reading = [cause for cause in causes if _is_of_reading(cause)]
    if not of_reading:
        return _damaged_input(causes)
    paths = [cause.parameters["path"] for cause in of_reading if "path" in cause.parameters]
    where = _tidy(paths[0]) if paths else _UNKNOWN_FILE
    if not paths and (damaged := _damaged_input(of_reading)) is not None:
        return damaged
    return InputError(Problem("an input file cannot be read", where, _description(causes), to_do=_TO_DO))


def opening_problem(table: str, uri: str, error: BaseException) -> Problem:
    """The problem of a table that could not be opened, for errors in ENGINE_ERRORS and OSError."""
    translated = translate_read_error(error)
    if translated is not None:
        first = translated.problems[0]
        where = uri if first.where == _UNKNOWN_FILE else first.where
        return Problem(f"table {table} cannot be read", where, first.found, to_do=first.to_do)
    message = next((cause.message for cause in causes_of(error) if cause.message), str(error))
    return Problem(
        f"table {table} cannot be opened", uri, message.splitlines()[0][:500], to_do=f"fix input.tables.{table}"
    )


def damaged_page(uri: str) -> Problem:
    """The problem of a Parquet file with an intact footer and damaged pages."""
    return Problem("an input file cannot be read", _tidy(uri), "a damaged Parquet page", to_do=_TO_DO)


def not_text(column: str, uri: str, stored_as: str = "") -> Problem:
    """The problem of a Parquet column of text that holds other bytes; shown as text, they would be other values."""
    return Problem(
        f"{column} has bytes that are not UTF-8 text",
        _tidy(uri),
        stored_as,
        "text; a Parquet column without annotation is read as UTF-8",
        "write the column as a UTF-8 string",
    )


def suspect(file: Path | None) -> None:
    """Remember a Parquet file that an engine reads directly, to check it if the engine fails without naming a file."""
    if file is not None:
        _suspects.pop(file, None)
        _suspects[file] = None


def forget_suspects() -> None:
    """Forget suspects when a new input is opened: files of an earlier run in this process are not at fault."""
    _suspects.clear()


def _damaged_input(causes: Iterable[Cause]) -> InputError | None:
    """The damaged file that was opened last, if the engine's message can come from one."""
    if not any(_UNNAMED_DAMAGE.search(cause.message) for cause in causes):
        return None
    for file in reversed(_suspects):
        try:
            for batch in pq.ParquetFile(file).iter_batches():
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    if not _is_text_if_stated(column):
                        return InputError(not_text(f"column {name}", str(file)))
        except (pa.ArrowException, OSError):
            return InputError(damaged_page(str(file)))
    return None


def _is_text_if_stated(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_of_reading(cause: Cause) -> bool:
    return cause.condition.startswith(_READ_CONDITIONS)


def _description(causes: list[Cause]) -> str:
    kinds = {cause.kind.rpartition(".")[2] for cause in causes}
    conditions = {cause.condition.partition(".")[0] for cause in causes}
    if "TextParsingException" in kinds:
        line = next((match for cause in causes if (match := _CSV_LINE.search(cause.message))), None)
        place = f" near line {int(line.group(1)) + 1}" if line else ""
        return f"a quotation mark inside a quoted value that is not doubled{place}"
    if "MALFORMED_CSV_RECORD" in conditions:
        return "a row with more or fewer fields than the header has"
    if conditions & {"MALFORMED_RECORD_IN_PARSING", "INVALID_JSON_RECORD_TYPE"}:
        return "a record that is not of the file's format"
    innermost = causes[-1]
    kind = innermost.kind.rpartition(".")[2]
    if _is_of_reading(innermost):
        return innermost.condition
    if innermost.kind.startswith(_MESSAGES_WITHOUT_DATA) or _NOT_PARQUET.search(innermost.message):
        return f"{kind}: {innermost.message.splitlines()[0]}" if innermost.message else kind
    return kind


def _tidy(path: str) -> str:
    """`file:///a/b` and `file:/a/b` as the local path that the user wrote."""
    return re.sub(r"^file:/+", "/", path)


def one_line(error: OSError) -> str:
    """The first line of what a file system reported."""
    return (str(error) or type(error).__name__).splitlines()[0]
