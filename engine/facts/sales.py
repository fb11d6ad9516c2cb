"""Units invoiced compared with units sold into the state (`sales`: docs/contract-extensions.md)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import Subject
from engine.facts.feature import Feature
from engine.facts.history import TRAILING_QUARTERS, added_up
from engine.intervals import quarter_index_of
from engine.runtime.column_names import column_names
from engine.runtime.expressions import divide

_SUM = "decimal(38,3)"
# The key of a total, in addition to the columns below: the invoice's own lines and their corrections.
_TOTAL = ("program", "sub_program", "period")
# Lines that bill the same rebate on units of one state and product; a missing rebate type means FEDERAL.
_INVOICE_KEY = ("state", "ndc11", "source_kind", "rebate_type")
FEATURES = (
    Feature(
        "F49",
        "f49_invoice_vs_sales",
        "units invoiced by all Medicaid programs for the line's rebate type, differences (PRIOR_DELTA) with their "
        "sign / units sold into the state; unknown if none were sold",
        needs=("invoices.units_reimbursed", "sales"),
        grain="state, NDC-11 and rebate type",
        window="the period and the 3 quarters before it",
        subject=Subject.INVOICE,
    ),
)


def with_sales(rows: DataFrame, sales: DataFrame | None) -> DataFrame:
    """Add units invoiced and sold in the state, the line's share and F49, over the four quarters up to the period.

    `rows`: live invoice lines; lines that a new total replaced are not among them. The columns are
    units_invoiced_in_state, share_of_units_in_state, units_sold_in_state and F49. A difference is added to the total of
    its period, with its sign. Public utilization data and invoices are summed separately, as are lines of different
    rebate types, because they report the same units. Lines without units, or whose numbers were suppressed, add
    nothing.

    share_of_units_in_state: the line's part of the units invoiced, less what differences below zero reverse in its
    program, sub-program and period, over the totals above zero; 0 or NULL for a line that is itself below zero.
    """
    if sales is None:
        unknown = F.lit(None).cast("double")
        names = ("units_invoiced_in_state", "share_of_units_in_state", "units_sold_in_state", "f49_invoice_vs_sales")
        return rows.withColumns(dict.fromkeys(names, unknown))
    sold = _by_quarter(sales, ("state", "ndc11"), F.col("units"), "sold")
    signed = F.when(~F.coalesce("suppressed", F.lit(False)), F.col("units_reimbursed")).cast(_SUM)
    totals = rows.groupBy(*(_key(name).alias(name) for name in (*_INVOICE_KEY, *_TOTAL))).agg(
        F.sum(signed).cast(_SUM).alias("units")
    )
    invoiced = _by_quarter(totals, _INVOICE_KEY, F.col("units"), "invoiced")
    of_total = Window.partitionBy(*(_key(name) for name in (*_INVOICE_KEY, *_TOTAL)))
    described = rows.withColumn("signed_units", signed).withColumns(
        {
            "units_of_total": F.sum("signed_units").over(of_total),
            "units_above_zero": F.sum(F.greatest("signed_units", F.lit(0))).over(of_total),
        }
    )
    joined = described.join(F.broadcast(sold), on=_same("sold", ("state", "ndc11")), how="left").join(
        invoiced, on=_same("invoiced", _INVOICE_KEY), how="left"
    )  # one row per state and product in each
    units = {name: _over_four_quarters(name, "units") for name in ("sold", "invoiced")}
    # Units that differences reverse are subtracted from the lines of their total in proportion.
    own = F.greatest("signed_units", F.lit(0)).cast("double") * F.greatest("units_of_total", F.lit(0)).cast("double")
    own = divide(own, F.col("units_above_zero").cast("double"))
    return joined.select(
        *column_names(rows),
        units["invoiced"].alias("units_invoiced_in_state"),
        divide(own, _over_four_quarters("invoiced", "above_zero")).alias("share_of_units_in_state"),
        units["sold"].alias("units_sold_in_state"),
        divide(units["invoiced"], units["sold"]).alias("f49_invoice_vs_sales"),
    )


def _by_quarter(rows: DataFrame, keys: tuple[str, ...], units: Column, into: str) -> DataFrame:
    """One row per `keys` (renamed): `into`, an array of quarter, units and the units of rows above zero."""
    return (
        rows.groupBy(*(_key(name).alias(name) for name in keys), quarter_index_of(F.col("period")).alias("quarter"))
        .agg(
            F.sum(units).cast(_SUM).alias("units"),
            F.sum(F.greatest(units, F.lit(0))).cast(_SUM).alias("above_zero"),
        )
        .where(F.col("units").isNotNull())
        .groupBy(*(F.col(key).alias(f"{into}_{key}") for key in keys))
        .agg(F.collect_list(F.struct("quarter", "units", "above_zero")).alias(into))
    )


def _same(into: str, keys: tuple[str, ...]) -> list[Column]:
    return [_key(name).eqNullSafe(F.col(f"{into}_{name}")) for name in keys]


def _key(name: str) -> Column:
    return rebate_type_of_key() if name == "rebate_type" else F.col(name)


def _over_four_quarters(name: str, units: str) -> Column:
    """NULL if none of the four quarters has units."""
    ago = quarter_index_of(F.col("period"))
    entries = F.filter(name, lambda each: (ago - each["quarter"]).between(0, TRAILING_QUARTERS - 1))
    return F.when(F.size(entries) > 0, added_up(entries, units, _SUM).cast("double"))
