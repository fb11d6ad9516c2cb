"""The intermediate results of a run as a page, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import types as T

from engine.contracts.codes import Step
from engine.pipeline.work_tables import DECLARED
from engine.runs import WorkTable, WorkTables

_OPENING = """\
# Intermediate results

Made by `python -m docs_pages` from `engine/pipeline/work_tables.py`, where each is declared once; do not edit. They are
Parquet in `<output>/.<run id>.work/`, for `--resume`, and are deleted when the run is published, except those that the
job `explain` reads (`kept/`). Writing checks names and kinds of the columns. `input`: tables of the input; `findings`:
of the run's outputs.
"""
# Wider schemas are those of the contract.
_MOST_COLUMNS = 12


def work_tables_page() -> str:
    """Markdown: one table per step, one row per intermediate result."""
    lines = [_OPENING]
    for step in Step:
        tables = [table for table in DECLARED if table.step is step]
        if tables:
            lines += [f"## Step {step.value}", "", "| name | one row is a | columns | computed from |"]
            lines += ["|---|---|---|---|", *map(_row, tables), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(table: WorkTable | WorkTables) -> str:
    cells = (f"`{table.name}`", table.grain, _columns(table), ", ".join(table.reads))
    return f"| {' | '.join(cells)} |"


def _columns(table: WorkTable | WorkTables) -> str:
    if not isinstance(table.schema, T.StructType):
        return "differ by name"
    named = [f"{field.name} {_kind(field.dataType)}" for field in table.schema]
    return ", ".join(named) if len(named) <= _MOST_COLUMNS else f"{len(named)} columns"


def _kind(kind: T.DataType) -> str:
    return "array" if isinstance(kind, T.ArrayType) else kind.simpleString()


def missing_dependencies() -> Iterator[str]:
    """Dependencies that name no declared result; a folder includes all results in it."""
    known = {"input", "findings"}
    for table in DECLARED:
        known |= {table.name, table.folder} if isinstance(table, WorkTables) else {table.name, table.name.split("/")[0]}
    for table in DECLARED:
        for name in table.reads:
            if name not in known:
                yield f"{table.name} reads {name}"
