"""Fits the anomaly models on a sample and the re-ranker on reviews; evaluates and registers a version of each."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.common import (
    DEFAULT_CONFIG,
    AsOf,
    Config,
    Engine,
    Input,
    KnownUnusual,
    Output,
    RunId,
    Set,
    main,
    session_of,
    settings_of,
)


def train(
    config: Config = DEFAULT_CONFIG,
    input: Input = None,
    output: Output = None,
    as_of: AsOf = None,
    run_id: RunId = None,
    set: Set = None,
    engine: Engine = None,
    known_unusual: KnownUnusual = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Every detector of model.detectors, on the same rows.")
    ] = False,
) -> None:
    """Features, fit, evaluate, log to MLflow, register a model version.

    Example: ./spark-submit.sh train --input claims/2026Q1 --compare
    """
    settings = settings_of(config, input, output, as_of, set, engine)
    from engine import pipeline
    from engine.runs import RunOptions

    spark = session_of("train", settings)
    for trained in pipeline.train(spark, settings, RunOptions(run_id, known_unusual=known_unusual), print, compare):
        print(f"registered {trained}")


if __name__ == "__main__":
    main(train)
