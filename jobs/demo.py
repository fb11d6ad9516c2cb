"""Generates claims, trains on them and runs the main job: a first look in one command."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from jobs.common import DEFAULT_CONFIG, Engine, main
from jobs.detect import detect
from jobs.synthesize import synthesize

AS_OF = datetime(2026, 9, 30)
# The generated product file lists every product there is: an NDC which it does not hold means something (R025).
COMPLETE = ["input.tables.products.path=products.parquet", "input.tables.products.complete=true"]


def demo(
    claims: Annotated[int, typer.Option("--claims", min=1, help="How many dispenses to generate.")] = 50_000,
    output: Annotated[str, typer.Option("--output", help="Folder for everything it writes.")] = "output/demo",
    engine: Engine = None,
) -> None:
    """Everything it writes is below `output`; running it again keeps the claims and replaces the run.

    Example: ./spark-submit.sh demo --claims 2000 --output output/small
    """
    tables = f"{output}/claims-{claims}"
    if not Path(tables).exists():
        synthesize(output=tables, claims=claims, seed=1, engine=engine)
        print()
    detect(
        DEFAULT_CONFIG,
        tables,
        f"{output}/runs",
        AS_OF,
        run_id="demo",
        set=COMPLETE,
        overwrite=True,
        engine=engine,
        known_unusual=f"{tables}/anomalies",
    )
    print(f"\nWhy a row was flagged or not (row ids: column Source row of the workbook):\n  {explain_command(output)}")


def explain_command(output: str) -> str:
    """The command that explains the first finding on a claim that is linked to a 340B claim."""
    with open(f"{output}/runs/demo/review/findings.csv", encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        linked = (row["Source row"] for row in rows if row["Match tier"] and row["Subject"] == "REBATE_CLAIM")
        row = next(linked, "ROW")
    return f"./spark-submit.sh explain --output {output}/runs --run-id demo --source-row-id {row}"


if __name__ == "__main__":
    main(demo)
