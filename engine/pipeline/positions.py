"""findings -> exports: the unit ledger of the run, and its tie-out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import exports, facts, feedback, positions
from engine.contracts.codes import Reason, Step
from engine.contracts.positions import POSITIONS, Position
from engine.contracts.prepared import PREPARED_REBATE_CLAIMS
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.forms import FORM_LINES_FOLDER, forms_sent, lines_sent
from engine.pipeline.stages import Prepared
from engine.runs import LedgerError, Run, published_runs
from engine.runtime.expressions import union_all
from engine.runtime.parquet import read_parquet
from engine.runtime.storage import SUCCESS_MARKER, join

FOLDER = "positions"
# The table whose rows each count of the unit ledger refers to.
_COUNTED_OF = {
    Reason.SETTLED_BEYOND_INVOICE: "settlements",
    Reason.RELEASED_WITHOUT_DISPUTE: "settlements",
    Reason.SETTLEMENT_NOT_PLACED: "settlements",
    Reason.DECISION_NOT_PLACED: "decisions",
    Reason.NEGATIVE_TOTAL: "invoices",
    Reason.REPLACED_BY_LATER_INVOICE: "invoices",
    Reason.NEGATIVE_CLAIM_UNITS: "rebate_claims",
}


@dataclass(frozen=True)
class Posted:
    """The unit ledger as written: number of rows, units by position, and by table the counts of rows that are not
    booked to a position.

    tie_out: TIE_OUT in the work folder; None without invoices.
    """

    rows: int
    units: dict[str, Decimal]
    counted: dict[str, dict[str, int]]
    tie_out: DataFrame | None


def post_positions(run: Run, prepared: Prepared, finding_rows: DataFrame) -> Posted | None:
    """Write `positions/` of the run; does nothing and returns None if there are neither rebate claims nor invoices.

    Raises LedgerError if the units of a key do not add up to its invoiced total.
    """
    live, invoices = prepared.claims, prepared.invoices
    if live is None and invoices is None:
        return None
    live_claims = run.spark.createDataFrame([], PREPARED_REBATE_CLAIMS) if live is None else live.all
    claims = run.work.write(work_tables.CLAIM_LINES, positions.claim_lines(live_claims))
    lines = None if invoices is None else run.work.write(work_tables.INVOICE_LINES, positions.invoice_lines(invoices))
    events = _events(run, prepared, finding_rows, claims, lines)
    ledger = positions.LedgerInput(claims, lines, events)
    in_sequence = run.work.write(work_tables.IN_SEQUENCE, positions.accounts_in_sequence(ledger))
    sequential, quick = positions.entries_of(ledger, in_sequence)
    booked = run.work.write(work_tables.SEQUENTIAL, sequential)
    rows = positions.summed(quick.unionByName(booked)).withColumn("as_of", F.lit(run.settings.today))
    place = join(run.folders.outputs, FOLDER)
    exports.write_positions(positions.with_previous(rows, _previous(run)), place)
    written = read_parquet(run.spark, place, POSITIONS)
    if lines is not None:
        _check_balance(written, lines)
        _write_form_lines(run, prepared, lines, booked, events)
    tie_out = None
    if lines is not None and invoices is not None:
        tie_out = _tie_out(run, prepared, invoices, claims, lines, written)
    return _posted(written, booked, lines, events, tie_out)


def _tie_out(
    run: Run, prepared: Prepared, invoices: DataFrame, claims: DataFrame, lines: DataFrame, written: DataFrame
) -> DataFrame:
    products, unread = prepared.references.get("products"), prepared.unread_claims
    rows = run.work.write(
        work_tables.TIE_OUT_LINES, positions.tie_out_lines(claims, lines, written, invoices, products)
    )
    unread_bills = None if unread is None else unread.where(~F.col("takes_back"))
    counted = facts.with_unread_rows(rows, unread_bills, ("program", "state", "ndc11", "period"))
    settings = run.settings
    return run.work.write(
        work_tables.TIE_OUT_COMPARED, positions.compared(counted, settings.tie_out, settings.deadlines, settings.today)
    )


def _events(
    run: Run,
    prepared: Prepared,
    finding_rows: DataFrame,
    claims: DataFrame,
    lines: DataFrame | None,
) -> DataFrame | None:
    """Settlements and decisions; None if neither table is available."""
    today, parts = run.settings.today, []
    settlements, decisions = (prepared.references.get(name) for name in ("settlements", "decisions"))
    if settlements is not None:
        parts.append(positions.settlement_events(settlements, claims, lines, today))
    if decisions is not None:
        live = None if prepared.claims is None else prepared.claims.all
        kept = feedback.KeptFeedback(run.storage, run.settings)
        submitted = run.spark.createDataFrame(
            sorted(lines_sent(kept, today).items()), "finding_id string, units_submitted decimal(38,3)"
        )
        parts.append(positions.decision_events(decisions, finding_rows, live, prepared.invoices, today, submitted))
    return run.work.write(work_tables.EVENTS, union_all(parts)) if parts else None


def _write_form_lines(
    run: Run, prepared: Prepared, lines: DataFrame, booked: DataFrame, events: DataFrame | None
) -> None:
    """Write the lines from which the forms ROSI and PQAS are filled."""
    live, replaced = prepared.invoices, prepared.replaced_invoices
    invoices = union_all([rows for rows in (live, replaced) if rows is not None])
    prices = prepared.references.get("prices")
    both = None if prices is None or prepared.all_prices is None else (prepared.all_prices, prices)
    sent = forms_sent(feedback.KeptFeedback(run.storage, run.settings), run.settings.today)
    rows = [(*key, last.units_paid, last.units_disputed, last.amount_paid) for key, last in sorted(sent.items())]
    form_lines = positions.form_lines(
        lines,
        invoices,
        booked,
        events,
        both,
        prepared.references.get("products"),
        run.spark.createDataFrame(rows, positions.FORMS_SENT),
    )
    # in the schema of files read back, list elements are nullable on both engines
    form_lines = run.work.write(work_tables.LINES_OF_FORMS, form_lines)
    exports.write_form_lines(form_lines, join(run.folders.outputs, *FORM_LINES_FOLDER))


def _previous(run: Run) -> DataFrame | None:
    """The positions of the latest published run other than this one; None if there is no such run or it has no
    positions.
    """
    before = published_runs(run.storage, run.settings.output.root, but=run.run_id)
    places = [join(folder, FOLDER) for folder in before[-1:]]
    written = [place for place in places if run.storage.exists(join(place, SUCCESS_MARKER))]
    return read_parquet(run.spark, written[0], POSITIONS) if written else None


def _check_balance(written: DataFrame, lines: DataFrame) -> None:
    if out_of_balance := positions.keys_out_of_balance(written, lines):
        raise LedgerError(
            f"positions, step {Step.EXPORTS}: the units of {counted(out_of_balance, 'key', 'keys')} do not add up "
            "to the invoiced total"
        )


def _posted(
    written: DataFrame,
    booked: DataFrame,
    lines: DataFrame | None,
    events: DataFrame | None,
    tie_out: DataFrame | None,
) -> Posted:
    by_position = written.groupBy("position").agg(F.sum("units").alias("units"), F.count(F.lit(1)).alias("rows"))
    sums = {row["position"]: row for row in by_position.collect()}
    counts: Counter[str] = Counter(positions.not_booked(booked))
    if lines is not None:
        of_lines = lines.agg(
            F.count_if(F.col("total") < 0).alias(Reason.NEGATIVE_TOTAL.value),
            F.coalesce(F.sum("replaced"), F.lit(0)).alias(Reason.REPLACED_BY_LATER_INVOICE.value),
        )
        counts.update(of_lines.collect()[0].asDict())
    if events is not None:
        not_placed = events.where(F.col("account").isNull())
        is_decision = F.col("finding_id").isNotNull()
        of_events = not_placed.agg(
            F.count_if(~is_decision).alias(Reason.SETTLEMENT_NOT_PLACED.value),
            F.count_if(is_decision).alias(Reason.DECISION_NOT_PLACED.value),
        )
        counts.update(of_events.collect()[0].asDict())
    counted: dict[str, dict[str, int]] = {}
    for reason, table in _COUNTED_OF.items():
        if counts[reason.value]:
            counted.setdefault(table, {})[reason.value] = counts[reason.value]
    return Posted(
        sum(row["rows"] for row in sums.values()),
        {position.value: sums[position.value]["units"] for position in Position if position.value in sums},
        counted,
        tie_out,
    )
