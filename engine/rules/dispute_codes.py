"""The code table of disputes and adjustments: `dispute_codes.csv` in the reference folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import types as T

from engine.errors import ConfigurationError, Problem

FILE_NAME = "dispute_codes.csv"
KINDS = ("ADJUSTMENT", "DISPUTE")

DISPUTE_CODES = T.StructType(
    [
        T.StructField("code", T.StringType()),
        T.StructField("kind", T.StringType()),
        T.StructField("document_required", T.BooleanType()),
        T.StructField("document", T.StringType()),
        T.StructField("needs_companion", T.BooleanType()),
        T.StructField("text", T.StringType()),
        T.StructField("valid_from", T.DateType()),
        T.StructField("valid_to", T.DateType()),
        T.StructField("verified", T.BooleanType()),
    ]
)


class DisputeCode(NamedTuple):
    """One meaning of a code, valid in `[valid_from, valid_to)`; None is unbounded. Schema: DISPUTE_CODES.

    A code that can be of both kinds has a row for each. `needs_companion`: never alone on a line. `verified` is false
    if nobody read the code's text in its source; such codes are kept for reference and never exported.
    """

    code: str
    kind: str
    document_required: bool
    document: str | None
    needs_companion: bool
    text: str
    valid_from: date | None
    valid_to: date | None
    verified: bool


def dispute_codes(folder: str) -> tuple[DisputeCode, ...]:
    """Read the code table from a local folder. Raises ConfigurationError with every error in it."""
    path = Path(folder, FILE_NAME)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Problem(
                "the table of dispute codes cannot be read", str(path), str(error), to_do="correct reference_folder"
            )
        ) from None
    return parse_dispute_codes(content, str(path))


def parse_dispute_codes(content: str, where: str) -> tuple[DisputeCode, ...]:
    """Parse the code table from its text. `where`: location to name in errors. Raises ConfigurationError."""
    reader = csv.DictReader(io.StringIO(content))
    lacking = [name for name in DISPUTE_CODES.names if name not in (reader.fieldnames or [])]
    if lacking:
        raise ConfigurationError(
            Problem("the table of dispute codes lacks columns", where, expected=", ".join(lacking))
        )
    problems: list[Problem] = []
    codes: list[DisputeCode] = []
    seen: set[tuple[Any, ...]] = set()
    for line, row in enumerate(reader, start=2):
        code = _code(row, f"{where}, line {line}", problems)
        key = (code.code, code.kind, code.valid_from)
        if key in seen:
            problems.append(Problem("a dispute code occurs twice", f"{where}, line {line}", code.code))
        seen.add(key)
        codes.append(code)
    if problems:
        raise ConfigurationError(problems)
    return tuple(codes)


def _code(row: dict[str, str | None], where: str, problems: list[Problem]) -> DisputeCode:
    def value(name: str, read: Callable[[str], Any], expected: str, default: Any = None) -> Any:
        text = (row.get(name) or "").strip()
        if not text:
            if default is None and expected:
                problems.append(Problem(f"{name} is missing", where, expected=expected))
            return default
        try:
            return read(text)
        except (ValueError, KeyError):
            problems.append(Problem(f"{name} cannot be read", where, text, expected or "an ISO date or nothing"))
            return default

    return DisputeCode(
        code=value("code", str, "a code"),
        kind=value("kind", lambda text: {kind: kind for kind in KINDS}[text], " or ".join(KINDS)),
        document_required=value("document_required", _boolean, "true or false"),
        document=value("document", str, ""),
        needs_companion=value("needs_companion", _boolean, "true or false"),
        text=value("text", str, "what the code means"),
        valid_from=value("valid_from", date.fromisoformat, ""),
        valid_to=value("valid_to", date.fromisoformat, ""),
        verified=value("verified", _boolean, "true or false"),
    )


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]
