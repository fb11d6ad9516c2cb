"""The input of ROSI and PQAS: invoice lines with their settled, disputed and paid units."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.claim_key import rebate_type_of_key
from engine.contracts.forms import DISPUTED_UNITS, FORM_LINES
from engine.contracts.positions import Position
from engine.positions.book import Effect
from engine.positions.events import AMOUNT
from engine.positions.lines import ACCOUNT, MONEY, SUM, key_text
from engine.runtime.expressions import collect_distinct, greatest_of_groups, least_of_groups, nulls, sort

REBATE_TYPES = ("FEDERAL", "SUPPLEMENTAL")
_PRICE = "decimal(15,6)"
_KEY = (*ACCOUNT, "sub_program")
_RANKS = {"PRIOR_DELTA": 1, "PRIOR_REPLACEMENT": 2}
_OF_FORM = ("program", "rebate_type", "ndc11", "period")
_AMOUNTS_SENT = (("sent_units_paid", SUM), ("sent_units_disputed", SUM), ("sent_amount_paid", MONEY))
# One row per account: the figures last submitted for it on a form.
FORMS_SENT = ", ".join(
    [*(f"{name} string" for name in ("payer_id", *_OF_FORM)), *(f"{name} {kind}" for name, kind in _AMOUNTS_SENT)]
)
_INVOICE = ("program", "payer_id", "rebate_type", "period")


def form_lines(
    lines: DataFrame,
    invoices: DataFrame,
    booked: DataFrame,
    events: DataFrame | None,
    prices: tuple[DataFrame, DataFrame] | None,
    products: DataFrame | None,
    sent: DataFrame,
) -> DataFrame:
    """FORM_LINES, one row per account of a federal or supplemental rebate with an invoice line.

    Args:
        lines: invoice_lines.
        invoices: PREPARED_INVOICES of live lines and of those that a new total replaced.
        booked: ENTRIES of the accounts that are booked in sequence: all that have a settlement or a decision.
        events: settlements and decisions with their account; None if there are none.
        prices: `first_prices` and the live rows of `prices`; None without the table.
        products: live rows; None without the table.
        sent: FORMS_SENT, the last form line of each account.
    """
    of_lines = _of_account(lines, invoices)
    joined = of_lines.join(_booked(booked), on="account", how="left")  # one row per account
    if events is None:
        joined = joined.withColumns(nulls(dict.fromkeys(("paid", "unpriced", "disputed_units"), SUM)))
        joined = joined.withColumns({**nulls({"paid_amount": MONEY}), "is_settled": F.lit(False)})
    else:
        is_settled = F.coalesce("is_settled", F.lit(False))
        joined = joined.join(_settled(events), on="account", how="left")
        joined = joined.join(F.broadcast(_paid_invoices(events)), on=list(_INVOICE), how="left")
        joined = joined.withColumn("is_settled", is_settled)
    joined = _with_prices(joined, prices)
    joined = _with_product(joined, products)
    joined = joined.join(F.broadcast(sent), on=["payer_id", *_OF_FORM], how="left")  # one row per account
    latest = Window.partitionBy("payer_id", "rebate_type")
    current = F.max(F.when(F.col("units_current").isNotNull(), F.col("period"))).over(latest)
    price = F.coalesce("ura_original", "ura_stated", F.lit(0))
    unpriced = (F.coalesce("unpriced", F.lit(0)).cast("decimal(15,3)") * price.cast(_PRICE)).cast(MONEY)
    zero = F.lit(0)
    if_settled = {
        "settled_units_paid": F.coalesce("paid", zero),
        "settled_units_disputed": F.coalesce("disputed_units", zero),
        "settled_amount_paid": F.coalesce("paid_amount", zero) + unpriced,
    }
    joined = joined.withColumns(
        {
            "state": F.col("payer_id"),
            "labeler_code": F.substring("ndc11", 1, 5),
            "is_current": F.coalesce(F.col("period") == current, F.lit(False)),
            "units_credited": F.coalesce("units_credited", zero),
            "units_repaid": F.coalesce("units_repaid", zero),
            **{name: F.when(F.col("is_settled"), value) for name, value in if_settled.items()},
        }
    )
    return joined.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in FORM_LINES.fields))


def _of_account(lines: DataFrame, invoices: DataFrame) -> DataFrame:
    """One row per account: units, amounts and prices of its lines, summed over sub-programs."""
    stated = invoices.where(F.col("source_kind") == "INVOICE").select(
        "program",
        F.col("state").alias("payer_id"),
        rebate_type_of_key().alias("rebate_type"),
        *("ndc11", "period", "sub_program", "invoice_number", "product_name"),
        F.coalesce("line_kind", F.lit("CURRENT")).alias("line_kind"),
        F.coalesce("received_date", "postmark_date").alias("received"),
        F.col("units_reimbursed").cast(SUM).alias("units"),
        F.col("unit_rebate_amount").cast(_PRICE).alias("ura"),
        F.col("rebate_amount").cast(MONEY).alias("amount"),
    )
    stated = stated.where(F.col("rebate_type").isin(*REBATE_TYPES)).withColumn("line", key_text(*_KEY))
    is_current = F.col("line_kind") == "CURRENT"
    values = ("received", "invoice_number", "units", "ura", "amount", "product_name")
    first = least_of_groups(stated.where(is_current), ["line"], values, into="first")
    latest = greatest_of_groups(stated.where(is_current), ["line"], values, into="latest")
    ranks = F.create_map(*(F.lit(part) for pair in _RANKS.items() for part in pair))
    later = stated.where(~is_current).withColumn("rank", F.try_element_at(ranks, F.col("line_kind")))
    later = greatest_of_groups(later, ["line"], ("rank", *values), into="correction")
    of_lines = lines.where(F.col("rebate_type").isin(*REBATE_TYPES)).withColumn("line", key_text(*_KEY))
    joined = of_lines
    for of_line in (first, latest, later):
        joined = joined.join(of_line, on="line", how="left")  # one row per line
    number = F.coalesce("first.invoice_number", "correction.invoice_number")
    total = F.greatest("total", F.lit(0).cast(SUM))
    by_account = joined.groupBy("account", *ACCOUNT).agg(
        F.array_join(sort(collect_distinct(number)), ", ").alias("numbers"),
        F.sum("first.units").alias("units_original"),
        F.sum("latest.units").alias("units_current"),
        F.sum(F.when(F.col("total").isNotNull(), total)).alias("units"),
        F.max(F.coalesce("latest.ura", "correction.ura")).alias("ura_stated"),
        F.sum("latest.amount").cast(MONEY).alias("amount_stated"),
        F.max(F.coalesce("latest.product_name", "correction.product_name")).alias("stated_name"),
    )
    return by_account.withColumn("invoice_number", F.nullif("numbers", F.lit("")))


def _booked(booked: DataFrame) -> DataFrame:
    """By account: units in dispute with code, finding and whether they are settled, and units credited and repaid."""
    account = key_text(*ACCOUNT)
    parts = (
        booked.where(F.col("position") == Position.DISPUTED.value)
        .groupBy(account.alias("account"), "code", "finding_id", (~F.col("is_decided")).alias("is_settled"))
        .agg(F.sum("units").cast(SUM).alias("units"))
    )
    disputed = parts.groupBy("account").agg(F.collect_list(F.struct(*DISPUTED_UNITS.names)).alias("disputed"))
    disputed = disputed.withColumn("disputed", sort(F.col("disputed")))
    is_credited = F.col("position") == Position.CREDITED.value
    credits = (
        booked.where(is_credited)
        .groupBy(account.alias("account"))
        .agg(
            F.sum(F.when(~F.col("is_repaid"), F.col("units"))).alias("units_credited"),
            F.sum(F.when(F.col("is_repaid"), F.col("units"))).alias("units_repaid"),
        )
    )
    return disputed.join(credits, on="account", how="full_outer")


def _settled(events: DataFrame) -> DataFrame:
    """By account, of settlements only: units and dollars paid, units paid without an amount, and units in dispute.

    Units in dispute are those disputed and not released.
    """
    settlements = events.where(F.col("account").isNotNull() & F.col("finding_id").isNull())

    def units_of(*effects: Effect) -> Column:
        is_one = F.col("effect").isin(*(effect.value for effect in effects))
        return F.coalesce(F.sum(F.when(is_one, F.col("units"))), F.lit(0)).cast(SUM)

    is_paid = F.col("effect") == Effect.PAID.value
    freed = units_of(Effect.DISPUTED) - units_of(Effect.RELEASED)
    return settlements.groupBy("account").agg(
        units_of(Effect.PAID).alias("paid"),
        F.sum(F.when(is_paid, F.col(AMOUNT))).cast(MONEY).alias("paid_amount"),
        F.sum(F.when(is_paid & F.col(AMOUNT).isNull(), F.col("units"))).cast(SUM).alias("unpriced"),
        F.greatest(freed, F.lit(0)).cast(SUM).alias("disputed_units"),
    )


def _paid_invoices(events: DataFrame) -> DataFrame:
    """Program, payer, kind of rebate and quarter for which settlements report a payment, with is_settled."""
    paid = events.where((F.col("effect") == Effect.PAID.value) & F.col("account").isNotNull())
    return paid.select(*_INVOICE).distinct().withColumn("is_settled", F.lit(True))


def _with_prices(rows: DataFrame, prices: tuple[DataFrame, DataFrame] | None) -> DataFrame:
    """Add ura_original and ura_current to `rows`; NULL if the rows are not federal."""
    names = ("ura_original", "ura_current")
    if prices is None:
        return rows.withColumns(nulls(dict.fromkeys(names, _PRICE)))
    for name, table, pick in zip(names, prices, (least_of_groups, greatest_of_groups), strict=True):
        priced = table.where(F.col("unit_rebate_amount").isNotNull())
        of_product = pick(priced, ["ndc11", "period"], ("snapshot_date", "unit_rebate_amount"), into="priced").select(
            "ndc11", "period", F.col("priced.unit_rebate_amount").alias(name)
        )
        rows = rows.join(of_product, on=["ndc11", "period"], how="left")  # one row per product and quarter
    is_federal = F.col("rebate_type") == "FEDERAL"
    return rows.withColumns({name: F.when(is_federal, F.col(name)) for name in names})


def _with_product(rows: DataFrame, products: DataFrame | None) -> DataFrame:
    """Add labeler_name and product_name to `rows`: as on the invoice, else as in `products`."""
    if products is None:
        return rows.withColumns({"labeler_name": F.lit(None).cast("string"), "product_name": F.col("stated_name")})
    fields = ("valid_from", "snapshot_date", "labeler_name", "product_name")
    latest = greatest_of_groups(products, ["ndc11"], fields, into="latest").select(
        "ndc11", F.col("latest.labeler_name").alias("labeler_name"), F.col("latest.product_name").alias("own")
    )
    joined = rows.join(latest, on="ndc11", how="left")  # one row per product
    return joined.withColumn("product_name", F.coalesce("stated_name", "own"))
