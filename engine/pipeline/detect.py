"""The main job on one page: one line per step, and each step in the module with its name."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import SparkSession

from engine.pipeline.database import check_database
from engine.pipeline.drafting import submissions
from engine.pipeline.exports import publish
from engine.pipeline.facts import describe
from engine.pipeline.findings import assemble_findings
from engine.pipeline.job import job_run
from engine.pipeline.link import link_claims
from engine.pipeline.model_versions import check_model_option, choose_model_versions
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import read_tables
from engine.pipeline.reranking import queue_order
from engine.pipeline.reviewing import check_tickets
from engine.pipeline.rules import apply_rules
from engine.pipeline.score import score
from engine.pipeline.screen import screen
from engine.pipeline.stages import Published
from engine.pipeline.training import check_known_unusual
from engine.runs import RunOptions
from engine.runtime.storage import storage_of
from engine.settings import Settings
from engine.tracking import Tracker


def detect(spark: SparkSession, settings: Settings, options: RunOptions, say: Callable[[str], None]) -> Published:
    """Run the main job and publish either every output of the contract or none. Raises UserError for errors the user
    can fix.
    """
    tracker = Tracker(settings.mlflow, settings.output.root)
    check_database(settings, options.run_id)
    check_tickets(storage_of(spark), settings)
    check_known_unusual(storage_of(spark), options)
    tracker.check()
    check_model_option(tracker, settings, options.model)
    with job_run(spark, settings, options, say, can_resume=True) as run:
        versions = choose_model_versions(run, tracker)
        sent = submissions(spark, run.storage, settings, run.settings.today)
        inputs = read_tables(run, versions.origins)
        prepared = prepare_tables(run, inputs)
        linked = link_claims(run, prepared)
        described = describe(run, linked)
        screened = screen(run, linked, described)
        order = queue_order(run, tracker, versions)
        scored = score(run, tracker, versions, linked, screened)
        flagged = apply_rules(run, linked, scored)
        findings = assemble_findings(run, linked, flagged, order)
        return publish(run, tracker, inputs, linked, flagged, findings, sent)
