"""Generates claims, trains on them and runs the main job: a first look in one command."""

from __future__ import annotations

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
    detect(DEFAULT_CONFIG, tables, f"{output}/runs", AS_OF, run_id="demo", set=COMPLETE, overwrite=True, engine=engine)


if __name__ == "__main__":
    main(demo)
