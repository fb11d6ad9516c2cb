"""Writes claim feeds and reference tables with planted violations and the truth about them."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.common import DEFAULT_CONFIG, Config, Engine, Set, main, session_of, settings_of


def synthesize(
    output: Annotated[str, typer.Option("--output", help="Folder to write the tables to.")],
    claims: Annotated[int, typer.Option("--claims", min=1, help="How many dispenses.")] = 100_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed writes the same tables.")] = 1,
    config: Config = DEFAULT_CONFIG,
    set: Set = None,
    engine: Engine = None,
) -> None:
    """Generated claims: no real patient, price or pharmacy is in them.

    Example: ./spark-submit.sh synthesize --claims 50000 --output claims/generated
    """
    settings = settings_of(config, None, None, None, set, engine)
    from engine.runtime.storage import storage_of
    from synthetic import synthesize as write_tables

    spark = session_of("synthesize", settings)
    for table, rows in write_tables(spark, storage_of(spark), settings.synthetic, claims, seed, output).items():
        print(f"{table:<24}{rows:>12,} {'row' if rows == 1 else 'rows'}")


if __name__ == "__main__":
    main(synthesize)
