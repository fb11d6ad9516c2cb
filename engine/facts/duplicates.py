"""One dispense asked for more than once: R016 to R019 compare a row with the nearest earlier live one of Medicaid, R012
with that of another open ICN of MFP, R057 with that of another kind of payer; F34 to F36 and F57 count. What rows with
units below zero take back is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import WindowSpec

from engine.contracts.codes import MEDICAID_PROGRAMS, ClaimType, Program
from engine.contracts.facts import DUPLICATE_FACTS, ELSEWHERE_FACTS
from engine.facts.feature import Feature
from engine.facts.history import added_up, near, with_history
from engine.intervals import number_of_quarter
from engine.runtime.expressions import all_of, array_contains, array_except, collect_list_over, collect_set_over

# The dispense (contract part 3). Parts that may be NULL equal NULL; of the others NULL means no key.
_RX_KEY = ("script_key", "fill_number", "date_of_service", "ndc11")
_MEDICAL_KEY = ("script_key", "claim_line", "hcpcs_code", "date_of_service", "ndc11")
# Compared only within these.
_WITHIN = ("rebate_type", "contract_id")
# Besides dispense, rebate type and contract: where a row with units below zero takes back what others ask for.
_TAKEN_BACK_WITHIN = ("program", "asking_state", "period")
# Of a row with one status, rows with the other are never duplicates: they are parts of one fill.
_OTHER_PART = {"P": "C", "C": "P"}
_PERIODS_APART = 4
# Transactions of the Medicare facilitator that close an ICN: reversals, withdrawal, not eligible.
_CLOSING = ("003", "005", "009", "013")
_SAME_ROWS = "received by --as-of"
FEATURES = (
    Feature(
        "F34",
        "f34_same_key_count",
        "live lines with units above zero of the dispense, rebate type, contract, program, state and period, this one "
        "among them; the other part of a partial fill is none",
        grain="natural key, program, state and period",
        window=_SAME_ROWS,
        unit="claim lines",
    ),
    Feature(
        "F35",
        "f35_cross_program_count",
        "distinct Medicaid programs of live lines with units above zero of the dispense, rebate type and contract",
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
        "more than one ICN of the dispense is open: named by no XREF and not reversed, withdrawn or not eligible (MTF "
        "codes 003, 005, 009, 013)",
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
_OF_LINE = (
    *("program", "fill_number", "claim_line", "hcpcs_code", "dispensing_status", *_WITHIN),
    *_OF_MTF,
)


def duplicates(claims: DataFrame) -> DataFrame:
    """Rows that repeat an earlier live row of the same dispense: source_row_id and DUPLICATE_FACTS. Rows that repeat
    none are absent. Medicaid rows repeat Medicaid rows, MFP rows MFP rows under another ICN. Rows that are taken back
    repeat none and are not repeated.

    Earlier: by received_at (NULL first), then source_row_id.
    """
    return _repeated_claims(claims).unionByName(_repeated_icns(claims))


def _repeated_claims(claims: DataFrame) -> DataFrame:
    """Of Medicaid: R018 another state, else R017 another program, else R019 another period, else R016. P and C rows are
    parts of one fill and never duplicates of each other.
    """
    _, earlier = _windows()
    row = F.struct(*_COMPARED)
    seen = (
        _not_taken_back(_crowded(claims, MEDICAID_PROGRAMS))
        .withColumns(
            {
                "nearest": _comparable(lambda is_comparable: F.last(F.when(is_comparable, row), True).over(earlier)),
                "duplicate_source_row_ids": _comparable(
                    lambda is_comparable: F.sort_array(
                        collect_list_over(F.when(is_comparable, F.col("source_row_id")), earlier)
                    )
                ),
            }
        )
        .where(F.col("nearest").isNotNull())
    )
    return _told(seen, _rule(F.col("nearest")))


def _repeated_icns(claims: DataFrame) -> DataFrame:
    """Of MFP: R012. An ICN is open where no row of its dispense names it (XREF) and no transaction closes it."""
    dispense, earlier = _windows()
    icn = F.col("mtf_icn")
    is_closing = F.col("mtf_transaction_code").isin(*_CLOSING)
    closed = F.concat(
        collect_set_over(F.col("mtf_xref_icn"), dispense), collect_set_over(F.when(is_closing, icn), dispense)
    )
    is_open = icn.isNotNull() & ~array_contains(closed, icn)
    open_rows = _crowded(claims, (Program.MFP,), _OF_MTF).withColumn("is_open", is_open).where("is_open")
    open_rows = _not_taken_back(open_rows)
    earlier_rows = collect_list_over(F.struct(*_COMPARED, "mtf_icn"), earlier)
    others = F.filter(earlier_rows, lambda row: row["mtf_icn"] != icn)
    seen = open_rows.withColumn("others", others).where(F.size("others") > 0)
    seen = seen.withColumns(
        {
            "nearest": F.get("others", F.size("others") - 1),
            "duplicate_source_row_ids": F.sort_array(F.transform("others", lambda row: row["source_row_id"])),
        }
    )
    return _told(seen, F.lit("R012"))


def asked_elsewhere(claims: DataFrame) -> DataFrame:
    """Prescriptions that Medicaid and another payer ask for: source_row_id and ELSEWHERE_FACTS of the later row. Others
    are absent. Medical claims go by their payer's own numbers, which no other payer shares.
    """
    prescriptions = claims.where(F.col("claim_type") == ClaimType.RX.value)
    _, earlier = _windows(within=())
    is_medicaid = _is_medicaid()
    row = F.struct(*_COMPARED, "amount_third_party")
    of_medicaid = F.last(F.when(is_medicaid, row), True).over(earlier)
    of_others = F.last(F.when(~is_medicaid, row), True).over(earlier)
    crowded = _crowded(prescriptions, tuple(Program), ("amount_third_party", *_WITHIN), within=())
    seen = _not_taken_back(crowded).withColumn("nearest", F.when(is_medicaid, of_others).otherwise(of_medicaid))
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


def _windows(within: Sequence[str] = _WITHIN) -> tuple[WindowSpec, WindowSpec]:
    """All rows of a dispense, by default of one rebate type and contract; and those before the row."""
    dispense = Window.partitionBy("key_hash", "pharmacy_key", "claim_type", *_key_columns(), *within)
    arrival = dispense.orderBy(F.col("received_at").asc_nulls_first(), F.col("source_row_id"))
    return dispense, arrival.rowsBetween(Window.unboundedPreceding, -1)


def _not_taken_back(rows: DataFrame) -> DataFrame:
    """The rows of which something is still asked for, with that part as `units_left`: rows with units below zero take
    back from those of the same dispense, program, state and period, from the last one first, whichever came before.
    """
    whole, earlier = _windows((*_WITHIN, *_TAKEN_BACK_WITHIN))
    units = F.col("units_asked")
    asked_before = F.coalesce(F.sum(F.when(units > 0, units)).over(earlier), F.lit(0))
    left = F.least(units, F.sum(units).over(whole) - asked_before)
    return rows.withColumn("units_left", left).where("units_left > 0")


def _told(seen: DataFrame, rule: Column) -> DataFrame:
    """DUPLICATE_FACTS of rows with `nearest`, the earlier row, and all earlier ones."""
    nearest = F.col("nearest")
    values = {
        "duplicate_rule": rule,
        "duplicate_source_row_ids": F.col("duplicate_source_row_ids"),
        "duplicate_source_row_id": nearest["source_row_id"],
        "duplicate_program": nearest["program"],
        "duplicate_payer_id": nearest["payer_id"],
        "duplicate_state": nearest["asking_state"],
        "duplicate_period": nearest["period"],
        "duplicate_claim_id": nearest["claim_id"],
        "duplicate_received_at": nearest["received_at"],
        "duplicate_units": nearest["ndc_units"],
        "duplicate_units_at_issue": F.col("units_left"),
    }
    return seen.select(
        "source_row_id",
        *(values[field.name].cast(field.dataType).alias(field.name) for field in DUPLICATE_FACTS),
    )


_COMPARED = (
    "source_row_id",
    "program",
    "payer_id",
    "asking_state",
    "period",
    "claim_id",
    "received_at",
    "ndc_units",
)


def _comparable(over_earlier: Callable[[Column], Column]) -> Column:
    """What `over_earlier` says of the earlier rows of the dispense that are not the other part of the row's fill."""
    status = F.col("dispensing_status")
    answer = over_earlier(F.lit(True))
    for own, other in _OTHER_PART.items():
        is_comparable = ~F.coalesce(status == other, F.lit(False))
        answer = F.when(status == own, over_earlier(is_comparable)).otherwise(answer)
    return answer


def _key_columns() -> list[str]:
    return sorted({*_RX_KEY, *_MEDICAL_KEY})


def _crowded(
    claims: DataFrame, programs: Sequence[Program], more: Sequence[str] = (), within: Sequence[str] = _WITHIN
) -> DataFrame:
    """Narrow rows of the programs whose dispense key (and rebate type and contract) are, by hash, another row's too."""
    keyed = _keyed(claims, programs, more, within)
    crowded = keyed.groupBy("key_hash").agg(F.count(F.lit(1)).alias("rows")).where(F.col("rows") > 1)
    # one exchange for the windows over a dispense and over parts of it
    return keyed.join(F.broadcast(crowded), on="key_hash", how="left_semi").repartition("key_hash")


def _keyed(claims: DataFrame, programs: Sequence[Program], more: Sequence[str], within: Sequence[str]) -> DataFrame:
    """Narrow rows that have a dispense key; columns that are not of a claim type's key are NULL there."""
    is_rx = F.col("claim_type") == ClaimType.RX.value
    has_medical_key = F.col("hcpcs_code").isNotNull() & F.col("claim_line").isNotNull()
    is_asked = F.col("program").isin(*(program.value for program in programs))
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
    narrow = claims.where(is_asked & has_key).select(
        "pharmacy_key",
        "claim_type",
        *(own.get(name, F.col(name)).alias(name) for name in _key_columns()),
        *within,
        "dispensing_status",
        *more,
        *(name for name in _COMPARED if name != "asking_state"),
        F.coalesce("state", "payer_id").alias("asking_state"),
        F.coalesce("ndc_units", "units").alias("units_asked"),
    )
    # a filter only; equality is tested on the columns by the window
    key_hash = F.xxhash64("pharmacy_key", "claim_type", *_key_columns(), *within)
    return narrow.withColumn("key_hash", key_hash)


def _rule(nearest: Column) -> Column:
    return (
        F.when(~F.col("asking_state").eqNullSafe(nearest["asking_state"]), F.lit("R018"))
        .when(F.col("program") != nearest["program"], F.lit("R017"))
        .when(F.col("period") != nearest["period"], F.lit("R019"))
        .otherwise(F.lit("R016"))
    )


def with_repeats(rows: DataFrame, asked: DataFrame, claims: DataFrame) -> DataFrame:
    """`rows` with `repeats`, a struct of REPEAT_FACTS: F34 to F36 on Medicaid lines and F57 on MFP lines that have a
    dispense key, else NULL.
    """
    by = {
        **{name: F.col(name) for name in _OF_LINE},
        "state": F.coalesce("state", "payer_id"),
        "quarter": number_of_quarter(F.col("period")),
        "is_medicaid": F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS)),
        "has_units": F.col("units") > 0,
    }
    told = with_history(rows, near(asked, claims, _SCRIPT_AND_DAY), _SCRIPT_AND_DAY, by, "lines")
    told = told.withColumn("own", F.struct(*(column.alias(name) for name, column in by.items())))
    of_dispense = F.filter("lines", _is_same_dispense)
    invoiced = F.filter(of_dispense, _is_invoiced)
    programs = F.transform(F.filter(invoiced, _is_in_near_period), lambda line: line["program"])
    states = F.transform(F.filter("lines", _is_invoiced), lambda line: line["state"])
    is_medicaid, is_mfp = F.col("own.is_medicaid"), F.col("own.program") == Program.MFP.value
    has_icn = F.col("own.mtf_icn").isNotNull()
    has_key = _is_rx() | (F.col("own.hcpcs_code").isNotNull() & F.col("own.claim_line").isNotNull())
    values = {
        "f34_same_key_count": F.when(is_medicaid & has_key, added_up(F.filter(invoiced, _is_on_same_invoice), "n")),
        "f35_cross_program_count": F.when(is_medicaid & has_key, F.size(F.array_distinct(programs))),
        "f36_cross_state_count": F.when(is_medicaid, F.size(F.array_distinct(states))),
        "f57_mtf_dup_icn": F.when(is_mfp & has_key & has_icn, _has_two_open_icns(of_dispense)),
        "mtf_is_adjusted": F.when(is_mfp & has_key, F.exists(of_dispense, _adjusts)),
        "mtf_is_reversed": F.when(is_mfp & has_key & has_icn, F.exists(of_dispense, _reverses)),
    }
    facts = F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in REPEAT_FACTS))
    return told.select(*rows.columns, F.when(F.col("lines").isNotNull(), facts).alias("repeats"))


def _is_rx() -> Column:
    return F.col("claim_type") == ClaimType.RX.value


def _is_invoiced(line: Column) -> Column:
    return line["is_medicaid"] & line["has_units"]


def _is_same_dispense(line: Column) -> Column:
    def equal(name: str) -> Column:
        return line[name].eqNullSafe(F.col(f"own.{name}"))

    same_line = F.when(_is_rx(), equal("fill_number")).otherwise(equal("claim_line") & equal("hcpcs_code"))
    return all_of([same_line, *(equal(name) for name in _WITHIN)])


def _is_on_same_invoice(line: Column) -> Column:
    """Of the row's program, state and period, and not the other part of its partial fill."""
    is_other_part = F.coalesce(line["dispensing_status"] != F.col("own.dispensing_status"), F.lit(False))
    same = [line[name].eqNullSafe(F.col(f"own.{name}")) for name in ("program", "state", "quarter")]
    return all_of([~is_other_part, *same])


def _is_in_near_period(line: Column) -> Column:
    return F.abs(line["quarter"] - F.col("own.quarter")) <= _PERIODS_APART


def _adjusts(line: Column) -> Column:
    """The line is an adjustment that names the row's ICN and has another."""
    own = F.col("own.mtf_icn")
    names_own = (line["mtf_xref_icn"] == own) & ~line["mtf_icn"].eqNullSafe(own)
    return F.coalesce(names_own & (line["mtf_transaction_code"] == _ADJUSTMENT), F.lit(False))


def _reverses(line: Column) -> Column:
    """The line closes the row's ICN, under that ICN or another."""
    is_named = array_contains(F.array(line["mtf_xref_icn"], line["mtf_icn"]), F.col("own.mtf_icn"))
    return F.coalesce(is_named & line["mtf_transaction_code"].isin(*_CLOSING), F.lit(False))


def _has_two_open_icns(lines: Column) -> Column:
    of_mfp = F.filter(lines, lambda line: line["program"] == Program.MFP.value)
    named = F.array_compact(F.transform(of_mfp, lambda line: line["mtf_xref_icn"]))
    closing = F.filter(of_mfp, lambda line: F.coalesce(line["mtf_transaction_code"].isin(*_CLOSING), F.lit(False)))
    closed = F.concat(named, F.transform(closing, lambda line: line["mtf_icn"]))
    icns = F.array_compact(F.transform(of_mfp, lambda line: line["mtf_icn"]))
    return F.size(array_except(icns, closed)) > 1
