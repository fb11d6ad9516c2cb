"""Duplicate billing of one dispense.

R016 to R019 compare a row with the nearest earlier live row of Medicaid, or of commercial and Part D payers; R012
compares it with the row of another open ICN of MFP, and R057 with a row of another kind of payer. F34 to F36 and F57
are counts. Units that later rows with negative units reverse are not billed.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import WindowSpec

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import CONTRACT_PROGRAMS, MEDICAID_PROGRAMS, ClaimType, Program
from engine.contracts.facts import DUPLICATE_FACTS, ELSEWHERE_FACTS, TAKEN_BACK_FACTS
from engine.contracts.findings import MOST_RELATED_ROWS
from engine.facts.feature import Feature
from engine.facts.history import added_up, near, with_history
from engine.intervals import quarter_index_of
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, any_of, collect_list_over

# The dispense (contract part 3). In parts that may be NULL, NULL equals NULL; NULL in any other part means no key.
_RX_KEY = ("script_key", "fill_number", "date_of_service", "ndc11")
_MEDICAL_KEY = ("script_key", "claim_line", "hcpcs_code", "date_of_service", "ndc11")
# Rows are compared only within these (`_keyed` adds them).
_WITHIN = ("market", "rebate")
# The further columns within which a row with negative units reverses units of other rows.
_TAKEN_BACK_WITHIN = ("program", "billing_payer", "contract_id")
# A row with one status and a row with the other are never duplicates: they are parts of one fill.
_OTHER_PART = {"P": "C", "C": "P"}
_MEDICAID = "MEDICAID"
_PERIODS_APART = 4
# Transactions of the Medicare facilitator that close an ICN: reversals, and claims that are not eligible.
_CLOSING = ("003", "009", "013")
# Transactions that request a refund. A row without a code also requests one.
_REFUND_REQUESTS = ("001", "002")
# The notice of an upcoming withdrawal from the manufacturer's account: it neither requests a refund nor reverses one.
_WITHDRAWAL_NOTICE = "005"
# How many earlier rows are searched for the nearest one, and for those of other ICNs.
_ROWS_LOOKED_AT = 2 * MOST_RELATED_ROWS
_SAME_ROWS = "received by --as-of"
FEATURES = (
    Feature(
        "F34",
        "f34_same_key_count",
        "live lines with units above zero of the dispense, rebate type, program, state and period, this one "
        "among them; the other part of a partial fill is none",
        grain="natural key, program, state and period",
        window=_SAME_ROWS,
        unit="claim lines",
    ),
    Feature(
        "F35",
        "f35_cross_program_count",
        "distinct Medicaid programs of live lines with units above zero of the dispense and rebate type",
        grain="natural key",
        window=f"periods up to {_PERIODS_APART} quarters apart, {_SAME_ROWS}",
        unit="programs",
    ),
    Feature(
        "F36",
        "f36_cross_state_count",
        "distinct states of live Medicaid lines with units above zero",
        grain="pharmacy, Rx number, date of service and NDC-11",
        window=_SAME_ROWS,
        unit="states",
    ),
    Feature(
        "F57",
        "f57_mtf_dup_icn",
        "more than one ICN of the dispense is open: named by no XREF and not reversed or not eligible (MTF codes 003, "
        "009, 013); withdrawal notices (005) count for nothing",
        needs=("rebate_claims.mtf_icn",),
        grain="natural key, MFP alone",
        window=_SAME_ROWS,
        unit="boolean",
    ),
)
REPEAT_FACTS = (
    T.StructField("f34_same_key_count", T.LongType()),
    T.StructField("f35_cross_program_count", T.IntegerType()),
    T.StructField("f36_cross_state_count", T.IntegerType()),
    T.StructField("f57_mtf_dup_icn", T.BooleanType()),
    T.StructField("mtf_is_adjusted", T.BooleanType()),
    T.StructField("mtf_is_reversed", T.BooleanType()),
)
_ADJUSTMENT = "002"
_SCRIPT_AND_DAY = ("pharmacy_key", "claim_type", "script_key", "date_of_service", "ndc11")
_OF_MTF = ("mtf_icn", "mtf_xref_icn", "mtf_transaction_code")


def duplicates(claims: DataFrame) -> DataFrame:
    """Rows that repeat an earlier live row of the same dispense: source_row_id and DUPLICATE_FACTS.

    Rows that repeat none are absent. Medicaid rows repeat Medicaid rows, commercial and Part D rows repeat each other,
    and MFP rows repeat MFP rows under another ICN. Reversed rows neither repeat rows nor are repeated.

    Earlier: by received_at (NULL first), then source_row_id. Nearest: rows of the same payer, program and period first,
    then the latest.
    """
    return _repeated_claims(claims).unionByName(_repeated_icns(claims))


def taken_back(claims: DataFrame) -> DataFrame:
    """Rows whose units later rows with negative units reverse: source_row_id and TAKEN_BACK_FACTS.

    Other rows are absent. A row with negative units reverses the latest rows before it of the same dispense, payer,
    program, rebate type and contract. MFP rows that name an ICN act on that ICN alone (see `_closed_icns`), and notices
    of withdrawal act on nothing.
    """
    rows = _with_units_left(
        _with_repeated_key(_compared_by_units(claims), tuple(Program), holding=[F.col("units_asked") < 0])
    )
    taken = (F.col("units_asked") - F.col("units_left")).cast(TAKEN_BACK_FACTS[0].dataType)
    return rows.where((F.col("units_asked") > 0) & (taken > 0)).select(
        "source_row_id", taken.alias(TAKEN_BACK_FACTS[0].name)
    )


def still_billed(claims: DataFrame, taken: DataFrame) -> DataFrame:
    """The claims with positive units that later rows do not reverse in full. `taken`: see `taken_back`.

    Rules do not apply to fully reversed claims, so those must not occupy the 340B claim of another row.
    """
    units = taken.select(F.col("source_row_id").alias("taken_row_id"), TAKEN_BACK_FACTS[0].name)
    joined = claims.join(F.broadcast(units), on=F.col("source_row_id") == F.col("taken_row_id"), how="left")
    left = F.coalesce(F.col(TAKEN_BACK_FACTS[0].name) < F.coalesce("ndc_units", "units"), F.lit(True))
    return joined.where((F.col("units") > 0) & left).select(*column_names(claims))


def _repeated_claims(claims: DataFrame) -> DataFrame:
    """Add the nearest earlier row of the dispense and its rule.

    R018: of another state (another payer, if neither is a state); else R017: of another program; else R019: of another
    period; else R016. P and C rows are parts of one fill and never duplicates of each other; nor are rows of one payer
    that name two contracts.

    If a dispense has very many rows, only the last _ROWS_LOOKED_AT are searched, but all are counted.
    """
    _, arrival = _windows()
    status, row = F.col("dispensing_status"), F.struct(*_COMPARED, *_COMPARABLE)
    earlier = arrival.rowsBetween(Window.unboundedPreceding, -1)
    seen = _not_taken_back(_with_repeated_key(claims, (*MEDICAID_PROGRAMS, *CONTRACT_PROGRAMS))).withColumns(
        {
            "before": collect_list_over(row, arrival.rowsBetween(-_ROWS_LOOKED_AT, -1)),
            "place": F.row_number().over(arrival),
            **{f"before_{part}": F.count_if(status == part).over(earlier) for part in _OTHER_PART},
        }
    )
    seen = seen.withColumn("before", F.filter(F.reverse("before"), _is_comparable)).where(F.size("before") > 0)
    other_parts = F.lit(0)
    for own, other in _OTHER_PART.items():
        other_parts = F.when(status == own, F.col(f"before_{other}")).otherwise(other_parts)
    count = F.when(F.col("place") > _ROWS_LOOKED_AT, F.col("place") - 1 - other_parts).otherwise(F.size("before"))
    seen = seen.withColumns({"nearest": _nearest(F.col("before")), "duplicate_row_count": count})
    ids = F.transform("before", lambda other: other["source_row_id"])
    ids = F.slice(F.array_distinct(F.concat(F.array("nearest.source_row_id"), ids)), 1, MOST_RELATED_ROWS)
    return _duplicate_facts(seen.withColumn("duplicate_source_row_ids", ids), _rule(F.col("nearest")))


def _is_comparable(other: Column) -> Column:
    """Whether the row is not the other part of the fill and names no other contract with the same payer. Never NULL."""
    other_contract = (other["billing_payer"] == F.col("billing_payer")) & (other["contract_id"] != F.col("contract_id"))
    return ~_is_other_part(other) & ~F.coalesce(other_contract, F.lit(False))


def _is_other_part(other: Column) -> Column:
    """Whether the row is the other part of the partial fill. Never NULL."""
    parts = (
        (F.col("dispensing_status") == own) & (other["dispensing_status"] == part) for own, part in _OTHER_PART.items()
    )
    return F.coalesce(any_of(parts), F.lit(False))


_SAME_PERIOD = ("billing_payer", "program", "period")


def _nearest(latest_first: Column) -> Column:
    """The first element of the row's payer, program and period; else of its payer and program, of its payer, or of all.

    Several filters of one sorted array, so no structs have to be compared.
    """

    def first_of_same(*names: str) -> Column:
        return F.get(F.filter(latest_first, lambda other: all_of(other[n] == F.col(n) for n in names)), F.lit(0))

    return F.coalesce(
        first_of_same(*_SAME_PERIOD),
        first_of_same("billing_payer", "program"),
        first_of_same("billing_payer"),
        F.get(latest_first, F.lit(0)),
    )


def _repeated_icns(claims: DataFrame) -> DataFrame:
    """R012, for MFP rows. P and C rows are parts of one fill.

    The ids are taken from the _ROWS_LOOKED_AT rows before each row, so there may be fewer than MOST_RELATED_ROWS if an
    ICN has very many rows.
    """
    _, arrival = _windows()
    _, of_icn = _windows((*_WITHIN, "mtf_icn"))
    icn, is_part = F.col("mtf_icn"), F.coalesce(F.col("dispensing_status").isin(*_OTHER_PART), F.lit(False))
    open_rows = _open_icns(
        _not_taken_back(_with_repeated_key(_compared_by_units(claims), (Program.MFP,), _OF_MTF)), claims
    )
    row = F.struct(*_COMPARED)
    # For a run of consecutive rows of one ICN, the row before the run is the nearest row of another ICN.
    before_run = F.when(F.lag(icn).over(arrival) != icn, F.lag(row).over(arrival))
    looked_at = F.struct("mtf_icn", *_COMPARED, *_COMPARABLE)
    seen = open_rows.withColumns(
        {
            "before_run": before_run,
            "duplicate_row_count": F.row_number().over(arrival) - F.row_number().over(of_icn),
            "before": collect_list_over(looked_at, arrival.rowsBetween(-_ROWS_LOOKED_AT, -1)),
        }
    )
    others = F.filter(F.reverse("before"), lambda other: (other["mtf_icn"] != icn) & ~_is_other_part(other))
    so_far = arrival.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    nearest = F.last("before_run", True).over(so_far)
    seen = seen.withColumns({"before": others, "nearest": nearest})
    first = F.get("before", F.lit(0))
    of_part = F.when(first.isNotNull(), F.struct(*(first[name].alias(name) for name in _COMPARED)))
    seen = seen.withColumns(
        {
            "nearest": F.when(is_part, of_part).otherwise(F.col("nearest")),
            "duplicate_row_count": F.when(is_part, F.size("before")).otherwise(F.col("duplicate_row_count")),
        }
    ).where(F.col("nearest").isNotNull())
    ids = F.transform(F.slice("before", 1, MOST_RELATED_ROWS), lambda other: other["source_row_id"])
    nearest_id = F.array(F.col("nearest.source_row_id"))
    ids = F.when(F.size(ids) > 0, ids).otherwise(nearest_id)
    return _duplicate_facts(seen.withColumn("duplicate_source_row_ids", ids), F.lit("R012"))


def _open_icns(rows: DataFrame, claims: DataFrame) -> DataFrame:
    """The rows whose ICN is open (see `_closed_icns`)."""
    closed = _closed_icns(claims).select("closed_icn")
    return rows.where(F.col("mtf_icn").isNotNull()).join(
        closed, on=F.col("mtf_icn") == F.col("closed_icn"), how="left_anti"
    )


def _closed_icns(claims: DataFrame) -> DataFrame:
    """One row per MFP ICN (closed_icn) that a row names (XREF) or a transaction closes.

    is_adjusted: by a row under another ICN. is_reversed: under this ICN or another.

    An ICN alone identifies its claim: a row that corrects the product, the fill or the day of a dispense has another
    key.
    """
    icn, xref = F.col("mtf_icn"), F.col("mtf_xref_icn")
    is_closing = F.coalesce(F.col("mtf_transaction_code").isin(*_CLOSING), F.lit(False))
    is_adjustment = F.coalesce(F.col("mtf_transaction_code") == _ADJUSTMENT, F.lit(False))

    def about(number: Column, is_adjusted: Column) -> Column:
        # Cast, so both may be NULL in the same fields.
        fields = F.struct(number.alias("closed_icn"), is_adjusted.alias("is_adjusted"), is_closing.alias("is_reversed"))
        return fields.cast("struct<closed_icn: string, is_adjusted: boolean, is_reversed: boolean>")

    by_reference = about(xref, is_adjustment & ~xref.eqNullSafe(icn))
    by_line = about(F.when(is_closing, icn), F.lit(False))
    is_mfp = F.col("program") == Program.MFP.value
    return (
        claims.where(is_mfp & _is_no_notice() & (xref.isNotNull() | is_closing))
        .select(F.inline(F.array(by_reference, by_line)))
        .where(F.col("closed_icn").isNotNull())
        .groupBy("closed_icn")
        .agg(F.bool_or("is_adjusted").alias("is_adjusted"), F.bool_or("is_reversed").alias("is_reversed"))
    )


def billed_elsewhere(claims: DataFrame) -> DataFrame:
    """Dispenses that Medicaid and another payer bill: source_row_id and ELSEWHERE_FACTS of the later row.

    Other rows are absent. P and C rows are parts of one fill; MFP transactions that request no refund are excluded.
    """
    _, arrival = _windows(within=())
    earlier = arrival.rowsBetween(Window.unboundedPreceding, -1)
    is_medicaid, status = _is_medicaid(), F.col("dispensing_status")
    row = F.struct(*_COMPARED)

    def last(condition: Column) -> Column:
        return F.last(F.when(condition, row), True).over(earlier)

    def nearest_to(is_of_medicaid: Column) -> Column:
        """The last earlier row of the other kind of payer that is not the other part of the row's fill."""
        chosen = last(~is_of_medicaid)
        for own, other in _OTHER_PART.items():
            is_other_part = F.coalesce(status == other, F.lit(False))
            chosen = F.when(status == own, last(~is_of_medicaid & ~is_other_part)).otherwise(chosen)
        return chosen

    nearest_payer = F.when(is_medicaid, nearest_to(is_medicaid)).otherwise(nearest_to(~is_medicaid))
    of_both = [is_medicaid, ~is_medicaid]
    repeated = _with_repeated_key(_compared_by_units(claims), tuple(Program), ("mtf_transaction_code",), (), of_both)
    seen = _not_taken_back(repeated).where(_is_request()).withColumn("nearest", nearest_payer)
    nearest = F.col("nearest")
    paid_by_others = F.when(is_medicaid, F.col("amount_third_party")).otherwise(nearest["amount_third_party"])
    values = {
        "elsewhere_program": nearest["program"],
        "elsewhere_is_secondary": paid_by_others > 0,
        "elsewhere_payer_id": nearest["payer_id"],
        "elsewhere_claim_id": nearest["claim_id"],
        "elsewhere_source_row_id": nearest["source_row_id"],
    }
    return seen.where(nearest.isNotNull()).select(
        "source_row_id",
        *(values[field.name].cast(field.dataType).alias(field.name) for field in ELSEWHERE_FACTS),
    )


def _is_medicaid() -> Column:
    return F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))


def _windows(within: Sequence[str | Column] = _WITHIN) -> tuple[WindowSpec, WindowSpec]:
    """The rows of a dispense, by default of one rebate type and contract: all rows, and rows in arrival order."""
    dispense = Window.partitionBy("key_hash", "pharmacy_key", "claim_type", *_key_columns(), *within)
    return dispense, dispense.orderBy(F.col("received_at").asc_nulls_first(), F.col("source_row_id"))


def _not_taken_back(rows: DataFrame) -> DataFrame:
    """The rows that are not fully reversed, with the remaining units as `units_left`."""
    return _with_units_left(rows).where("units_left > 0")


def _with_units_left(rows: DataFrame) -> DataFrame:
    """Add `units_left` to `rows`: the positive units that later rows with negative units do not reverse.

    Each negative row reverses units of the latest row before it that has some left; for negative rows, units_left is
    negative.

    In the running total of units, a row keeps the part of its step that the lowest later point of the total leaves.
    """
    _, arrival = _windows((*_WITHIN, *_TAKEN_BACK_WITHIN))
    units = F.col("units_asked")
    so_far = arrival.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    from_here = arrival.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    rows = rows.withColumn("asked_so_far", F.sum(units).over(so_far))
    kept = F.min("asked_so_far").over(from_here) - (F.col("asked_so_far") - units)
    left = F.when(units > 0, F.greatest(kept, F.lit(0))).otherwise(units)
    return rows.withColumn("units_left", left).drop("asked_so_far")


def _duplicate_facts(seen: DataFrame, rule: Column) -> DataFrame:
    """DUPLICATE_FACTS of rows with `nearest`, the earlier row; `before`, the rows searched; their ids and number."""
    nearest = F.col("nearest")
    alike = F.filter("before", lambda other: all_of(other[name] == F.col(name) for name in _SAME_PERIOD))
    values = {
        "duplicate_rule": rule,
        "duplicate_source_row_ids": F.col("duplicate_source_row_ids"),
        "duplicate_row_count": F.col("duplicate_row_count"),
        "duplicate_source_row_id": nearest["source_row_id"],
        "duplicate_program": nearest["program"],
        "duplicate_payer_id": nearest["payer_id"],
        "duplicate_state": F.when(F.col("market") == _MEDICAID, nearest["billing_payer"]),
        "duplicate_period": nearest["period"],
        "duplicate_claim_id": nearest["claim_id"],
        "duplicate_received_at": nearest["received_at"],
        "duplicate_contract_id": nearest["contract_id"],
        "duplicate_amount_third_party": nearest["amount_third_party"],
        "duplicate_modifiers": F.array_join(F.transform(alike, _modifiers), ""),
        "duplicate_units": nearest["ndc_units"],
        "duplicate_units_at_issue": F.col("units_left"),
    }
    return seen.select(
        "source_row_id",
        *(values[field.name].cast(field.dataType).alias(field.name) for field in DUPLICATE_FACTS),
    )


def _modifiers(row: Column) -> Column:
    return F.concat(F.lit("<|"), F.coalesce(row["modifiers"], F.lit("")), F.lit("|>"))


# The columns of an earlier row that findings report.
_COMPARED = (
    *("source_row_id", "program", "payer_id", "billing_payer", "period", "claim_id", "received_at", "ndc_units"),
    *("contract_id", "amount_third_party", "modifiers"),
)
# Further columns that decide whether two rows can be compared.
_COMPARABLE = ("dispensing_status",)


def _key_columns() -> list[str]:
    return sorted({*_RX_KEY, *_MEDICAL_KEY})


def _with_repeated_key(
    claims: DataFrame,
    programs: Sequence[Program],
    more: Sequence[str] = (),
    within: Sequence[str] = _WITHIN,
    holding: Sequence[Column] = (),
) -> DataFrame:
    """Narrow rows of the programs whose dispense key (with market and rebate) occurs, by hash, in another row too.

    With `holding`, only keys for which each of these conditions holds in at least one row.
    """
    keyed = _keyed(claims, programs, more, within)
    holds = {f"holds_{n}": F.bool_or(condition) for n, condition in enumerate(holding)}
    repeated = keyed.groupBy("key_hash").agg(
        F.count(F.lit(1)).alias("rows"), *(column.alias(name) for name, column in holds.items())
    )
    repeated = repeated.where(all_of([F.col("rows") > 1, *(F.col(name) for name in holds)]))
    # One shuffle serves the windows over a dispense and over parts of it.
    return keyed.join(F.broadcast(repeated), on="key_hash", how="left_semi").repartition("key_hash")


def _keyed(claims: DataFrame, programs: Sequence[Program], more: Sequence[str], within: Sequence[str]) -> DataFrame:
    """Narrow rows that have a dispense key; columns that are not part of a claim type's key are NULL."""
    is_rx = F.col("claim_type") == ClaimType.RX.value
    has_medical_key = F.col("hcpcs_code").isNotNull() & F.col("claim_line").isNotNull()
    is_of_program = F.col("program").isin(*(program.value for program in programs))
    has_key = (
        F.col("pharmacy_key").isNotNull()
        & F.col("script_key").isNotNull()
        & F.col("date_of_service").isNotNull()
        & F.col("ndc11").isNotNull()
        & (is_rx | has_medical_key)
    )
    own = {
        **{name: F.when(is_rx, F.col(name)) for name in _RX_KEY if name not in _MEDICAL_KEY},
        **{name: F.when(~is_rx, F.col(name)) for name in _MEDICAL_KEY if name not in _RX_KEY},
    }
    narrow = claims.where(is_of_program & has_key).select(
        "pharmacy_key",
        "claim_type",
        *(own.get(name, F.col(name)).alias(name) for name in _key_columns()),
        _market().alias("market"),
        _rebate().alias("rebate"),
        *_COMPARABLE,
        *more,
        *(name for name in _COMPARED if name not in ("billing_payer", "contract_id")),
        F.when(F.col("program") != Program.MFP.value, F.col("contract_id")).alias("contract_id"),
        F.when(_is_medicaid(), F.coalesce("state", "payer_id")).otherwise(F.col("payer_id")).alias("billing_payer"),
        F.coalesce("ndc_units", "units").alias("units_asked"),
    )
    # A filter only; the windows test equality on the columns themselves.
    key_hash = F.xxhash64("pharmacy_key", "claim_type", *_key_columns(), *within)
    return narrow.withColumn("key_hash", key_hash)


def _market() -> Column:
    """The market of the payer: duplicates are searched within one market; R057 compares markets."""
    is_contract = F.col("program").isin(*(program.value for program in CONTRACT_PROGRAMS))
    return F.when(_is_medicaid(), F.lit(_MEDICAID)).when(is_contract, F.lit("CONTRACT")).otherwise(F.col("program"))


def _rebate() -> Column:
    """The rebate type; if none is stated, the program's only one. A refund under the MFP has none."""
    is_mfp = F.col("program") == Program.MFP.value
    return F.when(is_mfp, F.lit("MFP")).when(~is_mfp, rebate_type_of_key())


def _is_no_notice() -> Column:
    """Never NULL."""
    return F.coalesce(F.col("mtf_transaction_code") != _WITHDRAWAL_NOTICE, F.lit(True))


def _is_request() -> Column:
    """Whether the row requests a rebate or refund, as rows of programs other than MFP always do. Never NULL."""
    return is_refund_request() | (F.col("program") != Program.MFP.value)


def is_refund_request() -> Column:
    """Whether an MFP row requests a refund, as one without a transaction code does. Never NULL."""
    return F.coalesce(F.col("mtf_transaction_code").isin(*_REFUND_REQUESTS), F.lit(True))


def _compared_by_units(claims: DataFrame) -> DataFrame:
    """`claims` without notices of withdrawal, and without MFP credits that act on the ICN that they name."""
    return claims.where(_is_no_notice() & ~_acts_by_icn())


def _acts_by_icn() -> Column:
    """Whether an MFP row with negative units names the ICN that it reverses or replaces. Never NULL."""
    is_closing = F.coalesce(F.col("mtf_transaction_code").isin(*_CLOSING), F.lit(False))
    is_credit = (F.col("program") == Program.MFP.value) & (F.col("units") < 0)
    return is_credit & (F.col("mtf_xref_icn").isNotNull() | (is_closing & F.col("mtf_icn").isNotNull()))


def _rule(nearest: Column) -> Column:
    return (
        F.when(F.col("billing_payer") != nearest["billing_payer"], F.lit("R018"))
        .when(F.col("program") != nearest["program"], F.lit("R017"))
        .when(F.col("period") != nearest["period"], F.lit("R019"))
        .otherwise(F.lit("R016"))
    )


def with_repeats(rows: DataFrame, flagged: DataFrame, claims: DataFrame) -> DataFrame:
    """Add `repeats`, a struct of REPEAT_FACTS, to `rows`.

    F34 to F36 on Medicaid lines and F57 on MFP lines that have a dispense key, else NULL.
    """
    by = {
        **_line_of_dispense(),
        "program": F.col("program"),
        "dispensing_status": F.col("dispensing_status"),
        "state": F.coalesce("state", "payer_id"),
        "quarter": quarter_index_of(F.col("period")),
    }
    lines = near(flagged, claims, _SCRIPT_AND_DAY)
    assert lines is not None
    invoiced_lines = lines.where(_is_medicaid() & (F.col("units") > 0))
    enriched = with_history(rows, invoiced_lines, _SCRIPT_AND_DAY, by, "lines")
    enriched = _with_icn(enriched.withColumns(_line_of_dispense("dispense_")), lines, claims)
    enriched = enriched.withColumn("own", F.struct(*(column.alias(name) for name, column in by.items())))
    invoiced = F.filter("lines", _is_same_dispense)
    programs = F.transform(F.filter(invoiced, _is_in_near_period), lambda line: line["program"])
    states = F.transform("lines", lambda line: line["state"])
    is_medicaid, is_mfp = _is_medicaid(), F.col("program") == Program.MFP.value
    has_icn = F.col("mtf_icn").isNotNull()
    has_key = _is_rx() | (F.col("hcpcs_code").isNotNull() & F.col("claim_line").isNotNull())
    values = {
        "f34_same_key_count": F.when(is_medicaid & has_key, added_up(F.filter(invoiced, _is_on_same_invoice), "n")),
        "f35_cross_program_count": F.when(is_medicaid & has_key, F.size(F.array_distinct(programs))),
        "f36_cross_state_count": F.when(is_medicaid, F.size(F.array_distinct(states))),
        "f57_mtf_dup_icn": F.when(is_mfp & has_key & has_icn, F.coalesce(F.col("open_icns") > 1, F.lit(False))),
        "mtf_is_adjusted": F.when(is_mfp & has_key & has_icn, F.coalesce("is_adjusted", F.lit(False))),
        "mtf_is_reversed": F.when(is_mfp & has_key & has_icn, F.coalesce("is_reversed", F.lit(False))),
    }
    facts = F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in REPEAT_FACTS))
    return enriched.select(*column_names(rows), F.when(F.col("lines").isNotNull(), facts).alias("repeats"))


def _line_of_dispense(prefix: str = "") -> dict[str, Column]:
    """The columns that distinguish dispenses of one prescription and day.

    Parts that are not in the claim type's key are NULL, so lines that differ in nothing else are counted as one entry.
    """
    own = {
        "fill_number": F.when(_is_rx(), F.col("fill_number")),
        "claim_line": F.when(~_is_rx(), F.col("claim_line")),
        "hcpcs_code": F.when(~_is_rx(), F.col("hcpcs_code")),
        "rebate": _rebate(),
    }
    return {f"{prefix}{name}": column for name, column in own.items()}


def _with_icn(rows: DataFrame, lines: DataFrame, claims: DataFrame) -> DataFrame:
    """Add is_adjusted, is_reversed and open_icns to `rows` (with the `dispense_` columns).

    is_adjusted and is_reversed: how the row's ICN was closed, NULL if it was not. open_icns: the number of open ICNs of
    the dispense, NULL if there are none.
    """
    closed = _closed_icns(claims)
    key = (*_SCRIPT_AND_DAY, *_line_of_dispense())
    own = lines.where((F.col("program") == Program.MFP.value) & _is_no_notice() & F.col("mtf_icn").isNotNull()).select(
        *(F.col(name).alias(f"of_{name}") for name in _SCRIPT_AND_DAY),
        *(column.alias(f"of_{name}") for name, column in _line_of_dispense().items()),
        F.col("mtf_icn").alias("own_icn"),
    )
    still_open = own.join(closed.select(F.col("closed_icn").alias("own_icn")), on="own_icn", how="left_anti")
    open_icns = still_open.groupBy(*(f"of_{name}" for name in key)).agg(F.count_distinct("own_icn").alias("open_icns"))
    same = [F.col(name) == F.col(f"of_{name}") for name in _SCRIPT_AND_DAY]
    same += [F.col(f"dispense_{name}").eqNullSafe(F.col(f"of_{name}")) for name in _line_of_dispense()]
    # One row per ICN, and one row per dispense.
    joined = rows.join(closed, on=F.col("mtf_icn") == F.col("closed_icn"), how="left")
    joined = joined.join(open_icns, on=same, how="left")
    return joined.select(*column_names(rows), "is_adjusted", "is_reversed", "open_icns")


def _is_rx() -> Column:
    return F.col("claim_type") == ClaimType.RX.value


def _is_same_dispense(line: Column) -> Column:
    def equal(name: str) -> Column:
        return line[name].eqNullSafe(F.col(f"own.{name}"))

    return all_of(equal(name) for name in _line_of_dispense())


def _is_on_same_invoice(line: Column) -> Column:
    """Whether the line has the row's program, state and period, and is not the other part of its partial fill."""
    is_other_part = F.coalesce(line["dispensing_status"] != F.col("own.dispensing_status"), F.lit(False))
    same = [line[name].eqNullSafe(F.col(f"own.{name}")) for name in ("program", "state", "quarter")]
    return all_of([~is_other_part, *same])


def _is_in_near_period(line: Column) -> Column:
    return F.abs(line["quarter"] - F.col("own.quarter")) <= _PERIODS_APART
