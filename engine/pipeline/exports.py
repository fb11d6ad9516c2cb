"""Step exports: every output of the contract, and the database."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine import exports, models, rules
from engine.contracts.codes import Step
from engine.errors import counted
from engine.pipeline.database import check_lengths, write_published
from engine.pipeline.kept import keep_rows
from engine.pipeline.outputs import Outputs, write_outputs
from engine.pipeline.overview import overview_of
from engine.pipeline.reviewing import write_review
from engine.pipeline.stages import Findings, Flagged, Inputs, Linked, Published
from engine.pipeline.summary import summary_of
from engine.pipeline.tags import run_tags
from engine.redaction import masked
from engine.runs import Run, code_version
from engine.runtime.storage import join
from engine.tracking import Tracker


def publish(
    run: Run,
    tracker: Tracker,
    inputs: Inputs,
    linked: Linked,
    flagged: Flagged,
    findings: Findings,
    sent: DataFrame,
) -> Published:
    """Write all outputs, then make the run visible as a whole. `sent`: see `submissions`."""
    settings, folder = run.settings, run.folders.outputs
    with run.progress.step(Step.EXPORTS) as words:
        outputs = write_outputs(run, linked, flagged, findings, sent)
        about = _about_run(run, inputs, linked, flagged, findings, outputs)
        review = _write_review(run, linked, findings, outputs, about)
        words += _in_words(outputs, review)
        tracker.log_detection(
            f"detect {settings.today} {run.run_id}",
            _metrics(flagged, outputs),
            run_tags(run, inputs.tables) | _model_tags(flagged) | {"queue_order": findings.order.in_words},
            description=_about(about, outputs),
        )
    _enter(run, linked, flagged, outputs)
    exports.write_json(run.storage, join(folder, "ledger.json"), run.ledger.tables)
    if linked.report is not None:
        exports.write_json(run.storage, join(folder, "linking.json"), linked.report.learned)
        exports.write_match_rates(linked.report.match_rates, run.storage, join(folder, "match_rates.csv"))
    summary = summary_of(run, inputs, linked, flagged, findings, outputs)
    exports.write_json(run.storage, join(folder, "summary.json"), summary)
    if settings.output.connection is not None:
        check_lengths(run, summary)
    if settings.output.keep_rows:
        keep_rows(run, linked)
    run.publish()
    if settings.output.connection is not None:
        write_published(run)
    place = run.folders.final
    workbooks = " ".join(join(place, "review", name) for name in review if name.endswith(".xlsx"))
    places = (join(place, "findings"), workbooks, join(place, "report.html"), join(place, "summary.json"))
    return Published(*map(masked, (*places, tracker.tracking_uri)))


def _about_run(
    run: Run, inputs: Inputs, linked: Linked, flagged: Flagged, findings: Findings, outputs: Outputs
) -> exports.RunFacts:
    """The facts about the run that its review files show."""
    settings = run.settings
    return exports.RunFacts(
        run_id=run.run_id,
        as_of=settings.today,
        ledger=run.ledger.tables,
        rule_titles=rules.rule_titles(),
        code_texts={code.code: code.text for code in rules.dispute_codes(settings.reference_folder)},
        models={
            table: f"{scores.name} version {scores.version} ({scores.model.detector}), {scores.flags.flagged:,} of "
            f"{scores.flags.tested:,} unusual: {models.in_words(settings.model.flags)}"
            for table, scores in flagged.by_model.items()
        },
        off=outputs.off,
        notes=run.progress.notes,
        seconds=run.progress.seconds,
        about={
            "Configuration": settings.config_hash[:12],
            "Code": code_version(),
            "Order of findings": findings.order.in_words,
        },
        inputs={name: table.fingerprint for name, table in inputs.tables.items()},
        quarantined=outputs.quarantined,
        linking=linked.report,
    )


def _write_review(run: Run, linked: Linked, findings: Findings, outputs: Outputs, about: exports.RunFacts) -> list[str]:
    """Write the review files and the report, and the data they are made from; returns the file names in `review/`."""
    folder, totals = run.folders.outputs, outputs.totals
    known = exports.ReviewFacts(
        run=about,
        overview=overview_of(run, linked.prepared, findings.rows, totals),
        lines_held=outputs.tables.lines_held,
        lines_sent_before=outputs.tables.lines_sent_before,
    )
    exports.write_facts(known, run.storage, folder)
    return write_review(run.storage, run.settings, folder, findings.rows, outputs.drafts, totals, known, outputs.tables)


def _in_words(outputs: Outputs, review: list[str]) -> list[str]:
    """The phrases of the step's progress line."""
    drafts, posted = outputs.drafts, outputs.posted
    words = [f"{counted(drafts.drafted, 'dispute line', 'dispute lines')} drafted, {', '.join(review)}, report.html"]
    words += [drafts.forms.in_words] if drafts.forms is not None else []
    return words + ([counted(posted.rows, "position", "positions")] if posted is not None else [])


def _enter(run: Run, linked: Linked, flagged: Flagged, outputs: Outputs) -> None:
    """Record the step in the ledger: the findings that were added up, and the counts of other tables."""
    counted = {} if outputs.posted is None else outputs.posted.counted
    for flagged_subject in flagged.subjects:
        rows = run.ledger.rows_out(flagged_subject.table)
        run.ledger.record(flagged_subject.table, Step.EXPORTS, rows, rows, counted=counted.get(flagged_subject.table))
    for name in counted.keys() - {flagged_subject.table for flagged_subject in flagged.subjects}:
        rows = linked.references[name].count()
        run.ledger.record(name, Step.EXPORTS, run.ledger.rows_out(name), rows, counted=counted[name])


def _metrics(flagged: Flagged, outputs: Outputs) -> dict[str, float]:
    drift = {
        f"{table}_psi_max": max(scores.drift.values()) for table, scores in flagged.by_model.items() if scores.drift
    }
    totals, drafted = outputs.totals, float(outputs.drafts.drafted)
    by_evidence = {f"findings_{name.lower()}": float(count) for name, count in totals.counts("evidence").items()}
    return {"findings": float(totals.findings), "dispute_lines": drafted, **by_evidence, **drift}


def _about(about: exports.RunFacts, outputs: Outputs) -> str:
    """Markdown for MLflow: number of findings, and the models that scored each table. Counts only, no dollars."""
    totals = outputs.totals
    classes = ", ".join(f"{count:,} {name}" for name, count in totals.counts("evidence").items())
    drafted = counted(outputs.drafts.drafted, "dispute line", "dispute lines")
    lines = [
        f"# Main job of {about.as_of}, run {about.run_id}",
        "",
        f"{counted(totals.findings, 'finding', 'findings')} ({classes}), {drafted} drafted.",
        "",
        *(f"- {table}: {model}" for table, model in about.models.items()),
    ]
    return "\n".join(lines) + "\n"


def _model_tags(flagged: Flagged) -> dict[str, str]:
    return {f"model.{table}": scores.origin for table, scores in flagged.by_model.items()}
