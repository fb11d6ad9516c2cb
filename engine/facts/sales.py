"""Units invoiced beside units sold into the state (`sales`: docs/contract-extensions.md)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import Subject
from engine.facts.feature import Feature
from engine.facts.history import TRAILING_QUARTERS, added_up
from engine.intervals import number_of_quarter
from engine.runtime.column_names import column_names
from engine.runtime.expressions import divide

_SUM = "decimal(38,3)"
# Lines that ask for the same rebate on units of one state and product; a rebate type that is not given is FEDERAL.
_ASKED_ALIKE = ("state", "ndc11", "source_kind", "rebate_type")
FEATURES = (
    Feature(
        "F49",
        "f49_invoice_vs_sales",
        "units on current lines of all Medicaid programs that ask for the line's rebate type / units sold into the "
        "state; unknown where nothing was sold",
        needs=("invoices.units_reimbursed", "sales"),
        grain="state, NDC-11 and rebate type",
        window="the period and the 3 quarters before it",
        subject=Subject.INVOICE,
    ),
)


def with_sales(rows: DataFrame, sales: DataFrame | None) -> DataFrame:
    """`rows` (invoice lines with known_units) with units_invoiced_in_state, units_sold_in_state and F49 over the four
    quarters up to the period. Lines that replace or correct an earlier one are not added to it. Apart are added up
    public utilization data and invoices, and lines of different rebate types, which tell of the same units.
    """
    if sales is None:
        unknown = F.lit(None).cast("double")
        names = ("units_invoiced_in_state", "units_sold_in_state", "f49_invoice_vs_sales")
        return rows.withColumns(dict.fromkeys(names, unknown))
    sold = _by_quarter(sales, ("state", "ndc11"), F.col("units"), "sold")
    current = rows.where(F.coalesce("line_kind", F.lit("CURRENT")) == "CURRENT")
    invoiced = _by_quarter(current, _ASKED_ALIKE, F.col("known_units"), "invoiced")
    joined = rows.join(F.broadcast(sold), on=_same("sold", ("state", "ndc11")), how="left").join(
        invoiced, on=_same("invoiced", _ASKED_ALIKE), how="left"
    )  # one row per state and product in each
    units = {name: _over_four_quarters(name) for name in ("sold", "invoiced")}
    return joined.select(
        *column_names(rows),
        units["invoiced"].alias("units_invoiced_in_state"),
        units["sold"].alias("units_sold_in_state"),
        divide(units["invoiced"], units["sold"]).alias("f49_invoice_vs_sales"),
    )


def _by_quarter(rows: DataFrame, keys: tuple[str, ...], units: Column, into: str) -> DataFrame:
    """One row per `keys` (renamed): `into`, an array of quarter and units."""
    return (
        rows.groupBy(*(_key(name).alias(name) for name in keys), number_of_quarter(F.col("period")).alias("quarter"))
        .agg(F.sum(units).cast(_SUM).alias("units"))
        .where(F.col("units").isNotNull())
        .groupBy(*(F.col(key).alias(f"{into}_{key}") for key in keys))
        .agg(F.collect_list(F.struct("quarter", "units")).alias(into))
    )


def _same(into: str, keys: tuple[str, ...]) -> list[Column]:
    return [_key(name).eqNullSafe(F.col(f"{into}_{name}")) for name in keys]


def _key(name: str) -> Column:
    return rebate_type_of_key() if name == "rebate_type" else F.col(name)


def _over_four_quarters(name: str) -> Column:
    """NULL where there is no quarter with units among the four."""
    ago = number_of_quarter(F.col("period"))
    entries = F.filter(name, lambda one: (ago - one["quarter"]).between(0, TRAILING_QUARTERS - 1))
    return F.when(F.size(entries) > 0, added_up(entries, "units", _SUM).cast("double"))
