"""The job `export --final`: write the lines that a named person decided to send, each line once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine import exports, feedback, findings, positions, rules
from engine.contracts.codes import Evidence, Route, Subject
from engine.contracts.findings import FINAL_LINES
from engine.contracts.forms import DISPUTED_ROLE, EVIDENCE_ROWS, FORM_LINES, FilledForm
from engine.errors import ConfigurationError, OutputError, Problem, counted
from engine.pipeline.drafting import tie_out_of
from engine.pipeline.entity_shares import blanket_disputes, claims_of_entities
from engine.pipeline.finished_runs import findings_of, finished_run, runs_in_order
from engine.pipeline.forms import (
    EVIDENCE_FOLDER,
    FORM_LINES_FOLDER,
    Disputed,
    FormKey,
    MadeForm,
    adjustment_codes,
    filled_forms,
    forms_sent,
    product_of,
    write_form,
)
from engine.positions import Prior
from engine.runs import published_runs
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import Settings

DETAIL, INQUIRY, REFUND = "DETAIL", "GFI", "MRA"
_FORM_OF_ROUTE = {Route.ENTITY.value: INQUIRY, Route.FACILITATOR.value: REFUND}
_MOST_PROBLEMS = 10
_OF_CLAIM = ("claim_id", "claim_line", "date_of_service", "pharmacy_npi", "rx_number", "fill_number")


@dataclass(frozen=True)
class Sent:
    """What was sent.

    Number of lines by file, number of withheld lines by reason, warnings, and the folder; no folder if there was
    nothing to send.
    """

    files: dict[str, int]
    held_back: dict[str, int]
    folder: str | None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Basis:
    """What final files are made from.

    run_day: `--as-of` of the run. judged: FINDINGS with the decisions as of today. red: finding_id of findings on red
    lines of the tie-out, None without a tie-out. form_lines: FORM_LINES, None without invoices. evidence:
    EVIDENCE_ROWS, None without claims. taken_up: by finding, decided units that settlements have taken up;
    decided_alone: decided units that no settlement has taken up. sent: all submissions. last_sent: see `forms_sent`.
    """

    run_day: date
    judged: DataFrame
    decisions: DataFrame
    red: DataFrame | None
    form_lines: DataFrame | None
    evidence: DataFrame | None
    taken_up: dict[str, Decimal]
    decided_alone: dict[str, Decimal]
    sent: list[dict[str, Any]]
    last_sent: Mapping[tuple[str, ...], Prior]


def export_final(spark: SparkSession, settings: Settings, run_id: str) -> Sent:
    """Write the forms and the files of each recipient for a finished run, as of `settings.today`, and record them.

    Decisions are those that the job `feedback` stored. Nothing is written if a code is not verified or a form does not
    add up.

    Raises:
        OutputError: the run does not exist, a form does not add up, or the files cannot be written.
        ConfigurationError: the settings are not those of the run, or a code is not verified.
    """
    storage, today = storage_of(spark), settings.today
    folder, _, as_then = finished_run(storage, settings, run_id)
    kept = feedback.KeptFeedback(storage, settings)
    codes = rules.dispute_codes(as_then.reference_folder)
    basis = _basis(spark, storage, settings, folder, as_then.today, kept)
    rows = _rows(spark, basis, codes, settings)
    ready = [row for row in rows if row["held_back"] is None]
    _check_codes(rows, as_then.reference_folder)
    made = _made_forms(spark, basis, rows, ready, settings)
    _check_forms(made)
    held_back = Counter(row["held_back"] for row in rows if row["held_back"] is not None)
    disputed = [row for row in rows if row["held_back"] in (None, findings.SENT)]
    warnings = blanket_disputes(
        Counter(row["entity_id"] for row in disputed if row["entity_id"] and row["claim_id"]),
        claims_of_entities(storage, folder),
        settings.disputes,
    )
    warnings += _without_form(ready, made)
    if not ready and not made:
        return Sent({}, dict(held_back), None, warnings)
    place = join(folder, "disputes", "final", f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}")
    storage.make_folder(place)
    frozen = spark.createDataFrame([tuple(row[name] for name in FINAL_LINES.names) for row in ready], FINAL_LINES)
    texts = {code.code: code.text for code in codes}
    files = exports.write_recipient_files(
        frozen,
        texts,
        storage,
        place,
        settings.unmasked_rx_recipients,
        settings.disputes.mfp_justification_code,
    )
    for made_form in made:
        files |= dict.fromkeys(write_form(storage, place, made_form.form), len(made_form.form.lines))
    submitted = [_submission(row, today) for row in ready]
    submitted += [row for made_form in made for row in _form_submissions(made_form, today)]
    try:
        kept.add({feedback.SUBMISSIONS: submitted})
    except OutputError as error:
        to_do = "do not send them: remove the folder, fix the problem above and export again"
        raise OutputError(
            [*error.problems, Problem("the files are not recorded as sent", place, to_do=to_do)]
        ) from None
    return Sent(files, dict(held_back), place, warnings)


def _basis(
    spark: SparkSession,
    storage: Storage,
    settings: Settings,
    folder: str,
    run_day: date,
    kept: feedback.KeptFeedback,
) -> _Basis:
    today = settings.today
    decided = [row for row in kept.rows("decisions") if row["decided_at"].date() <= today]
    schema = findings.DECISIONS_TO_DISPUTE
    decisions = spark.createDataFrame([tuple(row[name] for name in schema.names) for row in decided], schema)
    finding_rows = findings_of(spark, [folder])
    folders = published_runs(storage, settings.output.root, but="")
    latest = findings.latest_decisions(decisions.withColumn("selection", F.lit(None).cast("string")), today)
    decided_findings = findings.as_reviewed(
        findings_of(spark, folders),
        latest.select("finding_id", "decided_on"),
        runs_in_order(spark, storage, folders),
    )
    judged = findings.with_decisions(finding_rows, latest, decided_findings).drop("decided_on")
    lines_place = join(folder, *FORM_LINES_FOLDER)
    form_lines = read_parquet(spark, lines_place, FORM_LINES) if storage.exists(lines_place) else None
    evidence_place = join(folder, *EVIDENCE_FOLDER)
    evidence = read_parquet(spark, evidence_place, EVIDENCE_ROWS) if storage.exists(evidence_place) else None
    sent = kept.rows(feedback.SUBMISSIONS)
    settled, alone = _decided(form_lines, True), _decided(form_lines, False)
    tie_out = tie_out_of(spark, storage, folder)
    return _Basis(
        run_day=run_day,
        judged=judged,
        decisions=decisions,
        red=None if tie_out is None else positions.on_red_lines(finding_rows, tie_out),
        form_lines=form_lines,
        evidence=evidence,
        taken_up=settled,
        decided_alone=alone,
        sent=sent,
        last_sent=forms_sent(kept, today),
    )


def _decided(form_lines: DataFrame | None, is_settled: bool) -> dict[str, Decimal]:
    """Units in dispute by decided finding: those held by settlements (`is_settled`), else those held by a decision
    only.
    """
    if form_lines is None:
        return {}
    parts = form_lines.select(F.explode("disputed").alias("part")).select("part.*")
    meant = parts.where((F.col("is_settled") == F.lit(is_settled)) & F.col("finding_id").isNotNull())
    summed = meant.groupBy("finding_id").agg(F.sum("units").cast("decimal(15,3)").alias("units"))
    return {row["finding_id"]: row["units"] for row in summed.collect()}


def _rows(spark: SparkSession, basis: _Basis, codes: Any, settings: Settings) -> list[dict[str, Any]]:
    """FINAL_LINES by finding id. A finding on an invoice line that no form can contain gets a reason in `held_back`."""
    sent = [(row["finding_id"],) for row in basis.sent if row["finding_id"] is not None]
    lines = findings.final_lines(
        basis.judged,
        basis.decisions,
        spark.createDataFrame(sent, "finding_id string"),
        codes,
        settings.today,
        spark.createDataFrame(sorted(basis.taken_up.items()), "finding_id string, units_taken_up decimal(15,3)"),
        settings.disputes.mfp_justification_code is not None,
    )
    if basis.red is not None:
        lines = findings.without_red_lines(lines, basis.red)
    rows = lines.select(*(F.col(name) for name in FINAL_LINES.names)).toArrow().to_pylist()
    rows.sort(key=lambda row: row["finding_id"])
    invoiced = _invoiced(basis.form_lines)
    for row in rows:
        if row["held_back"] is None and row["subject"] == Subject.INVOICE.value and _key(row) not in invoiced:
            row["held_back"] = "no line of an invoice that ROSI or PQAS can answer"
    return rows


def _invoiced(form_lines: DataFrame | None) -> set[FormKey]:
    return set() if form_lines is None else {FormKey(*row) for row in form_lines.select(*FormKey._fields).collect()}


def _key(row: Mapping[str, Any]) -> FormKey:
    state = row["state"] or row["recipient"]
    return FormKey(row["program"], state, row["rebate_type"] or "FEDERAL", row["ndc11"], row["period"])


def _check_codes(rows: Sequence[Mapping[str, Any]], reference_folder: str) -> None:
    """Raise ConfigurationError for dispute codes that the code table does not mark as verified."""
    of_lines = Counter(row["held_back"] for row in rows if (row["held_back"] or "").startswith(findings.NOT_VERIFIED))
    if of_lines:
        codes = [
            f"{why.removeprefix(findings.NOT_VERIFIED)} ({counted(lines, 'line', 'lines')})"
            for why, lines in sorted(of_lines.items())
        ]
        raise ConfigurationError(
            Problem(
                "decided lines have dispute codes that are not verified; nothing was exported",
                f"{reference_folder}/dispute_codes.csv",
                ", ".join(codes),
                "codes whose text was read in the instructions of CMS-304, with verified true",
                "verify the codes and mark them so in the table, or decide these findings otherwise",
            )
        )


def _made_forms(
    spark: SparkSession,
    basis: _Basis,
    rows: Sequence[Mapping[str, Any]],
    ready: Sequence[Mapping[str, Any]],
    settings: Settings,
) -> list[MadeForm]:
    """Forms of invoices with a line that is sent now, and of invoices sent before with a line that changed since."""
    if basis.form_lines is None:
        return []
    disputes: dict[FormKey, Disputed] = defaultdict(Disputed)
    others = _other_rows(basis.evidence, [row["finding_id"] for row in rows])
    for row in rows:
        if row["route"] != Route.STATE.value or row["held_back"] not in (None, findings.SENT):
            continue
        units = row["units_disputed"]
        if row["held_back"] == findings.SENT:
            units = _still_disputed(row["finding_id"], basis)
        if units is not None and units > 0:
            masks_rx = row["recipient"] not in settings.unmasked_rx_recipients
            _add(disputes[_key(row)], row, units, others.get(row["finding_id"], []), masks_rx)
    touched = {_key(row) for row in ready if row["route"] == Route.STATE.value}
    decided = F.coalesce(F.size("changed_since_decision"), F.lit(0)) <= 0
    decided &= (F.col("decision") == "DISPUTE") & F.col("evidence").isin(Evidence.STRONG.value, Evidence.MEDIUM.value)
    for key, code in adjustment_codes(basis.judged.where(decided)):
        disputes[key].adjustments.add(code)
        if (key.state, key.program, *key[2:]) not in basis.last_sent:
            touched.add(key)
    before_keys = {FormKey(key[1], key[0], *key[2:]) for key in basis.last_sent}
    known = touched | before_keys
    if not known:
        return []
    invoices = sorted({(key.state, key.rebate_type, key.ndc11[:5], key.period) for key in known})
    of_invoices = spark.createDataFrame(
        invoices, "state string, rebate_type string, labeler_code string, period string"
    )
    lines = basis.form_lines.join(
        F.broadcast(of_invoices), on=["state", "rebate_type", "labeler_code", "period"], how="left_semi"
    )
    forms = filled_forms(lines, disputes, basis.last_sent, settings.disputes, settings.today, is_draft=False)
    return [made_form for made_form in forms if known.intersection(made_form.keys)]


def _other_rows(evidence: DataFrame | None, finding_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """EVIDENCE_ROWS by finding, for these findings, in a fixed order."""
    if evidence is None or not finding_ids:
        return {}
    ids = evidence.sparkSession.createDataFrame([(finding_id,) for finding_id in finding_ids], "finding_id string")
    supporting = evidence.join(F.broadcast(ids), on="finding_id", how="left_semi").select(*EVIDENCE_ROWS.names)
    others: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(supporting.toArrow().to_pylist(), key=lambda row: tuple(str(value) for value in row.values())):
        others[row["finding_id"]].append(row)
    return others


def _still_disputed(finding_id: str, basis: _Basis) -> Decimal:
    """Units of a line sent before that no settlement has taken up.

    They come from the run's unit ledger, or from the submission if the line was sent after the run's day.
    """
    last = [row for row in basis.sent if row["finding_id"] == finding_id][-1]
    if last["sent_on"] > basis.run_day:
        return last["units"] or Decimal(0)
    return basis.decided_alone.get(finding_id, Decimal(0))


def _add(
    disputed: Disputed,
    row: Mapping[str, Any],
    units: Decimal,
    rows: Sequence[Mapping[str, Any]],
    masks_rx: bool,
) -> None:
    codes = [row["dispute_code"], *(row["other_codes"] or ())]
    is_claim = row["subject"] == Subject.REBATE_CLAIM.value
    (disputed.claims if is_claim else disputed.whole_line)[row["finding_id"]] = (units, codes)
    if row["documents"]:
        disputed.evidence += _evidence(row, units, rows, masks_rx)


def _evidence(
    row: Mapping[str, Any], units: Decimal, others: Sequence[Mapping[str, Any]], masks_rx: bool
) -> Iterator[dict[str, Any]]:
    """Rows of the evidence sheet: the disputed line, then the rows that support it (EVIDENCE_ROWS)."""
    of_line = {
        "role": DISPUTED_ROLE,
        **{name: row[name] for name in (*_OF_CLAIM, "dispute_code", "entity_id", "ndc11")},
        "units": units,
        "other_codes": ", ".join(row["other_codes"] or ()) or None,
        "documents": "; ".join(row["documents"]),
        "reference": "; ".join(row["published_rows"] or ()) or None,
    }
    place = (row["claim_id"] or "", row["claim_line"] or 0)
    for number, evidence_row in enumerate([of_line, *others]):
        day, rx_number = evidence_row["date_of_service"], evidence_row["rx_number"]
        shown: dict[str, Any] = {
            "date_of_service": None if day is None else day.isoformat(),
            "rx_number": exports.masked_rx_text(rx_number) if masks_rx else rx_number,
            "place": (*place, number),
        }
        if evidence_row["ndc11"]:
            shown["product"] = product_of(evidence_row["ndc11"])
        yield {name: value for name, value in evidence_row.items() if name not in ("finding_id", "ndc11")} | shown


def _without_form(ready: Sequence[Mapping[str, Any]], made: Sequence[MadeForm]) -> list[str]:
    """A warning for each state and quarter with lines that are sent but appear on no form."""
    on_forms = {key for made_form in made for key in made_form.keys}
    missing = [_key(row) for row in ready if row["route"] == Route.STATE.value and _key(row) not in on_forms]
    by_state = Counter((key.state, key.period) for key in missing)
    return [
        f"{counted(lines, 'line', 'lines')} to {state} for {period} {'is' if lines == 1 else 'are'} on no form: the "
        "invoice line is unknown or, for an earlier quarter, the payment (table settlements)"
        for (state, period), lines in sorted(by_state.items())
    ]


def _check_forms(made: Sequence[MadeForm]) -> None:
    """Raise OutputError for forms whose arithmetic does not hold."""
    to_do = (
        "decide fewer units for findings on this product, or correct the invoice, settlements or prices and run "
        "`detect` again; nothing was exported"
    )
    problems = [
        Problem(f"the line of a form does not add up: {problem}", _where(made_form.form), to_do=to_do)
        for made_form in made
        for problem in made_form.problems
    ]
    if len(problems) > _MOST_PROBLEMS:
        remaining = counted(len(problems) - _MOST_PROBLEMS, "more line of forms does", "more lines of forms do")
        problems = [*problems[:_MOST_PROBLEMS], Problem(f"and {remaining} not add up", "the same export")]
    if problems:
        raise OutputError(problems)


def _where(form: FilledForm) -> str:
    return f"{form.form.value} of {form.state}, {form.period}, invoice {form.invoice_number or 'unknown'}"


def _submission(row: Mapping[str, Any], today: date) -> dict[str, Any]:
    return {
        "form": _FORM_OF_ROUTE.get(row["route"], DETAIL),
        "recipient": f"{row['route']} {row['recipient']}",
        "finding_id": row["finding_id"],
        "case_id": row["case_id"],
        "period": row["period"],
        "units": row["units_disputed"],
        "code": row["dispute_code"],
        "sent_on": today,
        "program": row["program"],
        "rebate_type": row["rebate_type"],
        "invoice_number": row["invoice_number"],
        "ndc11": row["ndc11"],
        "units_paid": None,
        "amount_paid": None,
    }


def _form_submissions(made: MadeForm, today: date) -> list[dict[str, Any]]:
    """One row per line of a form: what it reports as in dispute and as paid."""
    form = made.form
    return [
        {
            "form": form.form.value,
            "recipient": f"{Route.STATE.value} {form.state}",
            "finding_id": None,
            "case_id": None,
            "period": form.period,
            "units": line["units_disputed"],
            "code": line["dispute_codes"],
            "sent_on": today,
            "program": key.program,
            "rebate_type": form.rebate_type,
            "invoice_number": form.invoice_number,
            "ndc11": key.ndc11,
            "units_paid": line["units_paid"],
            "amount_paid": line["amount_paid"],
        }
        for key, line in zip(made.keys, form.lines, strict=True)
    ]
