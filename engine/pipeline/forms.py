"""The forms ROSI and PQAS of a run: drafts and final forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import exports, feedback, findings, positions
from engine.contracts.codes import Evidence, Route, Subject
from engine.contracts.forms import EVIDENCE_COLUMNS, FilledForm, Form
from engine.positions import LineFacts, Prior
from engine.runtime.storage import Storage, join
from engine.settings import DisputeSettings

FORM_LINES_FOLDER, EVIDENCE_FOLDER = ("form_inputs", "lines"), ("form_inputs", "evidence")
_RECORD_IDS = {"MDRP_FFS": "FFSU", "MDRP_MCO": "MCOU"}
_GROUP = ("state", "rebate_type", "labeler_code", "period", "invoice_number")
_ORDER = (*_GROUP, "ndc11", "program")
_KEY = ("program", "state", "rebate_type", "ndc11", "period")
_SENT_KEY = ("state", "program", "rebate_type", "ndc11", "period")
_FORMS = {form.value for form in Form}
ZERO = Decimal(0)


@dataclass
class Disputed:
    """What one form line reports in addition to the units that settlements hold.

    claims: units and codes by finding on a claim. whole_line: the same for findings on the invoice line itself.
    adjustments: adjustment codes. evidence: rows of the evidence sheet, for codes that need a document.
    """

    claims: dict[str, tuple[Decimal, Sequence[str]]] = field(default_factory=dict)
    whole_line: dict[str, tuple[Decimal, Sequence[str]]] = field(default_factory=dict)
    adjustments: set[str] = field(default_factory=set)
    evidence: list[dict[str, Any]] = field(default_factory=list)


class FormKey(NamedTuple):
    """What one line of a ROSI is about: `period` is a quarter, `rebate_type` the program's own code."""

    program: str
    state: str
    rebate_type: str
    ndc11: str
    period: str


class MadeForm(NamedTuple):
    """A form, the key of each of its lines, and the lines whose arithmetic does not hold, in words."""

    form: FilledForm
    keys: list[FormKey]
    problems: list[str]


class DraftedForms(NamedTuple):
    """Number of drafts by form, and the lines whose arithmetic does not hold, in words."""

    rosi: int
    pqas: int
    problems: list[str]

    @property
    def in_words(self) -> str:
        """The number of forms of each kind, for the run's output."""
        return f"{self.rosi:,} ROSI and {self.pqas:,} PQAS drafted"


def forms_sent(kept: feedback.KeptFeedback, today: date) -> dict[tuple[str, ...], Prior]:
    """Units and amounts last submitted on a form up to `today`, by state, program, rebate type, product and quarter."""
    last: dict[tuple[str, ...], Prior] = {}
    rows = [row for row in kept.rows(feedback.SUBMISSIONS) if row["form"] in _FORMS and row["sent_on"] <= today]
    for row in sorted(rows, key=lambda row: row["sent_on"]):  # a stable sort: rows of one day stay as recorded
        key = (row["recipient"].removeprefix(f"{Route.STATE.value} "), *(row[name] for name in _SENT_KEY[1:]))
        last[key] = Prior(row["units_paid"] or ZERO, row["units"] or ZERO, row["amount_paid"] or ZERO)
    return last


def lines_sent(kept: feedback.KeptFeedback, today: date) -> dict[str, Decimal]:
    """Units by finding id, for findings whose line was sent up to `today`."""
    rows = [row for row in kept.rows(feedback.SUBMISSIONS) if row["finding_id"] and row["sent_on"] <= today]
    return {row["finding_id"]: row["units"] or ZERO for row in rows}


def drafted_disputes(lines: DataFrame, finding_rows: DataFrame) -> dict[FormKey, Disputed]:
    """What draft forms report in addition to decided disputes: dispute lines of findings without a decision to dispute,
    and adjustment codes of STRONG findings. `lines`: DISPUTE_LINES; `finding_rows`: FINDINGS.
    """
    of_forms: dict[FormKey, Disputed] = defaultdict(Disputed)
    decided = finding_rows.where(F.col("decision") == "DISPUTE").select("finding_id")
    undecided = lines.where(F.col("route") == Route.STATE.value).join(
        F.broadcast(decided), on="finding_id", how="left_anti"
    )
    ndc = F.concat("labeler_code", "product_code", "package_code")
    rows = undecided.select(*_key(ndc), "finding_id", "units_disputed", "dispute_code", "other_codes").toArrow()
    for row in rows.to_pylist():
        codes = [row["dispute_code"], *(row["other_codes"] or ())]
        of_forms[_key_of(row)].claims[row["finding_id"]] = (row["units_disputed"], codes)
    strong = finding_rows.where(F.col("evidence") == Evidence.STRONG.value)
    for key, code in adjustment_codes(strong):
        of_forms[key].adjustments.add(code)
    return of_forms


def adjustment_codes(finding_rows: DataFrame) -> Iterator[tuple[FormKey, str]]:
    """Form line and code of each adjustment code of findings on claims and invoice lines, each pair once."""
    on_forms = finding_rows.where(F.col("subject").isin(Subject.REBATE_CLAIM.value, Subject.INVOICE.value))
    on_forms = on_forms.where((F.col("route") == Route.STATE.value) & F.col("codes").isNotNull())
    codes = on_forms.select(*_key(F.col("ndc11")), F.explode("codes").alias("code"))
    rows = codes.where(F.col("code.kind") == "ADJUSTMENT").select(*_KEY, "code.code").distinct().toArrow().to_pylist()
    for row in sorted(rows, key=lambda row: tuple(str(value) for value in row.values())):
        yield _key_of(row), row["code"]


def _key(ndc: Any) -> list[Any]:
    return [
        F.col("program"),
        F.coalesce("state", "payer_id").alias("state"),
        F.coalesce("rebate_type", F.lit("FEDERAL")).alias("rebate_type"),
        ndc.alias("ndc11"),
        F.col("period"),
    ]


def _key_of(row: Mapping[str, Any]) -> FormKey:
    return FormKey(*(row[name] for name in _KEY))


def filled_forms(
    lines: DataFrame,
    disputes: Mapping[FormKey, Disputed],
    sent: Mapping[tuple[str, ...], Prior] | None,
    settings: DisputeSettings,
    today: date,
    is_draft: bool,
) -> Iterator[MadeForm]:
    """The forms of FORM_LINES, ordered by state, rebate type, labeler, quarter and invoice.

    An invoice of the current quarter gets a ROSI until one is sent: every line of the invoice, if any line is disputed
    or adjusted. Any other invoice gets a PQAS: the lines that changed since the last submission, or since the payment
    that settlements report; no form if neither is known. Memory is proportional to the largest invoice. `sent`: the
    last submissions (see `forms_sent`); None: those recorded in `lines`.
    """
    rows = _rows(lines)
    for group, of_group in groupby(rows, key=lambda row: tuple(row[name] for name in _GROUP)):
        own = list(of_group)
        priors = [_prior(row, sent) for row in own]
        is_current = any(row["is_current"] for row in own) and not any(was_sent for _, was_sent in priors)
        form = Form.ROSI if is_current else Form.PQAS
        if form is Form.PQAS and all(prior is None for prior, _ in priors):
            continue
        keys, made, evidence, problems = [], [], [], []
        for row, (prior, _) in zip(own, priors, strict=True):
            if row["units"] is None:
                continue
            key = _key_of(row)
            disputed = disputes.get(key) or Disputed()
            facts = _facts(row, form, disputed, prior or Prior(), is_draft)
            line, wrong = _line(form, facts, settings.fill_other_amounts)
            if form is Form.PQAS and not positions.is_changed(line):
                continue
            name = {
                "product": product_of(row["ndc11"]),
                "product_name": row["product_name"],
                "record_id": _RECORD_IDS[row["program"]],
            }
            problems += [f"{row['program']} {row['ndc11']}: {problem}" for problem in wrong]
            made.append(name | line)
            keys.append(key)
            evidence += [
                {**dict.fromkeys(EVIDENCE_COLUMNS), **name, **evidence_row} for evidence_row in disputed.evidence
            ]
        if not made or (form is Form.ROSI and not any(map(_needs_rosi, made))):
            continue
        state, rebate_type, labeler_code, period, invoice_number = group
        filled = FilledForm(
            form=form,
            state=state,
            labeler_code=labeler_code,
            labeler_name=next((row["labeler_name"] for row in own if row["labeler_name"]), None),
            rebate_type=rebate_type,
            period=period,
            invoice_number=invoice_number,
            day=today,
            contact={name: value or "" for name, value in settings.contact.model_dump().items()},
            lines=made,
            is_draft=is_draft,
            interest=settings.interest.get(f"{state}/{period}"),
            evidence=sorted(evidence, key=_of_evidence),
        )
        yield MadeForm(filled, keys, problems)


def product_of(ndc11: str) -> str:
    """Product and package code of an NDC-11, formatted as in column A of the forms."""
    return f"{ndc11[5:9]}-{ndc11[9:]}"


def _of_evidence(row: Mapping[str, Any]) -> tuple[str, tuple[str, int, int]]:
    return (row["record_id"], row["place"])


def _rows(lines: DataFrame) -> Iterator[dict[str, Any]]:
    order = [F.col(name).asc_nulls_first() for name in _ORDER]
    for batch in exports.ordered_batches(lines, order, lines.count()):
        yield from batch.to_pylist()


def _prior(row: Mapping[str, Any], sent: Mapping[tuple[str, ...], Prior] | None) -> tuple[Prior | None, bool]:
    """The last reported units and amounts of the line, and whether they were reported on a form."""
    if sent is not None:
        last = sent.get(tuple(row[name] for name in _SENT_KEY))
    elif row["sent_units_paid"] is None:
        last = None
    else:
        last = Prior(row["sent_units_paid"], row["sent_units_disputed"], row["sent_amount_paid"])
    if last is not None:
        return last, True
    if row["settled_units_paid"] is None:
        return None, False
    settled = (row["settled_units_paid"], row["settled_units_disputed"], row["settled_amount_paid"])
    return Prior(*settled), False


def _facts(row: Mapping[str, Any], form: Form, disputed: Disputed, prior: Prior, is_draft: bool) -> LineFacts:
    parts = row["disputed"] or []
    # drafts count decided units from the ledger; final forms take them from the lines that are sent
    in_ledger = [part for part in parts if part["is_settled"] or is_draft]
    held = sum((part["units"] for part in in_ledger), ZERO)
    codes = [part["code"] for part in in_ledger if part["code"]]
    invoiced = row["units_current"] if form is Form.ROSI else row["units_original"]
    facts = LineFacts(
        units_invoiced=invoiced or ZERO,
        units_now=row["units"],
        units_credited=row["units_credited"],
        units_repaid=row["units_repaid"],
        units_disputed=held,
        ura_stated=row["ura_stated"],
        ura_original=row["ura_original"],
        ura_current=row["ura_current"],
        amount_stated=row["amount_stated"],
        prior=prior,
        adjustment_codes=sorted(disputed.adjustments),
    )
    units = held + sum((units for units, _ in disputed.claims.values()), ZERO)
    codes += [code for _, of_claim in disputed.claims.values() for code in of_claim]
    most = facts.most_on_rosi if form is Form.ROSI else facts.most_on_pqas
    # findings on the line itself dispute only units that no claim finding disputes yet
    for finding_units, of_line in disputed.whole_line.values():
        part = min(finding_units, max(most - units, ZERO))
        units += part
        codes += of_line if part else ()
    if is_draft:
        units = min(units, most)
    return LineFacts(**{**vars(facts), "units_disputed": units, "dispute_codes": in_order(codes)})


def in_order(codes: Sequence[str]) -> list[str]:
    """The distinct codes in the order of precedence."""
    first = {code: place for place, code in enumerate(findings.FIRST_CODES)}
    return sorted(set(codes), key=lambda code: (first.get(code, len(first)), code))


def _line(form: Form, facts: LineFacts, fills: bool) -> tuple[dict[str, Any], list[str]]:
    if form is Form.ROSI:
        line = positions.rosi_line(facts, fills)
        return line, positions.rosi_problems(line, facts)
    line = positions.pqas_line(facts, fills)
    return line, positions.pqas_problems(line, facts)


def _needs_rosi(line: Mapping[str, Any]) -> bool:
    return bool(line["units_disputed"] or line["units_adjusted"] or line["adjustment_codes"])


def write_draft_forms(
    lines: DataFrame,
    disputes: Mapping[FormKey, Disputed],
    storage: Storage,
    folder: str,
    settings: DisputeSettings,
    today: date,
) -> DraftedForms:
    """Write the draft forms of a run to `folder`: ROSI to `rosi/`, PQAS to `pqas/<period>/`. Raises OutputError."""
    counts = dict.fromkeys(Form, 0)
    problems: list[str] = []
    for made in filled_forms(lines, disputes, None, settings, today, is_draft=True):
        write_form(storage, folder, made.form, settings.draft_formats)
        counts[made.form.form] += 1
        problems += [f"{made.form.state} {made.form.period} {problem}" for problem in made.problems]
    return DraftedForms(counts[Form.ROSI], counts[Form.PQAS], problems)


def write_form(
    storage: Storage, folder: str, form: FilledForm, formats: Sequence[exports.FormFormat] = ("csv", "xlsx", "pdf")
) -> list[str]:
    """Write one form to `folder`; returns its file names, relative to `folder`."""
    place = ["rosi"] if form.form is Form.ROSI else ["pqas", form.period]
    storage.make_folder(join(folder, *place))
    return ["/".join([*place, name]) for name in exports.write_form(form, storage, join(folder, *place), formats)]
