"""What models measure of a row, and when it means nothing."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from engine.models.surprises import measure


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("f46_units_to_own_median", "own_past_quarters"),
        ("units_per_prescription_to_own_median", "own_quarters"),
        ("paid_per_unit_to_own_median", "own_quarters"),
    ],
)
def test_two_quarters_of_a_line_do_not_show_which_of_them_is_unusual(
    spark: SparkSession, name: str, column: str
) -> None:
    """Of 1 and 5 units per prescription the median is 3: one lies as far below it as the other lies above."""
    lines = spark.createDataFrame(
        [(2, 1 / 3), (2, 5 / 3), (3, 5.0), (None, 5.0), (1, 1.0)], f"{column} bigint, {name} double"
    )
    measured = [row["value"] for row in lines.select(measure(name, Subject.INVOICE).alias("value")).collect()]
    assert measured == [None, None, 5.0, None, None]


def test_what_compares_a_line_with_other_lines_needs_no_other_quarter(spark: SparkSession) -> None:
    lines = spark.createDataFrame([(1, 12.5)], "own_quarters bigint, f48_paid_per_unit double")
    assert lines.select(measure("f48_paid_per_unit", Subject.INVOICE).alias("value")).collect()[0]["value"] == 12.5


def test_what_payers_paid_together_for_whole_fills(spark: SparkSession) -> None:
    rows = [
        ("20.00", "10.00", "30", None, 1.0),
        ("0.00", "30.00", "30", None, 1.0),
        ("20.00", None, "30", "P", 20 / 30),
        ("0.00", None, "30", None, None),
        ("20.00", None, "-30", None, None),
    ]
    kinds = "amount_paid string, amount_third_party string, ndc_units string, dispensing_status string, expected double"
    claims = spark.createDataFrame(rows, kinds).selectExpr(
        *(f"cast({name} as decimal(15,3)) as {name}" for name in ("amount_paid", "amount_third_party", "ndc_units")),
        "dispensing_status",
        "expected",
    )
    found = claims.select(
        measure("paid_per_unit", Subject.REBATE_CLAIM).alias("paid"),
        measure("units_per_prescription", Subject.REBATE_CLAIM).alias("units"),
        "expected",
        "dispensing_status",
    ).collect()
    assert [row["paid"] for row in found] == [
        None if row["expected"] is None else pytest.approx(row["expected"]) for row in found
    ]
    # a part of a fill is paid for as a whole is, but its units are no prescription's
    assert [row["units"] for row in found] == [30.0, 30.0, None, 30.0, None]


def test_a_payment_is_only_ever_late_and_what_a_rule_states_of_it_is_nothing_new(spark: SparkSession) -> None:
    rows = [
        ("COMMERCIAL", 0, 14.0),
        ("COMMERCIAL", 13, 14.0),
        ("COMMERCIAL", 15, 15.0),
        ("COMMERCIAL", 400, 400.0),
        ("MDRP_FFS", 365, 365.0),
        ("MDRP_FFS", 366, None),  # R041
        ("PARTD", -1, None),
        ("PARTD", None, None),
    ]
    claims = spark.createDataFrame(rows, "program string, f44_claim_age_days int, expected double")
    found = claims.select(measure("days_to_payment", Subject.REBATE_CLAIM).alias("days"), "expected").collect()
    assert [row["days"] for row in found] == [row["expected"] for row in found]
