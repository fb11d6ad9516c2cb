"""One dispense asked for more than once by Medicaid: R016 to R019 compare a row with the nearest earlier live one."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS, ClaimType
from engine.contracts.facts import DUPLICATE_FACTS

# The dispense (contract part 3). Parts that may be NULL equal NULL; of the others NULL means no key.
_RX_KEY = ("script_key", "fill_number", "date_of_service", "ndc11")
_MEDICAL_KEY = ("script_key", "claim_line", "hcpcs_code", "date_of_service", "ndc11")
# Compared only within these.
_WITHIN = ("rebate_type", "contract_id")
# Of a row with one status, rows with the other are never duplicates: they are parts of one fill.
_OTHER_PART = {"P": "C", "C": "P"}


def duplicates(claims: DataFrame) -> DataFrame:
    """Rows that repeat an earlier live Medicaid row of the same dispense: source_row_id and DUPLICATE_FACTS. Rows that
    repeat none are absent. P and C rows are parts of one fill and never duplicates of each other.

    Earlier: by received_at (NULL first), then source_row_id. R018 another state, else R017 another program, else R019
    another period, else R016.
    """
    keyed = _keyed(claims)
    crowded = keyed.groupBy("key_hash").agg(F.count(F.lit(1)).alias("rows")).where(F.col("rows") > 1)
    candidates = keyed.join(F.broadcast(crowded), on="key_hash", how="left_semi")
    dispense = Window.partitionBy("key_hash", "pharmacy_key", "claim_type", *_key_columns(), *_WITHIN)
    arrival = dispense.orderBy(F.col("received_at").asc_nulls_first(), F.col("source_row_id"))
    earlier = arrival.rowsBetween(Window.unboundedPreceding, -1)
    row = F.struct(*_COMPARED)
    seen = candidates.withColumns(
        {
            "nearest": _comparable(lambda is_comparable: F.last(F.when(is_comparable, row), True).over(earlier)),
            "duplicate_source_row_ids": _comparable(
                lambda is_comparable: F.sort_array(
                    F.collect_list(F.when(is_comparable, F.col("source_row_id"))).over(earlier)
                )
            ),
        }
    ).where(F.col("nearest").isNotNull())
    nearest = F.col("nearest")
    values = {
        "duplicate_rule": _rule(nearest),
        "duplicate_source_row_ids": F.col("duplicate_source_row_ids"),
        "duplicate_source_row_id": nearest["source_row_id"],
        "duplicate_program": nearest["program"],
        "duplicate_payer_id": nearest["payer_id"],
        "duplicate_state": nearest["asking_state"],
        "duplicate_period": nearest["period"],
        "duplicate_claim_id": nearest["claim_id"],
        "duplicate_received_at": nearest["received_at"],
        "duplicate_units": nearest["ndc_units"],
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


def _keyed(claims: DataFrame) -> DataFrame:
    """Narrow Medicaid rows that have a dispense key; columns that are not of a claim type's key are NULL there."""
    is_rx = F.col("claim_type") == ClaimType.RX.value
    has_medical_key = F.col("hcpcs_code").isNotNull() & F.col("claim_line").isNotNull()
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
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
    narrow = claims.where(is_medicaid & has_key).select(
        "pharmacy_key",
        "claim_type",
        *(own.get(name, F.col(name)).alias(name) for name in _key_columns()),
        *_WITHIN,
        "dispensing_status",
        *(name for name in _COMPARED if name != "asking_state"),
        F.coalesce("state", "payer_id").alias("asking_state"),
    )
    # a filter only; equality is tested on the columns by the window
    key_hash = F.xxhash64("pharmacy_key", "claim_type", *_key_columns(), *_WITHIN)
    return narrow.withColumn("key_hash", key_hash)


def _rule(nearest: Column) -> Column:
    return (
        F.when(~F.col("asking_state").eqNullSafe(nearest["asking_state"]), F.lit("R018"))
        .when(F.col("program") != nearest["program"], F.lit("R017"))
        .when(F.col("period") != nearest["period"], F.lit("R019"))
        .otherwise(F.lit("R016"))
    )
