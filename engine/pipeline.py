"""The way of a claim, from sources to exports: the main job and training on one page.

    sources -> prepare -> link -> facts -> screen -> scores -> rules -> findings -> exports

Each arrow is a DataFrame in the run's work folder. A row that leaves the way is counted in the ledger with its reason.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import reduce
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import exports, facts, findings, link, models, prepare, rules, sources
from engine.contracts.codes import Reason, Step, Subject
from engine.contracts.findings import FINDINGS
from engine.contracts.prepared import BEYOND_LINE_NAME
from engine.contracts.tables import FEEDS, SUBJECT_FEEDS
from engine.errors import ConfigurationError, InputError, OutputError, Problem
from engine.run import Run, RunOptions, check_resumable, code_version, open_run, published_runs, run_facts
from engine.settings import ModelSettings, PeerSettings, Settings
from engine.sources import OpenedTable, WorkFolder
from engine.storage import SUCCESS_MARKER, Storage, join
from engine.tracking import Tracker, comparison_tags

if TYPE_CHECKING:
    import pandas as pd

FEED_NAMES = frozenset(table.name for table in FEEDS)
# Reasons for leaving while preparing that are no quarantine.
_LEFT_ORDERLY = {
    reason.value
    for reason in (
        Reason.AFTER_AS_OF,
        Reason.REDELIVERED,
        Reason.VOID_TRANSACTION,
        Reason.VOIDED,
        Reason.REPLACED,
        Reason.REVERSAL_TRANSACTION,
        Reason.REVERSED,
        Reason.NOT_340B,
    )
}
# Reasons that netting finds, so that what the row was when it was received has to be looked up.
_IN_CONFLICT = {Reason.SOURCE_ROW_ID_DUPLICATE.value, Reason.KEY_DUPLICATE.value}
_MOST_PROBLEMS_NOTED = 5
# The anomaly model learns from what payers ask for; 340B claims are judged by rules alone.
_SCORED = (Subject.REBATE_CLAIM, Subject.INVOICE)
_SHORT_NAMES = {Subject.REBATE_CLAIM: "claims", Subject.INVOICE: "invoices"}


@dataclass(frozen=True)
class LiveClaims:
    """Live rebate claims: all, and those whose source_row_id is in a few rows, found before the wide rows are made.

    unconverted: all, HCPCS units left as they are, which is cheaper to look through.
    """

    all: DataFrame
    among: Callable[[DataFrame], DataFrame]
    unconverted: DataFrame


@dataclass
class Prepared:
    """Live rows of the feeds (None where a feed is missing), conformed references, and what was set aside."""

    opened: dict[str, OpenedTable]
    references: dict[str, DataFrame] = field(default_factory=dict)
    claims: LiveClaims | None = None
    dispenses: DataFrame | None = None
    entity_claims: DataFrame | None = None
    invoices: DataFrame | None = None
    quarantine: dict[str, DataFrame] = field(default_factory=dict)
    found_out: frozenset[str] = frozenset()
    linking: exports.Linking | None = None

    @property
    def available(self) -> frozenset[str]:
        """`table` and `table.column` of all that the input holds, or that was found out from it; `table.complete`."""
        return (
            self.found_out
            | frozenset(self.opened)
            | {f"{name}.complete" for name, table in self.opened.items() if table.complete}
            | {f"{name}.{column}" for name, table in self.opened.items() for column in table.columns}
        )

    @property
    def inflation_reports(self) -> DataFrame | None:
        reports = self.references.get("inflation_reports")
        return None if reports is None else facts.named_reports(reports)


@dataclass(frozen=True)
class Judged:
    """A subject's facts with z-scores, what is usual among peers (None: it is not scored), and from scoring on
    its model, scores and which of them are unusual.

    facts: of every row, what conditions and models read. described: of few of them, given with their ids, all facts.
    """

    subject: Subject
    facts: DataFrame
    peers: DataFrame | None
    described: Callable[[DataFrame, DataFrame], DataFrame]
    model: models.AnomalyModel | None = None
    model_name: str | None = None
    model_version: str | None = None
    scores: DataFrame | None = None
    flags: models.Flags | None = None


@dataclass(frozen=True)
class Published:
    """Where the outputs of a finished run are."""

    findings: str
    workbooks: str
    report: str
    summary: str
    mlflow: str


@dataclass(frozen=True)
class Compared:
    """Findings that two runs do not have alike, with `causes`, and where they are.

    differ: what differs between the runs in words.
    """

    differ: findings.Differences
    changes: list[dict[str, Any]]
    data: str
    table: str


@dataclass(frozen=True)
class Explained:
    """The candidate pairs of one claim as rows of CANDIDATE_PAIRS, best first, each rule's answer, and where all that
    and a picture of the pairs are.

    answers: rule_id, title, answer (FIRED, SUPPRESSED, NOT_MET, OFF), message, and for rules that are on guards and
    unknown_facts. picture: None where no claim met the asked one.
    """

    subject: Subject
    pairs: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    data: str
    picture: str | None


def detect(spark: SparkSession, settings: Settings, options: RunOptions, say: Callable[[str], None]) -> Published:
    """The main job: every output of the contract, whole or not at all. Raises UserError for what a user can mend."""
    tracker = Tracker(settings.mlflow, settings.output.root)
    with _way(spark, settings, options, say) as (run, work):
        prepared = _prepare(run, work, _read(run))
        judged = _facts(run, work, prepared, _link(run, work, prepared))
        screened = _screen(run, work, prepared, judged)
        judged = _score(run, work, tracker, prepared, judged, screened)
        flagged, off = _rules(run, work, prepared, judged, screened)
        found = _findings(run, flagged, prepared, judged)
        return _exports(run, tracker, prepared, judged, found, off)


def train(
    spark: SparkSession,
    settings: Settings,
    options: RunOptions,
    say: Callable[[str], None],
    compare_detectors: bool = False,
) -> list[str]:
    """Fit, evaluate and register a model version per subject that has rows enough; returns their names.

    `compare_detectors`: one per detector of the settings, all on the same rows, in an experiment of the subject's own.
    """
    tracker = Tracker(settings.mlflow, settings.output.root)
    trained = []
    with _way(spark, settings, options, say) as (run, work):
        prepared = _prepare(run, work, _read(run))
        judged = _facts(run, work, prepared, _link(run, work, prepared))
        learning = [one for one in judged if one.subject in _SCORED]
        screened = _screen(run, work, prepared, learning)
        for one in learning:
            lesson = _lesson(run, tracker, prepared, one, screened[one.subject])
            name, configured = _model_name(settings, one.subject), settings.model.of(one.subject).detector
            others = [name for name in settings.model.detectors if name != configured] if compare_detectors else []
            experiment = f"{name} detectors" if compare_detectors else None
            for detector in (configured, *others):
                chosen = settings.model.using(one.subject, detector)
                trained.append(_learned(run, work, tracker, prepared, one, lesson, chosen, experiment))
        run.abandon()
    return [
        f"{one.model_name} version {one.model_version} ({one.model.detector})"
        for one in trained
        if one.model is not None
    ]


def export_to_database(spark: SparkSession, settings: Settings, run_id: str) -> str:
    """Write the findings and dispute lines of a finished run to `output.connection`; returns in words what it wrote.

    Raises OutputError where there is no such run or the database refuses, ConfigurationError where the settings are
    not those that the run was made with.
    """
    storage, name, schema = Storage(spark), settings.output.connection, settings.output.database_schema
    if name is None:
        raise ConfigurationError(
            Problem("no database is named to write to", "output.connection", to_do="name one of `databases`")
        )
    folder, summary, as_then = _finished_run(storage, settings, run_id)
    found = spark.read.schema(FINDINGS).parquet(join(folder, "findings"))
    lines = findings.dispute_lines(found, rules.dispute_codes(settings.reference_folder), as_then)
    exports.write_to_database(found, lines, summary, name, settings.databases[name], schema)
    counts = summary["counts"]
    return (
        f"database   {name}: {schema}.engine_findings {counts['findings']:,} rows, "
        f"{schema}.engine_dispute_lines {counts['dispute_lines']:,} rows"
    )


def explain(spark: SparkSession, settings: Settings, run_id: str, source_row_id: str) -> Explained:
    """How the links of a claim came about in a finished run, and what each rule says of a claim or an invoice line.

    The input is read, prepared, linked and described once more, as of the run's day; the run's folder stays as it is.
    Raises OutputError where there is no such run, ConfigurationError where the settings are not the run's, InputError
    where the input is not, or holds no such live row.
    """
    storage = Storage(spark)
    folder, summary, as_then = _finished_run(storage, settings, run_id)
    linking = join(folder, "linking.json")
    learned = link.Learned.from_json(json.loads(storage.read_bytes(linking))) if storage.exists(linking) else None
    own_id = f"explain-{uuid4().hex[:12]}"
    with _way(spark, as_then, RunOptions(own_id), lambda _: None) as (run, work):
        try:
            opened = _read(run)
            _check_same_input(opened, summary["input"])
            prepared = _prepare(run, work, opened)
            subject = _subject_of(prepared, source_row_id)
            pairs = (
                [] if learned is None else _candidate_pairs(work, prepared, subject, source_row_id, learned, as_then)
            )
            answers = _rule_answers(run, work, prepared, subject, source_row_id)
        finally:
            run.abandon()
    place = join(settings.output.root, "explain", run_id, _file_name(source_row_id))
    told = {"run_id": run_id, "source_row_id": source_row_id, "subject": subject, "pairs": pairs, "rules": answers}
    exports.write_json(storage, f"{place}.json", told)
    if pairs:
        kind = "340B claim" if subject is Subject.ENTITY_CLAIM else "rebate claim"
        figure = exports.waterfall_figure(f"Links of {kind} {source_row_id}, run {run_id}", pairs)
        exports.write_figure(figure, storage, f"{place}.png")
    return Explained(subject, pairs, answers, f"{place}.json", f"{place}.png" if pairs else None)


def _subject_of(prepared: Prepared, source_row_id: str) -> Subject:
    rows = {
        Subject.REBATE_CLAIM: None if prepared.claims is None else prepared.claims.unconverted,
        Subject.ENTITY_CLAIM: prepared.entity_claims,
        Subject.INVOICE: prepared.invoices,
        Subject.INFLATION_REPORT: prepared.inflation_reports,
    }
    for subject, live in rows.items():
        if live is not None and not live.where(_is_named(source_row_id)).isEmpty():
            return subject
    raise InputError(
        Problem(
            "no live rebate claim, 340B claim, invoice line or report has this source_row_id",
            f"--source-row-id {source_row_id}",
            to_do="mend the id; a row that was voided, replaced, reversed or set aside is never linked nor judged, "
            "see ledger.json and quarantine/ of the run",
        )
    )


def _is_named(source_row_id: str) -> Column:
    return F.substring_index("source_row_id", BEYOND_LINE_NAME, 1) == source_row_id


def _rule_answers(
    run: Run, work: WorkFolder, prepared: Prepared, subject: Subject, source_row_id: str
) -> list[dict[str, Any]]:
    """What each rule says of one row, by rule id: answer, guards, message, facts that the rule reads and the row lacks;
    and why rules are off. The model is not asked again: its answer stands in the finding, if it had one."""
    judged = _facts(run, work, prepared, _link(run, work, prepared))
    one = next(one for one in judged if one.subject is subject)
    asked = one.facts.where(_is_named(source_row_id))
    # written, since all rules over a plan of all facts need more memory than a driver may have
    whole = work.write("explain/facts", one.described(asked, asked.select("source_row_id")))
    whole = whole.withColumns({field.name: F.lit(None).cast(field.dataType) for field in rules.SCORE_FACTS})
    active = rules.active_rules(run.settings, prepared.available, subject, run.settings.today)
    titles = rules.rule_titles()
    with _operators_compiled_apart(run.spark):
        answers = [row.asDict(recursive=True) for row in rules.rule_answers(whole, active, run.settings).collect()]
    answers += [{"rule_id": rule_id, "answer": "OFF", "message": why} for rule_id, why in active.off.items()]
    return sorted(
        ({"title": titles[answer["rule_id"]], **answer} for answer in answers), key=lambda answer: answer["rule_id"]
    )


def compare(spark: SparkSession, settings: Settings, run_id: str, other_id: str) -> Compared:
    """What run `run_id` has found otherwise than run `other_id` below the output folder, and what may have caused it.

    Raises OutputError where one of them is no finished run.
    """
    storage = Storage(spark)
    (after, new), (before, old) = (_published(storage, settings, name) for name in (run_id, other_id))
    old_found, new_found = (spark.read.schema(FINDINGS).parquet(join(folder, "findings")) for folder in (before, after))
    rows = findings.compare_findings(old_found, new_found)
    differ = findings.differences(old, new)
    changes = [row.asDict(recursive=True) for row in rows.orderBy("change", "subject", "source_row_id").collect()]
    for change in changes:
        change["causes"] = findings.causes(differ, change["subject"], change["rule_ids"])
    place = join(settings.output.root, "compare", f"{run_id}-with-{other_id}")
    exports.write_json(storage, f"{place}.json", {"run_id": run_id, "with": other_id, "changes": changes})
    exports.write_rows(changes, [*rows.columns, "causes"], storage, f"{place}.csv")
    return Compared(differ, changes, f"{place}.json", f"{place}.csv")


def _candidate_pairs(
    work: WorkFolder,
    prepared: Prepared,
    subject: Subject,
    source_row_id: str,
    learned: link.Learned | None,
    settings: Settings,
) -> list[dict[str, Any]]:
    """The row's CANDIDATE_PAIRS: links first, then by tier and score. None where the run linked nothing."""
    if (
        learned is None
        or subject.in_findings is Subject.INVOICE
        or prepared.claims is None
        or prepared.entity_claims is None
    ):
        return []
    if subject is Subject.REBATE_CLAIM:
        asked = link.Asked(rebate_claims=(source_row_id,))
    else:
        asked = link.Asked(entity_claims=(source_row_id,))
    pairs = link.candidate_pairs(
        prepared.claims.all,
        prepared.entity_claims,
        asked,
        learned,
        settings.link,
        lambda name, rows: work.write(f"link/{name}", rows),
        pharmacies=prepared.references.get("pharmacies"),
        products=prepared.references.get("products"),
    )
    found = [row.asDict(recursive=True) for row in pairs.collect()]
    return sorted(
        found,
        key=lambda pair: (
            not pair["link_is_chosen"],
            pair["link_tier"] or "without",
            -pair["link_score"],
            pair["source_row_id"],
            pair["link_source_row_id"],
        ),
    )


def _check_same_input(opened: dict[str, OpenedTable], read_then: dict[str, Any]) -> None:
    changed = [
        Problem(
            f"{name} is not what the run read",
            table.location,
            to_do="give the run's --input; if the table was changed since, run `detect` once more",
        )
        for name, table in opened.items()
        if table.fingerprint != read_then.get(name, {}).get("fingerprint")
    ]
    if changed:
        raise InputError(changed)


def _file_name(source_row_id: str) -> str:
    """The id itself where it can be a file's name; else what can, told apart by a hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", source_row_id)[:100]
    if plain == source_row_id:
        return plain
    return f"{plain}-{hashlib.sha256(source_row_id.encode()).hexdigest()[:8]}"


def _finished_run(storage: Storage, settings: Settings, run_id: str) -> tuple[str, dict[str, Any], Settings]:
    """Folder and summary of a finished run, and the settings as of its day.

    Raises OutputError where there is none, ConfigurationError where the settings are not those it was made with.
    """
    folder, summary = _published(storage, settings, run_id)
    if summary["config_hash"] != settings.config_hash:
        raise ConfigurationError(
            Problem(
                "the settings are not those that the run was made with",
                folder,
                to_do="give the same --config and --set as for the run",
            )
        )
    return folder, summary, settings.model_copy(update={"as_of": date.fromisoformat(summary["as_of"])})


def _published(storage: Storage, settings: Settings, run_id: str) -> tuple[str, dict[str, Any]]:
    """Folder and summary of a finished run. Raises OutputError where there is none."""
    folder = join(settings.output.root, run_id)
    if not storage.exists(join(folder, SUCCESS_MARKER)):
        raise OutputError(Problem("there is no finished run of this id", folder, to_do="mend --run-id or --output"))
    return folder, json.loads(storage.read_bytes(join(folder, "summary.json")))


@contextmanager
def _way(
    spark: SparkSession, settings: Settings, options: RunOptions, say: Callable[[str], None]
) -> Iterator[tuple[Run, WorkFolder]]:
    """The run and its work folder; an input file that turns out unreadable half way is told as one."""
    storage = Storage(spark)
    rules.check_configuration(settings)
    run = open_run(spark, storage, settings, options, say)
    try:
        yield run, WorkFolder(spark, storage, run.work, options.resume)
    except Exception as error:
        unreadable = sources.translate_read_error(error)
        run.abandon(keep_work=unreadable is None)
        if unreadable is None or unreadable is error:
            raise
        raise unreadable from None


def _read(run: Run) -> dict[str, OpenedTable]:
    with run.step(Step.READ) as words:
        opened = sources.open_tables(run.spark, run.storage, run.settings)
        prepare.check_contract(opened)
        check_resumable(run, {name: table.fingerprint for name, table in opened.items()})
        for name, table in opened.items():
            for text in table.notes:
                run.note(text)
            if table.unknown_columns:
                run.note(
                    f"{name}: columns that the contract does not name are ignored: {', '.join(table.unknown_columns)}"
                )
        words.append(f"{len(opened)} tables found")
    return opened


def _prepare(run: Run, work: WorkFolder, opened: dict[str, OpenedTable]) -> Prepared:
    """Conform every table once to the work folder, then net it from there; references first."""
    prepared = Prepared(opened)
    references = [name for name in opened if name not in FEED_NAMES]
    with run.step(Step.PREPARE) as words:
        _prepare_references(run, work, prepared, [name for name in references if name in prepare.LOOKUPS])
        _prepare_references(run, work, prepared, [name for name in references if name not in prepare.LOOKUPS])
        for name in sorted(FEED_NAMES & opened.keys()):
            counts = _prepare_feed(run, work, prepared, name)
            words.append(f"{name} {counts.rows_in:,} in, {counts.rows_out:,} out")
            if counts.rows_out == 0:
                run.note(f"{name}: no rows to judge ({counts.rows_in:,} received)")
    return prepared


def _conformed(run: Run, work: WorkFolder, prepared: Prepared, name: str, among: DataFrame | None = None) -> DataFrame:
    opened = prepared.opened[name]
    lookups = {lookup: prepared.references[lookup] for lookup in prepare.LOOKUPS if lookup in prepared.references}
    rows = prepare.conform(opened.rows, opened.table, as_of=run.settings.today, among=among, **lookups)
    return work.write(f"{'conformed' if among is None else 'in_conflict'}/{name}", rows)


def _prepare_references(run: Run, work: WorkFolder, prepared: Prepared, names: list[str]) -> None:
    conformed = {name: _conformed(run, work, prepared, name) for name in names}
    told = prepare.tally_references(conformed, {name: prepared.opened[name].table for name in names})
    live = {}
    for name, (counts, repeats) in told.items():
        rows, netting = conformed[name], None
        live[name] = prepare.good_rows(rows)
        if repeats:
            netting = work.write(f"netting/{name}", prepare.net(rows, prepared.opened[name].table))
            counts = prepare.with_netting(counts, netting)
            live[name] = prepare.live_references(rows, netting)
        _book(run, work, prepared, name, rows, netting, counts)
    prepared.references |= live


def _prepare_feed(run: Run, work: WorkFolder, prepared: Prepared, name: str) -> prepare.Tally:
    conformed = _conformed(run, work, prepared, name)
    netting = work.write(f"netting/{name}", prepare.net(conformed, prepared.opened[name].table))
    counts = prepare.with_netting(prepare.tally(conformed, name), netting)
    if name == "rebate_claims":
        converting = prepared.references.get("hcpcs_crosswalk"), prepared.references.get("products")
        prepared.claims = LiveClaims(
            prepare.live_rebate_claims(conformed, netting, *converting),
            among=lambda ids: prepare.live_rebate_claims(
                conformed.join(F.broadcast(ids), on="source_row_id", how="left_semi"), netting, *converting
            ),
            unconverted=prepare.live_rebate_claims(conformed, netting, None, None),
        )
    elif name == "pharmacy_claims":
        prepared.dispenses = work.write("dispenses", prepare.pharmacy_dispenses(conformed, netting))
        counts = prepare.with_dispenses(counts, prepared.dispenses)
    elif name == "entity_claims":
        prepared.entity_claims = prepare.live_entity_claims(conformed, netting)
    else:
        prepared.invoices = prepare.live_invoices(conformed, netting)
    _book(run, work, prepared, name, conformed, netting, counts)
    return counts


def _book(
    run: Run,
    work: WorkFolder,
    prepared: Prepared,
    name: str,
    conformed: DataFrame,
    netting: DataFrame | None,
    counts: prepare.Tally,
) -> None:
    """Enter a table into the ledger, and its rows that must be set aside into quarantine."""
    opened = prepared.opened[name]
    received = counts.rows_in + sum(opened.left_out.values())
    run.ledger.record(name, Step.READ, received, counts.rows_in, dict(opened.left_out))
    if opened.rows_expected not in (None, counts.rows_in):
        run.note(
            f"{name}: the table changed while it was read ({opened.rows_expected:,} rows when it was opened, "
            f"{counts.rows_in:,} read)"
        )
    run.ledger.record(name, Step.PREPARE, counts.rows_in, counts.rows_out, counts.dropped, counts.counted)
    if set(counts.dropped) - _LEFT_ORDERLY:
        prepared.quarantine[name] = prepare.quarantine(conformed, opened.table)
    if netting is not None and _IN_CONFLICT & counts.dropped.keys():
        names = prepare.names_in_conflict(conformed, opened.table, netting)
        as_received = _conformed(run, work, prepared, name, among=names)
        found = prepare.in_conflict(as_received, opened.table, prepare.net(as_received, opened.table))
        prepared.quarantine[name] = prepared.quarantine[name].unionByName(found)


def _link(run: Run, work: WorkFolder, prepared: Prepared) -> facts.FoundOnClaims | None:
    """What was found out about few of the rebate claims, written out: links, duplicates, 340B flags."""
    references = prepared.references
    with run.step(Step.LINK) as words:
        _resolve_pharmacies(run, work, prepared)
        for name in FEED_NAMES:
            if name in prepared.opened:
                rows = run.ledger.rows_out(name)
                run.ledger.record(name, Step.LINK, rows, rows)
        if prepared.claims is None:
            words.append("nothing to link")
            return None
        claims = prepared.claims.all
        to_340b = to_pharmacy = flags = None
        if prepared.entity_claims is not None:
            linked = _link_340b(run, work, prepared, claims)
            to_340b = work.write("links_340b", linked.links)
            tiers, examples = _kinds_of_links(to_340b)
            prepared.linking = exports.Linking(
                {**linked.learned.as_json(), "set_aside": dict(linked.set_aside), "links_by_tier": tiers}, examples
            )
            words.append(f"{sum(tiers.values()):,} claims linked to 340B claims")
            words += [f"{tier} {rows:,}" for tier, rows in sorted(tiers.items())]
            _watch_match_rates(run, prepared, to_340b)
        if prepared.dispenses is not None:
            to_pharmacy = work.write("links_pharmacy", link.link_pharmacy(claims, prepared.dispenses))
            words.append(f"{to_pharmacy.count():,} to reversed dispenses")
        repeated = work.write("duplicates", facts.duplicates(claims))
        words.append(f"{repeated.count():,} repeat an earlier claim")
        elsewhere = work.write("asked_elsewhere", facts.asked_elsewhere(prepared.claims.unconverted))
        words.append(f"{elsewhere.count():,} asked for by Medicaid and another payer")
        if "identifiers_340b" in references:
            flags = work.write("flags_340b", facts.flags_340b(claims, references["identifiers_340b"]))
    return facts.FoundOnClaims(to_340b, to_pharmacy, repeated, flags, elsewhere)


def _resolve_pharmacies(run: Run, work: WorkFolder, prepared: Prepared) -> None:
    """Give contract pharmacies without an NPI that of the pharmacy that is the same place."""
    references = prepared.references
    if {"contract_pharmacies", "pharmacies"} <= references.keys():
        resolved = link.resolve_pharmacies(
            references["contract_pharmacies"], references["pharmacies"], run.settings.link.pharmacy_identity
        )
        references["contract_pharmacies"] = work.write("link/contract_pharmacies", resolved)
        names = ("pharmacy_npi", "pharmacy_match_confidence")
        prepared.found_out = frozenset(f"contract_pharmacies.{name}" for name in names)


def _link_340b(run: Run, work: WorkFolder, prepared: Prepared, claims: DataFrame) -> link.Links340b:
    assert prepared.entity_claims is not None
    references = prepared.references
    linked = link.link_340b(
        claims,
        prepared.entity_claims,
        run.settings.link,
        lambda name, rows: work.write(f"link/{name}", rows),
        pharmacies=references.get("pharmacies"),
        products=references.get("products"),
    )
    for name, rows in linked.set_aside.items():
        run.note(
            f"{name}: {rows:,} rows were not linked: their prescription number at a pharmacy is shared by more claims "
            "than a prescription can have"
        )
    return linked


def _watch_match_rates(run: Run, prepared: Prepared, links: DataFrame) -> None:
    """Count what links by source and month; the worst drops become notes of the run, all stand in its outputs."""
    assert prepared.claims is not None
    assert prepared.entity_claims is not None
    assert prepared.linking is not None
    rates = link.match_rates(prepared.claims.unconverted, prepared.entity_claims, links)
    problems = link.feed_problems(rates, run.settings.link.match_rates)
    for problem in problems[:_MOST_PROBLEMS_NOTED]:
        run.note(problem.message)
    if len(problems) > _MOST_PROBLEMS_NOTED:
        run.note(f"{len(problems) - _MOST_PROBLEMS_NOTED:,} more drops of match rates are in the report")
    prepared.linking = replace(prepared.linking, match_rates=rates, feed_problems=problems)


def _kinds_of_links(links: DataFrame) -> tuple[dict[str, int], list[tuple[str, list[dict[str, Any]]]]]:
    """Links by tier; and how fields contribute to the most frequent kind of T1, and to the link that is least sure."""
    counted = links.groupBy("link_tier", "link_score", "link_contributions").count().collect()
    kinds = sorted((row.asDict(recursive=True) for row in counted), key=lambda kind: json.dumps(kind, sort_keys=True))
    tiers: Counter[str] = Counter()
    for kind in kinds:
        tiers[kind["link_tier"]] += kind["count"]
    if not kinds:
        return {}, []
    exact = [kind for kind in kinds if kind["link_tier"] == "T1"]
    weakest = min(kinds, key=lambda kind: kind["link_score"])
    examples = [("A typical exact link (T1)", max(exact, key=lambda kind: kind["count"]))] if exact else []
    examples.append((f"The least certain link ({weakest['link_tier']})", weakest))
    return dict(tiers), [(title, kind["link_contributions"]) for title, kind in examples]


def _facts(run: Run, work: WorkFolder, prepared: Prepared, found: facts.FoundOnClaims | None) -> list[Judged]:
    judged = []
    with run.step(Step.FACTS) as words:
        if prepared.claims is not None and found is not None:
            judged.append(_claim_facts(work, prepared.claims, found, prepared, run.settings))
        if prepared.entity_claims is not None:
            judged.append(_entity_claim_facts(work, prepared.entity_claims, found, prepared, run.settings.peers))
        if prepared.invoices is not None:
            judged.append(_invoice_facts(work, prepared.invoices, prepared, run.settings.peers))
        if "inflation_reports" in prepared.references:
            judged.append(_inflation_facts(work, prepared))
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            rows = F.count(F.lit(1)).alias("rows")
            if one.subject is Subject.REBATE_CLAIM:
                noticed = {Reason.UNITS_NOT_CONVERTED.value: F.col("ndc_units").isNull()}
            else:
                noticed = {}
            counts = one.facts.agg(rows, *(F.count_if(condition).alias(name) for name, condition in noticed.items()))
            counted = counts.collect()[0].asDict()
            rows_out = counted.pop("rows")
            run.ledger.record(table, Step.FACTS, run.ledger.rows_out(table), rows_out, counted=counted)
            words.append(f"{table} {rows_out:,} rows")
    return judged


def _claim_facts(
    work: WorkFolder,
    claims: LiveClaims,
    found: facts.FoundOnClaims,
    prepared: Prepared,
    settings: Settings,
) -> Judged:
    references = prepared.references
    screen = work.write("facts/claims", facts.claim_screen(claims.all, found, references))
    peers = work.write("peers/claims", facts.claim_peers(screen, settings.peers))
    background = facts.Background(
        claims.unconverted,
        prepared.entity_claims,
        prepared.dispenses,
        _outcomes_of(claims, references.get("outcomes")),
        settings.today,
        settings.peers,
    )

    def described(flagged: DataFrame, ids: DataFrame) -> DataFrame:
        own = claims.among(ids)
        asked = work.write("asked/claims", facts.asked_of_flagged(flagged, own, found, references))
        told = work.write("features/claims", facts.claim_features(asked, found, references, background))
        return facts.claim_facts(flagged, own, found, told, references, settings.today)

    whole = facts.with_claim_peers(screen, peers, settings.peers)
    return Judged(Subject.REBATE_CLAIM, whole, peers, described)


def _outcomes_of(claims: LiveClaims, outcomes: DataFrame | None) -> DataFrame | None:
    """Answers to findings on claims of this input, with the claim's source_row_id; it tells its finding's id itself."""
    if outcomes is None:
        return None
    named = claims.unconverted.select("source_row_id", findings.claim_finding_id().alias("finding_id"))
    return named.join(F.broadcast(outcomes), on="finding_id", how="inner")


def _entity_claim_facts(
    work: WorkFolder,
    claims: DataFrame,
    found: facts.FoundOnClaims | None,
    prepared: Prepared,
    settings: PeerSettings,
) -> Judged:
    asked_for = None if prepared.claims is None else prepared.claims.unconverted
    links_340b = None if found is None else found.links_340b
    told = facts.entity_claim_facts(claims, prepared.references, asked_for, links_340b, settings)
    rows = work.write("facts/entity_claims", told)
    return Judged(Subject.ENTITY_CLAIM, rows, None, described=lambda flagged, _: flagged)


def _invoice_facts(work: WorkFolder, invoices: DataFrame, prepared: Prepared, settings: PeerSettings) -> Judged:
    claims = prepared.claims.all if prepared.claims is not None else None
    rows = work.write("facts/invoices", facts.invoice_facts(invoices, claims, prepared.references))
    peers = work.write("peers/invoices", facts.invoice_peers(rows, settings))
    whole = facts.with_invoice_peers(rows, peers, settings)
    return Judged(Subject.INVOICE, whole, peers, described=lambda flagged, _: flagged)


def _inflation_facts(work: WorkFolder, prepared: Prepared) -> Judged:
    reports = prepared.references["inflation_reports"]
    told = facts.inflation_facts(reports, prepared.entity_claims, prepared.references)
    rows = work.write("facts/inflation_reports", told)
    return Judged(Subject.INFLATION_REPORT, rows, None, described=lambda flagged, _: flagged)


def _screen(run: Run, work: WorkFolder, prepared: Prepared, judged: list[Judged]) -> dict[Subject, DataFrame]:
    """source_row_id of the rows on which a rule fires, by subject. R052 is none of them: nothing is scored yet."""
    screened: dict[Subject, DataFrame] = {}
    with run.step(Step.SCREEN) as words:
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            active = rules.active_rules(run.settings, prepared.available, one.subject, run.settings.today)
            hit = rules.flagged_rows(one.facts, active, run.settings).select("source_row_id")
            with _operators_compiled_apart(run.spark):
                screened[one.subject] = work.write(f"screened/{table}", hit)
            words.append(f"{table} {len(active.rules)} rules, {screened[one.subject].count():,} rows flagged")
    return screened


def _score(
    run: Run,
    work: WorkFolder,
    tracker: Tracker,
    prepared: Prepared,
    judged: list[Judged],
    screened: Mapping[Subject, DataFrame],
) -> list[Judged]:
    """Each subject with its model's scores; a subject that has no registered model yet gets one trained here."""
    scored = []
    with run.step(Step.SCORE) as words:
        for one in judged:
            table = SUBJECT_FEEDS[one.subject]
            rows = run.ledger.rows_out(table)
            if one.subject not in _SCORED:
                run.ledger.record(table, Step.SCORE, rows, rows)
                scored.append(one)
                continue
            fetched = _fetched(run, tracker, one)
            if fetched is None:
                one = _train(run, work, tracker, prepared, one, screened[one.subject])
            else:
                model, calibration, version = fetched
                scores, flags = _scored(run, work, one, model, calibration)
                one = replace(
                    one,
                    model=model,
                    model_name=_model_name(run.settings, one.subject),
                    model_version=version,
                    scores=scores,
                    flags=flags,
                )
            rows_scored = one.scores.count() if one.scores is not None else 0
            run.ledger.record(table, Step.SCORE, rows, rows, counted={Reason.NOT_SCORED.value: rows - rows_scored})
            judge = (
                f"by {one.model_name} version {one.model_version}" if one.model is not None else "too few for a model"
            )
            flagged = f", {one.flags.flagged:,} unusual" if one.flags is not None else ""
            words.append(f"{table} {rows_scored:,} scored{flagged}, {judge}")
            scored.append(one)
    return scored


def _scored(
    run: Run, work: WorkFolder, one: Judged, model: models.AnomalyModel, calibration: models.Calibration
) -> tuple[DataFrame, models.Flags]:
    """Every row's score and p-value, and the rows that are unusual enough to be shown."""
    settings, table = run.settings.model, SUBJECT_FEEDS[one.subject]
    scored = models.anomaly_scores(one.facts, model, settings, one.subject)
    scores = work.write(f"p_values/{table}/{model.detector}", models.p_values(scored, calibration))
    flags = models.flag(scores, settings.flags, rules.anomaly_threshold(run.settings))
    smallest = calibration.smallest_p_value
    if smallest is None:
        run.note(
            f"{table}: the model judges no row: no stratum has {settings.stratum_minimum:,} rows that it can be "
            "compared with"
        )
    elif not flags.flagged and settings.flags.by == "false_discovery_rate":
        needed = ceil(smallest * flags.tested / settings.flags.false_discovery_rate)
        run.note(
            f"{table}: the model flags nothing at a false-discovery rate of {settings.flags.false_discovery_rate:.0%}: "
            f"of {flags.tested:,} rows about {needed:,} would have to be rarer than all that they are compared with; "
            "model.strata: [all] compares with more rows, model.flags.by: capacity shows the rarest all the same"
        )
    return scores, flags


def _fetched(run: Run, tracker: Tracker, one: Judged) -> tuple[models.AnomalyModel, models.Calibration, str] | None:
    """The registered model version that `--model` or the alias names; None where nothing is registered yet."""
    name = _model_name(run.settings, one.subject)
    wanted_name, _, wanted_version = (run.options.model or "").partition("/")
    version = wanted_version or None if wanted_name == name else None
    fetched = tracker.fetch(name, version)
    if fetched is None:
        if version is not None:
            raise ConfigurationError(
                Problem(
                    "there is no such model version", f"--model {run.options.model}", to_do="see the MLflow registry"
                )
            )
        return None
    model = models.AnomalyModel.load(fetched.folder)
    model.check_features(run.settings.model.of(one.subject).features)
    return model, models.Calibration.load(fetched.folder), fetched.version


def _model_name(settings: Settings, subject: Subject) -> str:
    return settings.mlflow.invoices_model if subject is Subject.INVOICE else settings.mlflow.claims_model


@dataclass(frozen=True)
class Lesson:
    """What detectors of a subject learn from, are compared with and measured by: the same rows for all of them.

    sample: see `models.training_sample`; reference: facts of rows held out; champion: the version in charge.
    """

    sample: pd.DataFrame
    reference: DataFrame
    known: models.Known
    champion: tuple[models.AnomalyModel, str] | None


def _lesson(run: Run, tracker: Tracker, prepared: Prepared, one: Judged, screened: DataFrame) -> Lesson:
    """Rows that a rule flags or analysts dispute teach nothing: they are not what is usual."""
    settings, of_subject = run.settings.model, run.settings.model.of(one.subject)
    decisions = _decided(run, prepared, one)
    disputed = [] if decisions is None else [decisions.where("is_valid").select("source_row_id")]
    set_aside = reduce(DataFrame.union, disputed, screened)
    usual = one.facts.join(F.broadcast(set_aside), on="source_row_id", how="left_anti")
    held_out = models.is_held_out(settings.held_out_share)
    return Lesson(
        sample=models.training_sample(usual.where(~held_out), of_subject.features, of_subject, one.subject),
        reference=models.reference_sample(usual.where(held_out), settings.calibration_rows),
        known=models.Known(_planted(run, one.subject), decisions, flagged_by_rules=screened),
        champion=_champion(run, tracker, _model_name(run.settings, one.subject), of_subject.features),
    )


def _train(
    run: Run, work: WorkFolder, tracker: Tracker, prepared: Prepared, one: Judged, screened: DataFrame
) -> Judged:
    """The subject with a new version of its configured detector; without one where it has too few rows."""
    lesson = _lesson(run, tracker, prepared, one, screened)
    return _learned(run, work, tracker, prepared, one, lesson, run.settings.model)


def _learned(
    run: Run,
    work: WorkFolder,
    tracker: Tracker,
    prepared: Prepared,
    one: Judged,
    lesson: Lesson,
    settings: ModelSettings,
    experiment: str | None = None,
) -> Judged:
    """Fit on the sample, calibrate on the reference, score everything, evaluate, log and register."""
    name, table, sample = _model_name(run.settings, one.subject), SUBJECT_FEEDS[one.subject], lesson.sample
    one = replace(one, model_name=name)
    model = models.fit_model(sample, settings, one.subject)
    if model is None:
        run.note(f"{table}: {len(sample):,} rows are too few to train {name} on; nothing is scored")
        return one
    calibration = models.calibrate(
        models.anomaly_scores(lesson.reference, model, settings, one.subject),
        settings.strata,
        settings.stratum_minimum,
    )
    scores, flags = _scored(run, work, one, model, calibration)
    champion = None if lesson.champion is None else lesson.champion[0]
    evaluation = models.evaluate(
        scores, one.facts, settings, one.subject, flags.largest_p_value or 0.0, lesson.known, champion, sample
    )
    tags = _tags(run, prepared) | {
        "detector": model.detector,
        "subject": one.subject.value,
        "features": ",".join(model.features),
    }
    if lesson.champion is not None and evaluation.compared_by is not None:
        tags |= comparison_tags(lesson.champion[1], evaluation.compared_by)
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        calibration.save(folder)
        version = tracker.log_training(
            model_folder=Path(folder),
            model_name=name,
            run_name=" ".join((_SHORT_NAMES[one.subject], model.detector, tags["as_of"], run.run_id)),
            parameters={
                "detector": model.detector,
                "kind": model.kind,
                **model.parameters,
                "features": ",".join(model.features),
            },
            metrics=evaluation.metrics | {"rows_flagged": float(flags.flagged)},
            figures=evaluation.figures,
            tags=tags,
            experiment=experiment,
        )
    run.note(f"{name} version {version} ({model.detector}) was trained on {len(sample):,} {table} rows of this input")
    return replace(one, model=model, model_version=version, scores=scores, flags=flags)


def _champion(run: Run, tracker: Tracker, name: str, features: Sequence[str]) -> tuple[models.AnomalyModel, str] | None:
    """The version in charge and its number, to be measured on the same rows; None where it cannot be."""
    fetched = tracker.fetch(name)
    if fetched is None:
        return None
    try:
        champion = models.AnomalyModel.load(fetched.folder)
        champion.check_features(features)
    except ConfigurationError as error:
        problem = error.problems[0].what
        run.note(f"{name} version {fetched.version}, the champion, is not compared with the new one: {problem}")
        return None
    return champion, fetched.version


def _decided(run: Run, prepared: Prepared, one: Judged) -> DataFrame | None:
    """source_row_id, is_valid and is_random of rows whose finding analysts decided; None without such a table."""
    decisions = prepared.references.get("decisions")
    if decisions is None:
        return None
    if one.subject is Subject.INVOICE:
        named = one.facts.select("source_row_id", findings.invoice_finding_id().alias("finding_id"))
    else:
        assert prepared.claims is not None
        named = prepared.claims.unconverted.select("source_row_id", findings.claim_finding_id().alias("finding_id"))
    judged = F.broadcast(findings.judged_findings(decisions, run.settings.today))
    return named.join(judged, on="finding_id", how="inner").drop("finding_id")


def _planted(run: Run, subject: Subject) -> DataFrame | None:
    """Rows that generated claims made unusual on purpose (`anomalies`), for evaluation; other input has none."""
    root = run.settings.input.root
    if subject is not Subject.REBATE_CLAIM or root is None or not run.storage.exists(join(root, "anomalies")):
        return None
    return run.spark.read.parquet(join(root, "anomalies")).select("source_row_id")


def _tags(run: Run, prepared: Prepared) -> dict[str, str]:
    fingerprints = {f"input.{name}": table.fingerprint for name, table in prepared.opened.items()}
    together = hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest()
    return {
        "run_id": run.run_id,
        "data_fingerprint": together[:16],
        "as_of": str(run.settings.today),
        "config_hash": run.settings.config_hash,
        "code_version": code_version(),
        **fingerprints,
    }


def _rules(
    run: Run, work: WorkFolder, prepared: Prepared, judged: list[Judged], screened: Mapping[Subject, DataFrame]
) -> tuple[dict[Subject, DataFrame], list[exports.Off]]:
    """Flagged rows with what each rule says of them, by subject; and which rules and guards were off."""
    flagged: dict[Subject, DataFrame] = {}
    off: list[exports.Off] = []
    with run.step(Step.RULES) as words:
        for subject, table in SUBJECT_FEEDS.items():
            one = next((one for one in judged if one.subject is subject), None)
            scored = {"scores"} if one is not None and one.scores is not None else set()
            active = rules.active_rules(run.settings, prepared.available | scored, subject, run.settings.today)
            off += [exports.Off("rule", f"{rule} on {table}", why) for rule, why in active.off.items()]
            off += [exports.Off("guard", f"{guard} on {table}", why) for guard, why in active.guards_off.items()]
            if one is None:
                continue
            unusual = F.broadcast(_unusual(run, work, one))
            ids = F.broadcast(screened[subject].union(unusual.select("source_row_id")).distinct())
            asked = one.facts.join(ids, on="source_row_id", how="left_semi")
            whole = one.described(asked, ids).join(unusual, on="source_row_id", how="left")
            with _operators_compiled_apart(run.spark):
                rows = work.write(f"flagged/{table}", rules.apply_rules(whole, active, run.settings))
            flagged[subject] = rows
            before, count = run.ledger.rows_out(table), rows.count()
            run.ledger.record(table, Step.RULES, before, count, {Reason.NOT_FLAGGED.value: before - count})
            words.append(f"{table} {len(active.rules)} rules on {before:,} rows, {count:,} flagged")
    return flagged, off


@contextmanager
def _operators_compiled_apart(spark: SparkSession) -> Iterator[None]:
    """All rules are too long for one method: Spark tries for seconds and fails, or makes one that runs slowly."""
    setting = "spark.sql.codegen.wholeStage"
    before = spark.conf.get(setting)
    spark.conf.set(setting, "false")
    try:
        yield
    finally:
        spark.conf.set(setting, str(before))


_UNUSUAL = "source_row_id string, anomaly_p_value double, anomaly_rows bigint"


def _unusual(run: Run, work: WorkFolder, one: Judged) -> DataFrame:
    """Rows that the model flags, with the reasons."""
    table = SUBJECT_FEEDS[one.subject]
    if one.flags is None or one.model is None or one.peers is None:
        reasons = FINDINGS["reasons"].dataType.simpleString()
        return run.spark.createDataFrame([], f"{_UNUSUAL}, reasons {reasons}")
    rare = one.flags.rows.select("source_row_id", "anomaly_p_value", "anomaly_rows")
    facts_of_rare = one.facts.join(F.broadcast(rare.select("source_row_id")), on="source_row_id", how="left_semi")
    reasons_of_rare = models.explain(facts_of_rare, one.model, one.peers, run.settings.model)
    return work.write(f"unusual/{table}", rare.join(reasons_of_rare, on="source_row_id", how="left"))


def _findings(run: Run, flagged: dict[Subject, DataFrame], prepared: Prepared, judged: list[Judged]) -> DataFrame:
    """FINDINGS of all subjects, written to their place."""
    codes = rules.dispute_codes(run.settings.reference_folder)
    previous = _previous_findings(run)
    made = {
        Subject.REBATE_CLAIM: findings.claim_findings,
        Subject.ENTITY_CLAIM: findings.entity_claim_findings,
        Subject.INVOICE: findings.invoice_findings,
        Subject.INFLATION_REPORT: findings.inflation_findings,
    }
    with run.step(Step.FINDINGS) as words:
        found = run.spark.createDataFrame([], FINDINGS)
        for one in judged:
            rows = _with_scores(flagged[one.subject].drop("anomaly_p_value", "anomaly_rows"), one.scores)
            found = found.unionByName(made[one.subject](rows, codes, run.settings, run.run_id, previous))
            table = SUBJECT_FEEDS[one.subject]
            run.ledger.record(table, Step.FINDINGS, run.ledger.rows_out(table), run.ledger.rows_out(table))
        if prepared.linking is not None:
            found = findings.with_feed_problems(found, prepared.linking.feed_problems)
        place = join(run.folder, "findings")
        exports.write_findings(found, place)
        found = run.spark.read.schema(FINDINGS).parquet(place)
        words.append(f"{found.count():,} findings")
    return found


def _with_scores(rows: DataFrame, scores: DataFrame | None) -> DataFrame:
    if scores is None:
        return rows.withColumns({name: F.lit(None).cast("double") for name in ("anomaly_score", "anomaly_p_value")})
    ids = F.broadcast(rows.select("source_row_id"))
    own = scores.join(ids, on="source_row_id", how="left_semi")
    # one score per row
    return rows.join(own.select("source_row_id", "anomaly_score", "anomaly_p_value"), on="source_row_id", how="left")


def _previous_findings(run: Run) -> DataFrame | None:
    """The findings of the run that was published last, another than this one; None where there is none."""
    before = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    return run.spark.read.schema(FINDINGS).parquet(join(before[-1], "findings")) if before else None


def _exports(
    run: Run, tracker: Tracker, prepared: Prepared, judged: list[Judged], found: DataFrame, off: list[exports.Off]
) -> Published:
    storage, settings, folder = run.storage, run.settings, run.folder
    off = [*off, *(exports.Off("feature", name, why) for name, why in facts.off_features(prepared.available).items())]
    with run.step(Step.EXPORTS) as words:
        quarantined = _write_quarantine(run, prepared)
        totals = exports.add_up(found)
        lines = findings.dispute_lines(found, rules.dispute_codes(settings.reference_folder), settings)
        told = exports.RunFacts(
            run_id=run.run_id,
            as_of=settings.today,
            ledger=run.ledger.tables,
            rule_titles=rules.rule_titles(),
            models={
                SUBJECT_FEEDS[one.subject]: f"{one.model_name} version {one.model_version} ({one.model.detector}), "
                f"{one.flags.flagged:,} of {one.flags.tested:,} unusual: {models.in_words(run.settings.model.flags)}"
                for one in judged
                if one.model and one.flags
            },
            off=off,
            notes=run.notes,
            seconds=run.seconds,
            about={"Configuration": settings.config_hash[:12], "Code": code_version()},
            inputs={name: table.fingerprint for name, table in prepared.opened.items()},
            quarantined=quarantined,
            linking=prepared.linking,
        )
        drafted = exports.write_disputes_detail(lines, storage, join(folder, "disputes", "detail.csv"))
        review = exports.write_workbooks(found, lines, totals, told, storage, join(folder, "review"), settings.review)
        exports.write_report(totals, drafted, told, storage, join(folder, "report.html"))
        words.append(f"{drafted:,} dispute lines drafted, {', '.join(review)}, report.html")
        tracker.log_detection(
            f"detect {settings.today} {run.run_id}",
            _detection_metrics(totals, drafted),
            _tags(run, prepared) | _model_tags(judged),
        )
    for name, steps in run.ledger.tables.items():
        if name in SUBJECT_FEEDS.values():
            rows = steps[-1]["rows_out"]
            run.ledger.record(name, Step.EXPORTS, rows, rows)
    exports.write_json(storage, join(folder, "ledger.json"), run.ledger.tables)
    if prepared.linking is not None:
        exports.write_json(storage, join(folder, "linking.json"), prepared.linking.learned)
        exports.write_match_rates(prepared.linking.match_rates, storage, join(folder, "match_rates.csv"))
    summary = _summary(run, prepared, judged, totals, drafted, off)
    exports.write_json(storage, join(folder, "summary.json"), summary)
    run.publish()
    if settings.output.connection is not None:
        try:
            run.say(export_to_database(run.spark, settings, run.run_id))
        except OutputError as error:
            finished = Problem(
                "the run itself is finished, only the database lacks it",
                run.final,
                to_do=f"mend what is said above, then: ./spark-submit.sh export --run-id {run.run_id} --to-database",
            )
            raise OutputError([*error.problems, finished]) from None
    place = run.final
    return Published(
        join(place, "findings"),
        " ".join(join(place, "review", name) for name in review if name.endswith(".xlsx")),
        join(place, "report.html"),
        join(place, "summary.json"),
        tracker.tracking_uri,
    )


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
    run: Run, prepared: Prepared, judged: list[Judged], totals: exports.Totals, drafted: int, off: list[exports.Off]
) -> dict[str, object]:
    ledger = run.ledger.tables

    def dropped_while_preparing(name: str) -> dict[str, int]:
        return next((entry["dropped"] for entry in ledger[name] if entry["step"] == Step.PREPARE.value), {})

    quarantined = {
        name: sum(rows for reason, rows in dropped_while_preparing(name).items() if reason not in _LEFT_ORDERLY)
        for name in ledger
    }
    return {
        **run_facts(run),
        "input": {
            name: {"fingerprint": table.fingerprint, "location": table.location}
            for name, table in prepared.opened.items()
        },
        "models": {
            SUBJECT_FEEDS[one.subject]: {
                "name": one.model_name,
                "version": one.model_version,
                "detector": one.model.detector,
                "rows_judged": one.flags.tested,
                "rows_flagged": one.flags.flagged,
                "flagged_by": models.in_words(run.settings.model.flags),
            }
            for one in judged
            if one.model and one.flags
        },
        "counts": {
            "received": {name: entries[0]["rows_in"] for name, entries in ledger.items()},
            "quarantined": {name: rows for name, rows in quarantined.items() if rows},
            "findings": totals.whole.findings,
            "findings_by_evidence": {group.value: group.whole.findings for group in totals.by_evidence()},
            "findings_by_rule": {group.value: group.whole.findings for group in totals.groups["rule"]},
            "amount_at_issue": totals.whole.amount,
            "dispute_lines": drafted,
        },
        "thresholds": {
            f"{rule} on {table}": values
            for subject, table in SUBJECT_FEEDS.items()
            for rule, values in rules.thresholds_in_force(run.settings, subject).items()
        },
        "rules_off": {one.name: one.why for one in off if one.kind == "rule"},
        "guards_off": {one.name: one.why for one in off if one.kind == "guard"},
        "features_off": {one.name: one.why for one in off if one.kind == "feature"},
        "match_rates": exports.match_rate_summary(prepared.linking) if prepared.linking is not None else None,
        "notes": run.notes,
        "seconds": run.seconds,
    }


def _detection_metrics(totals: exports.Totals, drafted: int) -> dict[str, float]:
    by_evidence = {f"findings_{g.value.lower()}": float(g.whole.findings) for g in totals.by_evidence()}
    return {"findings": float(totals.whole.findings), "dispute_lines": float(drafted), **by_evidence}


def _model_tags(judged: list[Judged]) -> dict[str, str]:
    return {
        f"model.{SUBJECT_FEEDS[one.subject]}": f"{one.model_name}/{one.model_version}" for one in judged if one.model
    }
