"""Facts on invoice lines: the product, the claims that support the line, usual values of peers and earlier periods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import MEDICAID_PROGRAMS, Subject
from engine.contracts.facts import (
    CORRECTED_FACTS,
    INVOICE_FACTS,
    INVOICE_FEATURES,
    PRODUCT_FACTS,
    UNBILLED_FACTS,
    z_name,
)
from engine.facts.families import flattened
from engine.facts.feature import WHOLE_RUN, Feature
from engine.facts.history import added_up
from engine.facts.peers import quantile, robust_z, sampled, statistics, value_arrays
from engine.facts.prices import with_market_price, with_prices
from engine.facts.products import with_labeler, with_product
from engine.facts.sales import with_sales
from engine.facts.settlements import with_line_settlements
from engine.facts.unread import with_unread_rows
from engine.intervals import quarter_index_of, start_of_quarter
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_list_over, collect_set_over, divide
from engine.settings import PeerSettings

# The key of a line across quarters.
_LINE = ("program", "state", "ndc11", "sub_program", "rebate_type", "source_kind")
_QUARTERS_OF_HISTORY = 8
# The key of an invoice, and the columns that decide which claims a line of it bills.
_OF_INVOICE = ("program", "state", "period")
_CLAIMS_OF_LINE = (*_OF_INVOICE, "ndc11", "rebate_type")
# The peers of a product's own figures are its lines in all states and quarters; ratios compare across products.
_PRODUCT_STRATUM, _PROGRAM_STRATUM = ("ndc11", "program"), ("program",)
_PRODUCT_FEATURES = ("f47_units_per_prescription", "f48_paid_per_unit")
_RATIO_FEATURES = tuple(feature for feature in INVOICE_FEATURES if feature not in _PRODUCT_FEATURES)
# Ratios range over many products and so over orders of magnitude: their median requires a larger sample.
_RATIO_SAMPLE_FACTOR = 40
_PAID = "invoices.total_amount|invoices.medicaid_amount"
_SUM = "decimal(38,3)"
_OF_LINE, _OF_PRODUCT = "state, program, NDC-11, sub-program and rebate type", "invoice line"
_OWN_PAST = f"the line's {_QUARTERS_OF_HISTORY} quarters up to its own among the {WHOLE_RUN}"
_OWN_QUARTERS = f"all quarters of the line among the {WHOLE_RUN}"
_ALL_STATES = f"the row itself; z: {WHOLE_RUN} of equal NDC-11 and program, all states and quarters"


def _feature(id: str, column: str, formula: str, needs: tuple[str, ...], grain: str, window: str, unit: str) -> Feature:
    return Feature(id, column, formula, needs, grain, window, unit, Subject.INVOICE)


FEATURES = (
    _feature(
        "F46",
        "f46_units_to_own_median",
        "units / median units of the line; z on a log scale among the lines of the program; a difference (PRIOR_DELTA) "
        "is no quarter of its line and has none of F46 to F48",
        ("invoices.units_reimbursed",),
        _OF_LINE,
        _OWN_PAST,
        "ratio",
    ),
    _feature(
        "F47",
        "f47_units_per_prescription",
        "units / prescriptions",
        ("invoices.units_reimbursed", "invoices.prescriptions"),
        _OF_PRODUCT,
        _ALL_STATES,
        "NDC units",
    ),
    _feature(
        "F47",
        "units_per_prescription_to_own_median",
        "units per prescription / the line's own median",
        ("invoices.units_reimbursed", "invoices.prescriptions"),
        _OF_LINE,
        _OWN_QUARTERS,
        "ratio",
    ),
    _feature(
        "F48",
        "f48_paid_per_unit",
        "amount paid (total, else Medicaid's) / units",
        ("invoices.units_reimbursed", _PAID),
        _OF_PRODUCT,
        _ALL_STATES,
        "US dollars per NDC unit",
    ),
    _feature(
        "F48",
        "paid_per_unit_to_own_median",
        "paid per unit / the line's own median",
        ("invoices.units_reimbursed", _PAID),
        _OF_LINE,
        _OWN_QUARTERS,
        "ratio",
    ),
    _feature(
        "F50",
        "f50_invoice_to_claims_gap",
        "(units invoiced - units of live claim lines) / units invoiced; unknown for a line that is a difference, and "
        "where quarantined claim rows may belong to the line",
        ("invoices.units_reimbursed", "rebate_claims"),
        "state, program, NDC-11, period, rebate type and, if both sides have one, sub-program",
        "the period",
        "ratio",
    ),
)
_OF_PEERS = {"peers", *(z_name(feature) for feature in INVOICE_FEATURES)}


def invoice_facts(
    invoices: DataFrame,
    claims: DataFrame | None,
    references: Mapping[str, DataFrame],
    as_of: date,
    unread_claims: DataFrame | None = None,
    replaced: DataFrame | None = None,
) -> DataFrame:
    """INVOICE_FACTS without the columns that are derived from peers; one row per invoice line.

    `invoices`: PREPARED_INVOICES; `claims`: live PREPARED_REBATE_CLAIMS or None; `references`: conformed tables;
    `unread_claims`: quarantined rebate claims (prepare.unread_claims); `replaced`: PREPARED_INVOICES that a new total
    replaced, to which settlements of their own are allotted; each None if there are none. Lines whose numbers were
    suppressed get no features and are not counted for any.
    """
    rows = _with_settlements(invoices, replaced, references.get("settlements"), as_of)
    rows = rows.withColumn("period_start", start_of_quarter(F.col("period")))
    # The invoice's own product name stays.
    product_facts = [field for field in PRODUCT_FACTS if field.name not in column_names(invoices)]
    rows = with_product(rows, references.get("products"), F.col("period_start"), product_facts)
    rows = with_prices(rows, references.get("prices"), F.col("period"), {"price_ura": "unit_rebate_amount"}, "price")
    rows = with_market_price(rows, references.get("market_prices"), F.col("period_start"))
    rows = with_labeler(rows, references.get("labelers"), F.col("period_start"))
    rows = flattened(rows, ("product", "price", "market", "labeler", "settlement"))
    rows = _with_unread_claims(_with_claims(rows, claims, invoices), claims, unread_claims)
    rows = with_sales(_with_own_history(_with_rates(rows)), references.get("sales"))
    wanted = [field for field in INVOICE_FACTS.fields if field.name not in _OF_PEERS]
    return rows.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in wanted))


def _with_settlements(
    invoices: DataFrame, replaced: DataFrame | None, settlements: DataFrame | None, as_of: date
) -> DataFrame:
    """Add `settlement` to `invoices`, allotted as if the `replaced` lines were still live."""
    if replaced is None or settlements is None:
        return with_line_settlements(invoices, settlements, as_of)
    rows = invoices.withColumn("is_live", F.lit(True)).unionByName(replaced.withColumn("is_live", F.lit(False)))
    return with_line_settlements(rows, settlements, as_of).where("is_live").drop("is_live")


def _with_claims(rows: DataFrame, claims: DataFrame | None, invoices: DataFrame) -> DataFrame:
    """Add claim units and F50, (units invoiced - units of live claim lines) / units invoiced, to `rows`.

    The columns are claim_units, claim_lines, unconverted_claim_lines, units_taken_back (by PRIOR_DELTA lines below
    zero) and F50. Claim lines whose HCPCS units could not be converted are counted, but have no units; F50 is then
    NULL.

    Claims and differences belong to a line by program, state, product, period and rebate type (none means FEDERAL). If
    both state a sub-program, they must agree: a line without one bills the claims of all sub-programs, and a claim
    without one may belong to each of the lines. A line that corrects an earlier one by a difference is not a total of
    claims: all columns are NULL.
    """
    if claims is None:
        return rows.withColumns(
            {
                "claim_units": F.lit(None).cast("decimal(15,3)"),
                "claim_lines": F.lit(None).cast("long"),
                "unconverted_claim_lines": F.lit(None).cast("long"),
                "units_taken_back": F.lit(None).cast("decimal(15,3)"),
                "f50_invoice_to_claims_gap": F.lit(None).cast("double"),
            }
        )
    of_line = {name: F.col(name) for name in ("program", "state", "ndc11", "period")}
    of_line["rebate_type"] = rebate_type_of_key()
    of_claim = of_line | {"state": F.coalesce("state", "payer_id")}
    nothing = F.lit(0).cast(_SUM)
    of_claims = claims.groupBy(*_keyed(of_claim)).agg(
        F.coalesce(F.sum("ndc_units"), F.lit(0)).cast(_SUM).alias("units"),
        F.count(F.lit(1)).alias("lines"),
        F.count_if(F.col("ndc_units").isNull()).alias("unconverted"),
        nothing.alias("taken_back"),
    )
    of_differences = (
        invoices.where(_is_credit() & (F.col("source_kind") == "INVOICE"))
        .groupBy(*_keyed(of_line))
        .agg(
            nothing.alias("units"),
            F.lit(0).cast("long").alias("lines"),
            F.lit(0).cast("long").alias("unconverted"),
            F.sum(-F.col("units_reimbursed")).cast(_SUM).alias("taken_back"),
        )
    )
    by_line = (
        of_claims.unionByName(of_differences)
        .groupBy(*(f"claim_{name}" for name in of_line))
        .agg(F.collect_list(F.struct("sub_program", "units", "lines", "unconverted", "taken_back")).alias("claimed"))
    )
    same = [value == F.col(f"claim_{name}") for name, value in of_line.items()]
    joined = rows.join(by_line, on=same, how="left")  # one row per program, state, product, period and rebate type
    behind = F.filter(F.coalesce("claimed", F.array()), _may_be_of_sub_program)
    is_total = ~_is_difference()
    units = F.when(is_total, added_up(behind, "units", _SUM)).try_cast("decimal(15,3)")
    unconverted = F.when(is_total, added_up(behind, "unconverted"))
    gap = divide((F.col("units_reimbursed") - units).cast("double"), F.col("units_reimbursed").cast("double"))
    return joined.select(
        *column_names(rows),
        units.alias("claim_units"),
        F.when(is_total, added_up(behind, "lines")).alias("claim_lines"),
        unconverted.alias("unconverted_claim_lines"),
        F.when(is_total, added_up(behind, "taken_back", _SUM)).try_cast("decimal(15,3)").alias("units_taken_back"),
        F.when(unconverted == 0, gap).alias("f50_invoice_to_claims_gap"),
    )


def _keyed(key: Mapping[str, Column]) -> list[Column]:
    return [*(value.alias(f"claim_{name}") for name, value in key.items()), F.col("sub_program")]


def unbilled(claims: DataFrame, invoices: DataFrame) -> DataFrame:
    """Medicaid claims whose product is on no line of the invoice received for them: source_row_id and UNBILLED_FACTS.

    The invoice is that of their state, program, period and rebate type. Other claims are absent. `claims`: live
    PREPARED_REBATE_CLAIMS; `invoices`: PREPARED_INVOICES. Public utilization data are not an invoice.
    """
    lines = _lines_of_invoices(invoices)
    of_invoice = (*_OF_INVOICE, "rebate_type")
    received = lines.groupBy(*(F.col(f"line_{name}").alias(f"invoice_{name}") for name in of_invoice)).agg(
        F.count(F.lit(1)).alias("invoice_lines")
    )
    billed = lines.drop("line_kind", "units_reimbursed").distinct()
    # One row per invoice and rebate type in the first table, and per line in the second.
    sent = _billable(claims).join(
        F.broadcast(received), on=[F.col(name) == F.col(f"invoice_{name}") for name in of_invoice], how="inner"
    )
    missing = sent.join(F.broadcast(billed), on=_same_line(), how="left_anti")
    return missing.select("source_row_id", F.col("invoice_lines").alias(UNBILLED_FACTS[0].name))


def corrected_down(claims: DataFrame, invoices: DataFrame) -> DataFrame:
    """Medicaid claims whose line is corrected downward by a difference: source_row_id and CORRECTED_FACTS.

    Other claims are absent. The invoice does not state which claims of the line a difference refers to.
    """
    lines = _lines_of_invoices(invoices).where(_is_credit())
    units = F.sum(-F.col("units_reimbursed")).try_cast(CORRECTED_FACTS[0].dataType).alias(CORRECTED_FACTS[0].name)
    credits = lines.groupBy(*(f"line_{name}" for name in _CLAIMS_OF_LINE)).agg(units)
    # One row per line.
    credited = _billable(claims).join(F.broadcast(credits), on=_same_line(), how="inner")
    return credited.select("source_row_id", CORRECTED_FACTS[0].name)


def _is_difference() -> Column:
    """Whether an invoice line corrects the total of its key by a difference. Never NULL."""
    return F.coalesce(F.col("line_kind") == "PRIOR_DELTA", F.lit(False))


def _is_credit() -> Column:
    """Whether an invoice line subtracts units from its key."""
    return _is_difference() & (F.col("units_reimbursed") < 0)


def _lines_of_invoices(invoices: DataFrame) -> DataFrame:
    """The `line_` columns: the key by which claims belong to a line, its kind and its units."""
    names = (*_OF_INVOICE, "ndc11")
    return invoices.where(F.col("source_kind") == "INVOICE").select(
        *(F.col(name).alias(f"line_{name}") for name in names),
        rebate_type_of_key().alias("line_rebate_type"),
        "line_kind",
        "units_reimbursed",
    )


def _billable(claims: DataFrame) -> DataFrame:
    """Medicaid claims with positive units: source_row_id and the key of their invoice line."""
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    return claims.where(is_medicaid & (F.col("units") > 0)).select(
        "source_row_id",
        *("program", "period", "ndc11"),
        F.coalesce("state", "payer_id").alias("state"),
        rebate_type_of_key().alias("rebate_type"),
    )


def _same_line() -> list[Column]:
    return [F.col(name) == F.col(f"line_{name}") for name in _CLAIMS_OF_LINE]


def _with_unread_claims(rows: DataFrame, claims: DataFrame | None, unread: DataFrame | None) -> DataFrame:
    """Add quarantined_claim_lines and _units to `rows`, and set F50 to NULL if there are such lines.

    Quarantined claims are not missing claims. Both columns are NULL without the table rebate_claims and for a line that
    is a difference, as in `_with_claims`.
    """
    billing = None if unread is None else unread.where(~F.col("takes_back"))
    enriched = with_unread_rows(rows, billing, ("program", "state", "ndc11", "period"))
    is_total = F.lit(claims is not None) & F.col("claim_lines").isNotNull()
    return enriched.withColumns(
        {
            "quarantined_claim_lines": F.when(is_total, F.col("unread_rows")),
            "quarantined_claim_units": F.when(is_total, F.col("unread_units").try_cast("decimal(15,3)")),
            "f50_invoice_to_claims_gap": F.when(F.col("unread_rows") == 0, F.col("f50_invoice_to_claims_gap")),
        }
    ).drop("unread_rows", "unread_units")


def _may_be_of_sub_program(claimed: Column) -> Column:
    agrees = claimed["sub_program"] == F.col("sub_program")
    return F.coalesce(agrees, F.lit(True))


def _known(column: str) -> Column:
    """The number, if it was not suppressed and is above zero; NULL for a difference, which is no quarter's total."""
    value = F.col(column).cast("double")
    return F.when(~F.coalesce("suppressed", F.lit(False)) & ~_is_difference() & (value > 0), value)


def _with_rates(rows: DataFrame) -> DataFrame:
    """Add F47, units per prescription, and F48 and F21, amount paid per unit, to `rows`.

    The amount is the total amount, else Medicaid's.
    """
    paid = F.coalesce(_known("total_amount"), _known("medicaid_amount"))
    rows = rows.withColumns(
        {
            "known_units": _known("units_reimbursed"),
            "f47_units_per_prescription": divide(_known("units_reimbursed"), _known("prescriptions")),
            "f48_paid_per_unit": divide(paid, _known("units_reimbursed")),
        }
    )
    market_price = F.col("market_price").cast("double")
    return rows.withColumn("f21_paid_per_unit_to_market_price", divide(F.col("f48_paid_per_unit"), market_price))


def _with_own_history(rows: DataFrame) -> DataFrame:
    """Add F46 and the ratios to the line's own medians to `rows`.

    F46 compares with the line's median over its eight quarters up to this one. The ratios compare with its medians over
    all quarters, because units per prescription do not depend on time.
    """
    line = Window.partitionBy(*(_key_of_line(name) for name in _LINE))
    past = line.orderBy("quarter").rangeBetween(1 - _QUARTERS_OF_HISTORY, 0)

    def median(name: str, window: WindowSpec) -> Column:
        return quantile(F.sort_array(collect_list_over(F.col(name), window)), 0.5)

    def quarters(window: WindowSpec) -> Column:
        return F.size(collect_set_over(known, window)).cast("long")

    known = F.when(F.col("known_units").isNotNull(), F.col("period"))
    enriched = rows.withColumn("quarter", quarter_index_of(F.col("period"))).withColumns(
        {
            "own_quarters": quarters(line),
            "own_past_quarters": quarters(past),
            "last_quarter_with_units": F.max(known).over(line),
            "own_median_units": median("known_units", past),
            "own_median_units_per_prescription": median("f47_units_per_prescription", line),
            "own_median_paid_per_unit": median("f48_paid_per_unit", line),
        }
    )
    return enriched.withColumns(
        {
            "f46_units_to_own_median": divide(F.col("known_units"), F.col("own_median_units")),
            "units_per_prescription_to_own_median": divide(
                F.col("f47_units_per_prescription"), F.col("own_median_units_per_prescription")
            ),
            "paid_per_unit_to_own_median": divide(F.col("f48_paid_per_unit"), F.col("own_median_paid_per_unit")),
        }
    )


def _key_of_line(name: str) -> Column:
    return rebate_type_of_key() if name == "rebate_type" else F.col(name)


def invoice_peers(facts: DataFrame, settings: PeerSettings) -> DataFrame:
    """The usual values per NDC-11 and program: peers, and `<feature>_median`, `_scale`, `_low`, `_high`.

    F47 and F48 are compared among the product's lines in all states and quarters; ratios among all lines of the
    program, on a log scale. Small: one row per product and program.
    """
    narrow = facts.select("source_row_id", "ndc11", "program", *INVOICE_FEATURES)
    of_product = _statistics(narrow, _PRODUCT_STRATUM, dict.fromkeys(_PRODUCT_FEATURES, False), settings)
    wider = settings.model_copy(update={"sample_per_stratum": settings.sample_per_stratum * _RATIO_SAMPLE_FACTOR})
    of_program = _statistics(narrow, _PROGRAM_STRATUM, dict.fromkeys(_RATIO_FEATURES, True), wider)
    of_program = of_program.drop("peers").withColumnRenamed("program", "ratio_program")
    same = F.col("program") == F.col("ratio_program")
    return of_product.join(F.broadcast(of_program), on=same, how="left").drop("ratio_program")


def _statistics(
    narrow: DataFrame, stratum: tuple[str, ...], features: Mapping[str, bool], settings: PeerSettings
) -> DataFrame:
    arrays = value_arrays(sampled(narrow, stratum, settings), stratum, tuple(features), [])
    return statistics(arrays, stratum, features, settings)


def with_invoice_peers(facts: DataFrame, peers: DataFrame, settings: PeerSettings) -> DataFrame:
    """INVOICE_FACTS: `facts` with z-scores and the product's number of lines; lazily, by a broadcast join."""
    renamed = peers.withColumnsRenamed({key: f"peer_{key}" for key in _PRODUCT_STRATUM})
    same = [F.col(key) == F.col(f"peer_{key}") for key in _PRODUCT_STRATUM]
    joined = facts.join(F.broadcast(renamed), on=same, how="left")  # one row per product and program
    joined = joined.withColumns(
        {z_name(feature): robust_z(feature, feature in _RATIO_FEATURES, settings) for feature in INVOICE_FEATURES}
    )
    return joined.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in INVOICE_FACTS.fields))
