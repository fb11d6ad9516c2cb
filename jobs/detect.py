"""Finds claims and invoice lines that look duplicated or ineligible, and writes every output of a run."""

from __future__ import annotations

from jobs.common import (
    DEFAULT_CONFIG,
    AsOf,
    Config,
    Engine,
    Input,
    KnownUnusual,
    Model,
    Output,
    Overwrite,
    Redacted,
    Resume,
    RunId,
    Set,
    main,
    session_of,
    settings_of,
)


def detect(
    config: Config = DEFAULT_CONFIG,
    input: Input = None,
    output: Output = None,
    as_of: AsOf = None,
    run_id: RunId = None,
    set: Set = None,
    engine: Engine = None,
    redacted: Redacted = False,
    model: Model = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    known_unusual: KnownUnusual = None,
) -> None:
    """The main job: read, prepare, link, facts, screen, score, rules, findings and all outputs.

    Example: ./spark-submit.sh detect --input claims/2026Q1 --output runs --as-of 2026-04-30
    """
    settings = settings_of(config, input, output, as_of, set, engine, redacted)
    from engine import pipeline
    from engine.runs import RunOptions

    spark = session_of("detect", settings, run_id if resume else None)
    published = pipeline.detect(spark, settings, RunOptions(run_id, model, resume, overwrite, known_unusual), print)
    print(f"\nfindings   {published.findings}\nworkbook   {published.workbooks}\nreport     {published.report}")
    print(f"summary    {published.summary}\nMLflow     {published.mlflow}")


if __name__ == "__main__":
    main(detect)
