"""findings -> exports: every output of the contract, and the database."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import exports, facts, findings, models, rules
from engine.contracts.codes import Step
from engine.contracts.tables import SUBJECT_FEEDS
from engine.errors import ConfigurationError, OutputError, Problem
from engine.pipeline.drafting import (
    LINES_FOLDER,
    TIE_OUT_FOLDER,
    offered_lines,
    review_tables,
    run_tables,
    write_cases,
    write_queue,
)
from engine.pipeline.entity_shares import blanket_disputes, write_claims_of_entities
from engine.pipeline.finished_runs import finished_run
from engine.pipeline.forms import EVIDENCE_FOLDER
from engine.pipeline.handed_on import Judged, Prepared, run_tags
from engine.pipeline.kept import keep_rows
from engine.pipeline.overview import overview_of
from engine.pipeline.positions import Posted, post_positions
from engine.pipeline.preparing import LEFT_ORDERLY
from engine.pipeline.reranking import QueueOrder
from engine.pipeline.reviewing import DETAILS_FOLDER, Drafts, issue_keys, write_drafts, write_review
from engine.redaction import masked
from engine.run import Run, code_version, run_facts
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import Settings
from engine.sources import WorkFolder
from engine.tracking import Tracker


@dataclass(frozen=True)
class Published:
    """Where the outputs of a finished run are, without credentials."""

    findings: str
    workbooks: str
    report: str
    summary: str
    mlflow: str


def publish(
    run: Run,
    work: WorkFolder,
    tracker: Tracker,
    prepared: Prepared,
    judged: list[Judged],
    found: DataFrame,
    order: QueueOrder,
    off: list[exports.Off],
    sent: DataFrame,
) -> Published:
    """`sent`: see `submissions`."""
    storage, settings, folder = run.storage, run.settings, run.folder
    off = [*off, *(exports.Off("feature", name, why) for name, why in facts.off_features(prepared.available).items())]
    with run.step(Step.EXPORTS) as words:
        quarantined = _write_quarantine(run, prepared)
        listed = settings.report.findings
        totals = exports.add_up(found, settings.today, listed)
        flagged_rows = sum(run.ledger.rows_out(SUBJECT_FEEDS[one.subject]) for one in judged)
        run.ledger.check("all tables", Step.EXPORTS, "findings added up", totals.findings, flagged_rows)
        posted = post_positions(run, work, prepared, found)
        codes = rules.dispute_codes(settings.reference_folder)
        tie_out = None if posted is None else posted.tie_out
        offered = offered_lines(found, tie_out, sent, codes, settings, work)
        exports.write_dispute_lines(offered.lines, join(folder, LINES_FOLDER))
        if offered.tie_out is not None:
            exports.write_tie_out(offered.tie_out, join(folder, TIE_OUT_FOLDER))
        write_queue(run, work, found, write_cases(run, work, prepared, found, sent, offered.red), offered.red)
        tables = review_tables(run.spark, storage, folder, offered.held, offered.sent_before)
        _write_evidence(run, prepared, found)
        _write_details(run, prepared, found)
        drafts = write_drafts(run.spark, storage, settings, folder, found, offered.lines, _available(prepared))
        _warn_of_blanket_disputes(run, prepared, drafts.lines)
        for note in drafts.notes:
            run.note(note)
        facts_of_run = exports.RunFacts(
            run_id=run.run_id,
            as_of=settings.today,
            ledger=run.ledger.tables,
            rule_titles=rules.rule_titles(),
            code_texts={code.code: code.text for code in codes},
            models={
                SUBJECT_FEEDS[one.subject]: f"{one.model_name} version {one.model_version} ({one.model.detector}), "
                f"{one.flags.flagged:,} of {one.flags.tested:,} unusual: {models.in_words(run.settings.model.flags)}"
                for one in judged
                if one.model and one.flags
            },
            off=off,
            notes=run.notes,
            seconds=run.seconds,
            about={
                "Configuration": settings.config_hash[:12],
                "Code": code_version(),
                "Order of findings": order.in_words,
            },
            inputs={name: table.fingerprint for name, table in prepared.opened.items()},
            quarantined=quarantined,
            linking=prepared.linking,
        )
        known = exports.ReviewFacts(
            run=facts_of_run,
            overview=overview_of(run, prepared, found, totals),
            lines_held=offered.held,
            lines_sent_before=offered.sent_before,
        )
        exports.write_facts(known, storage, folder)
        review = write_review(storage, settings, folder, found, drafts, totals, known, tables)
        drafted = drafts.drafted
        words.append(f"{drafted:,} dispute lines drafted, {', '.join(review)}, report.html")
        words += [drafts.forms.in_words] if drafts.forms is not None else []
        if posted is not None:
            words.append(f"{posted.rows:,} positions")
        tracker.log_detection(
            f"detect {settings.today} {run.run_id}",
            _detection_metrics(totals, drafted, judged),
            run_tags(run, prepared) | _model_tags(judged) | {"queue_order": order.in_words},
            description=_about(facts_of_run, totals, drafted),
        )
    counted = posted.counted if posted is not None else {}
    for name, steps in run.ledger.tables.items():
        if name in SUBJECT_FEEDS.values() or name in counted:
            rows = steps[-1]["rows_out"]
            run.ledger.record(name, Step.EXPORTS, rows, rows, counted=counted.get(name))
    exports.write_json(storage, join(folder, "ledger.json"), run.ledger.tables)
    if prepared.linking is not None:
        exports.write_json(storage, join(folder, "linking.json"), prepared.linking.learned)
        exports.write_match_rates(prepared.linking.match_rates, storage, join(folder, "match_rates.csv"))
    summary = _summary(run, prepared, judged, totals, drafts, posted, order, off, tables)
    exports.write_json(storage, join(folder, "summary.json"), summary)
    if settings.output.connection is not None:
        _check_lengths(run, summary)
    if settings.output.keep_rows:
        keep_rows(run, prepared)
    run.publish()
    if settings.output.connection is not None:
        try:
            run.say(export_to_database(run.spark, settings, run.run_id))
        except OutputError as error:
            finished = Problem(
                "the run itself is finished, only the database lacks it",
                run.final,
                to_do="fix the problem above, then run "
                + settings.command("export", "--run-id", run.run_id, "--to-database"),
            )
            raise OutputError([*error.problems, finished]) from None
    place = run.final
    places = (
        join(place, "findings"),
        " ".join(join(place, "review", name) for name in review if name.endswith(".xlsx")),
        join(place, "report.html"),
        join(place, "summary.json"),
        tracker.tracking_uri,
    )
    return Published(*map(masked, places))


def _write_evidence(run: Run, prepared: Prepared, found: DataFrame) -> None:
    """Keep the rows that documents of dispute codes consist of, for the evidence sheet of final forms."""
    if prepared.claims is None:
        return
    other_lines = prepared.claims.among(findings.evidence_ids(found))
    rows = findings.evidence_rows(found, other_lines, prepared.entity_claims)
    exports.write_evidence(rows, join(run.folder, *EVIDENCE_FOLDER))


def _available(prepared: Prepared) -> frozenset[str]:
    """Tables without which there are no forms, as far as they are available."""
    invoices = {"invoices"} if prepared.invoices is not None else set()
    return frozenset(invoices | ({"settlements"} & prepared.references.keys()))


def _warn_of_blanket_disputes(run: Run, prepared: Prepared, lines: DataFrame) -> None:
    if prepared.entity_claims is None:
        return
    claims = write_claims_of_entities(prepared.entity_claims, run.storage, run.folder)
    drafted = lines.where(F.col("entity_id").isNotNull()).groupBy("entity_id").count().collect()
    disputed = {row["entity_id"]: row["count"] for row in drafted}
    for warning in blanket_disputes(disputed, claims, run.settings.disputes):
        run.note(warning)


def _write_details(run: Run, prepared: Prepared, found: DataFrame) -> None:
    """Keep the claims of the findings field by field, with names, for the workbook."""
    claims = None if prepared.claims is None else prepared.claims.among
    details = exports.finding_details(found, claims, prepared.entity_claims, prepared.references)
    exports.write_details(details, join(run.folder, DETAILS_FOLDER))


def _write_quarantine(run: Run, prepared: Prepared) -> dict[str, dict[str, int]]:
    """Writes quarantine/<table> for every table that has quarantined rows; returns rows by table and reason."""
    quarantined: dict[str, dict[str, int]] = {}
    for name, rows in prepared.quarantine.items():
        reasons = rows.select(F.explode("reasons").alias("reason")).groupBy("reason").count().collect()
        if reasons:
            exports.write_quarantine(rows, join(run.folder, "quarantine", name))
            quarantined[name] = {row["reason"]: row["count"] for row in sorted(reasons)}
    run.storage.make_folder(join(run.folder, "quarantine"))
    return quarantined


def _summary(
    run: Run,
    prepared: Prepared,
    judged: list[Judged],
    totals: exports.Totals,
    drafts: Drafts,
    posted: Posted | None,
    order: QueueOrder,
    off: list[exports.Off],
    tables: exports.ReviewTables,
) -> dict[str, object]:
    ledger, root = run.ledger.tables, run.settings.input.root

    def dropped_while_preparing(name: str) -> dict[str, int]:
        return next((entry["dropped"] for entry in ledger[name] if entry["step"] == Step.PREPARE.value), {})

    quarantined = {
        name: sum(rows for reason, rows in dropped_while_preparing(name).items() if reason not in LEFT_ORDERLY)
        for name in ledger
    }
    return {
        **run_facts(run),
        "input": {
            name: {"fingerprint": table.fingerprint, "location": masked(table.location)}
            for name, table in prepared.opened.items()
        },
        "input_not_read": run.unread,
        "models": {
            SUBJECT_FEEDS[one.subject]: {
                "name": one.model_name,
                "version": one.model_version,
                "detector": one.model.detector,
                "rows_judged": one.flags.tested,
                "rows_flagged": one.flags.flagged,
                "flagged_by": models.in_words(run.settings.model.flags),
                "drift": dict(sorted(one.drift.items())),
            }
            for one in judged
            if one.model and one.flags
        },
        "groups": {
            SUBJECT_FEEDS[one.subject]: {"months_judged": one.groups.tested, "months_flagged": one.groups.flagged}
            for one in judged
            if one.groups is not None
        },
        "queue_order": order.as_json,
        "input_root": None if root is None else masked(run.storage.real_location(root)),
        "settings": run.settings.result_settings,
        "reference_files": run.settings.reference_digests,
        "counts": {
            "received": {name: entries[0]["rows_in"] for name, entries in ledger.items()},
            "quarantined": {name: rows for name, rows in quarantined.items() if rows},
            "findings": totals.findings,
            "dismissed": totals.dismissed,
            "findings_by_evidence": totals.counts("evidence"),
            "findings_by_rule": totals.counts("rule"),
            "at_issue": totals.at_issue(),
            "dispute_lines": drafts.drafted,
            "dispute_lines_held": tables.lines_held,
            "dispute_lines_sent_before": tables.lines_sent_before,
            "tie_out": tables.colors,
            "cases": tables.cases_by_status,
            "queue": tables.queue_counts,
            "forms": None if drafts.forms is None else {"rosi": drafts.forms.rosi, "pqas": drafts.forms.pqas},
            "positions": None if posted is None else {"units": posted.units, "not_booked": posted.counted},
        },
        "thresholds": {
            f"{rule} on {table}": values
            for subject, table in SUBJECT_FEEDS.items()
            for rule, values in rules.thresholds_in_force(run.settings, subject).items()
        },
        "rule_versions": {
            f"{rule} on {table}": version
            for subject, table in SUBJECT_FEEDS.items()
            for rule, version in rules.rule_versions(subject).items()
        },
        "rules_off": {one.name: one.why for one in off if one.kind == "rule"},
        "guards_off": {one.name: one.why for one in off if one.kind == "guard"},
        "features_off": {one.name: one.why for one in off if one.kind == "feature"},
        "match_rates": exports.match_rate_summary(prepared.linking) if prepared.linking is not None else None,
        "notes": run.notes,
        "seconds": run.seconds,
    }


def _detection_metrics(totals: exports.Totals, drafted: int, judged: list[Judged]) -> dict[str, float]:
    drift = {f"{SUBJECT_FEEDS[one.subject]}_psi_max": max(one.drift.values()) for one in judged if one.drift}
    by_evidence = {f"findings_{name.lower()}": float(count) for name, count in totals.counts("evidence").items()}
    return {"findings": float(totals.findings), "dispute_lines": float(drafted), **by_evidence, **drift}


def _about(facts_of_run: exports.RunFacts, totals: exports.Totals, drafted: int) -> str:
    """Markdown, for MLflow: what the run judged by which models. Counts alone, no dollars."""
    classes = ", ".join(f"{count:,} {name}" for name, count in totals.counts("evidence").items())
    lines = [
        f"# Main job of {facts_of_run.as_of}, run {facts_of_run.run_id}",
        "",
        f"{totals.findings:,} findings ({classes}), {drafted:,} dispute lines drafted.",
        "",
        *(f"- {table}: {model}" for table, model in facts_of_run.models.items()),
    ]
    return "\n".join(lines) + "\n"


def _model_tags(judged: list[Judged]) -> dict[str, str]:
    return {
        f"model.{SUBJECT_FEEDS[one.subject]}": f"{one.model_name}/{one.model_version}" for one in judged if one.model
    }


def _check_lengths(run: Run, summary: dict[str, object]) -> None:
    """Raise OutputError, before anything is published, for values that do not fit their columns in the database."""
    settings, name = run.settings, str(run.settings.output.connection)
    try:
        tables = run_tables(run.spark, run.storage, run.folder)
        exports.check_lengths(tables, summary, name, settings.databases[name], settings.output.database_schema)
    except OutputError as error:
        resumed = Problem(
            "the run is not published; its work is kept",
            run.work,
            to_do="widen the columns, then resume: "
            + settings.command("detect", "--run-id", run.run_id, "--as-of", f"{settings.today}", "--resume"),
        )
        raise OutputError([*error.problems, resumed]) from None


def check_tickets(storage: Storage, settings: Settings) -> None:
    """Check that the file of issue keys, if one is named, can be read. Raises InputError, OutputError."""
    issue_keys(storage, settings)


def check_database(settings: Settings, run_id: str | None) -> None:
    """Check that `output.connection`, if there is one, can take a run. Raises OutputError."""
    name, schema = settings.output.connection, settings.output.database_schema
    if name is not None:
        create = settings.command("create_tables")
        exports.check_tables(name, settings.databases[name], schema, create, run_id or "")


def export_to_database(spark: SparkSession, settings: Settings, run_id: str) -> str:
    """Write the rows of a finished run to `output.connection`; returns in words what it wrote.

    Raises OutputError where there is no such run or the database refuses, ConfigurationError where the settings are
    not those that the run was made with.
    """
    storage, name, schema = storage_of(spark), settings.output.connection, settings.output.database_schema
    if name is None:
        raise ConfigurationError(
            Problem("no database is named to write to", "output.connection", to_do="name one of `databases`")
        )
    folder, summary, _ = finished_run(storage, settings, run_id)
    tables = run_tables(spark, storage, folder)
    create = settings.command("create_tables")
    exports.check_lengths(tables, summary, name, settings.databases[name], schema)
    exports.write_to_database(tables, summary, name, settings.databases[name], schema, create)
    counts = summary["counts"]
    return (
        f"database   {name}: {schema}.engine_findings {counts['findings']:,} rows, "
        f"{schema}.engine_dispute_lines {counts['dispute_lines']:,} rows, their cases, positions and tie-out"
    )
