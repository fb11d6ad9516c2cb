"""Net position of rebate claims: redelivery, adjustments, voids (contract part 1, lineage)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason, Transaction
from engine.contracts.prepared import PREPARED_REBATE_CLAIMS
from engine.intervals import join_as_of
from engine.prepare.row_ids import crowded, good_rows, repeated_row_ids

CLAIM_KEY = ("program", "payer_id", "plan_id", "claim_id", "claim_line")
# Equal in all of these a row is the same row sent again.
_DELIVERY = (
    *CLAIM_KEY,
    "transaction",
    "ndc11",
    "units",
    "amount_paid",
    "amount_third_party",
    "unit_rebate_amount",
    "rebate_amount",
    "period",
)
_ORDER = ("received_at", "source_row_id")


def net_rebate_claims(conformed: DataFrame) -> DataFrame:
    """What netting says of rebate rows, only where it says anything: row_id, left_as, problem, claim_key_ordinal,
    prior_not_found.

    left_as: REDELIVERED, VOID_TRANSACTION, VOIDED or REPLACED. problem: SOURCE_ROW_ID_DUPLICATE. claim_key_ordinal: n
    for the n-th row of a claim key in the order received_at (NULL first), ORIGINAL, ADJUSTMENT, VOID, source_row_id.
    Exact comparison is done only among rows whose hashed claim key occurs twice or whose claim is acted on, so that
    the rest of the feed is neither shuffled nor sorted.
    """
    rows = good_rows(conformed)
    repeated = repeated_row_ids(rows, "received_at")
    candidates = _candidates(rows).join(repeated.select("row_id"), on="row_id", how="left_anti")
    delivery = Window.partitionBy(*_DELIVERY).orderBy(*_arrival())
    delivered = candidates.withColumn("is_redelivered", F.row_number().over(delivery) > 1)
    standing = delivered.where(~F.col("is_redelivered"))
    versions = Window.partitionBy(*CLAIM_KEY).orderBy(*_version())
    standing = standing.withColumn("ordinal", F.row_number().over(versions))
    acted_on, found = _effects(standing)
    is_actor = F.col("transaction") != Transaction.ORIGINAL.value
    judged = (
        standing.join(acted_on, on="row_id", how="left")  # one row per row acted on
        .join(found, on="row_id", how="left")  # one row per actor that found its prior
        .select(
            "row_id",
            F.when(F.col("transaction") == Transaction.VOID.value, F.lit(Reason.VOID_TRANSACTION.value))
            .when(F.col("acted_on_by_void"), F.lit(Reason.VOIDED.value))
            .when(~F.col("acted_on_by_void"), F.lit(Reason.REPLACED.value))
            .alias("left_as"),
            F.lit(None).cast("string").alias("problem"),
            F.col("ordinal").alias("claim_key_ordinal"),
            (is_actor & F.col("found_prior").isNull()).alias("prior_not_found"),
        )
        .where(F.col("left_as").isNotNull() | (F.col("claim_key_ordinal") > 1) | F.col("prior_not_found"))
    )
    redelivered = delivered.where("is_redelivered").select("row_id", F.lit(Reason.REDELIVERED.value).alias("left_as"))
    return judged.unionByName(redelivered, allowMissingColumns=True).unionByName(repeated, allowMissingColumns=True)


def _candidates(rows: DataFrame) -> DataFrame:
    """Rows that another row may equal or act on, and all that act themselves."""
    key_hash, acts = F.xxhash64(*CLAIM_KEY), F.col("transaction") != Transaction.ORIGINAL.value
    acted_on = F.xxhash64("payer_id", "plan_id", F.coalesce("prior_claim_id", "claim_id"))
    crowded_keys = crowded(rows, key_hash, "key_hash").withColumn("is_crowded", F.lit(True))
    claims = rows.where(acts).select(acted_on.alias("claim_hash"), F.lit(True).alias("is_acted_on")).distinct()
    narrow = rows.select(
        *("row_id", *_DELIVERY, *_ORDER, "prior_claim_id", "prior_claim_line"),
        key_hash.alias("key_hash"),
        F.xxhash64("payer_id", "plan_id", "claim_id").alias("claim_hash"),
    )
    # at most one row per hash in both
    marked = narrow.join(F.broadcast(crowded_keys), on="key_hash", how="left").join(
        F.broadcast(claims), on="claim_hash", how="left"
    )
    return marked.where(F.coalesce("is_crowded", "is_acted_on", acts)).drop("is_crowded", "is_acted_on", "key_hash")


def _arrival() -> list[Column]:
    return [F.col("received_at").asc_nulls_first(), F.col("source_row_id")]


def _transaction_rank(transaction: str = "transaction") -> Column:
    ranks = [F.when(F.col(transaction) == kind.value, F.lit(rank)) for rank, kind in enumerate(Transaction)]
    return F.coalesce(*ranks)


def _version() -> list[Column]:
    return [F.col("received_at").asc_nulls_first(), _transaction_rank(), F.col("source_row_id")]


def _effects(standing: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Rows acted on (row_id, acted_on_by_void) and actors that found what they act on (row_id, found_prior).

    Without a prior reference a row acts on the earlier rows of its own claim key; with one, on all rows of that claim
    of the same payer and plan, whatever their program; of its own claim id, on rows received before it.
    """
    actor_columns = ("row_id", *CLAIM_KEY, "transaction", *_ORDER, "prior_claim_id", "prior_claim_line", "ordinal")
    actors = standing.where(F.col("transaction") != Transaction.ORIGINAL.value).select(
        *(F.col(name).alias(f"actor_{name}") for name in actor_columns)
    )
    has_prior = F.col("actor_prior_claim_id").isNotNull()
    same_claim_id = F.col("claim_id") == F.coalesce("actor_prior_claim_id", "actor_claim_id")
    is_own_key = F.lit(True)
    for name in CLAIM_KEY:
        is_own_key = is_own_key & F.col(name).eqNullSafe(F.col(f"actor_{name}"))
    line_fits = F.col("actor_prior_claim_line").isNull() | (F.col("claim_line") == F.col("actor_prior_claim_line"))
    earliest = F.lit("0001-01-01 00:00:00").cast("timestamp")
    came_before = F.struct(F.coalesce("received_at", earliest), _transaction_rank()) < F.struct(
        F.coalesce("actor_received_at", earliest), _transaction_rank("actor_transaction")
    )
    acts = (
        F.when(is_own_key, F.col("ordinal") < F.col("actor_ordinal"))
        .when(~has_prior, F.lit(False))
        .when(F.col("claim_id") == F.col("actor_claim_id"), line_fits & came_before)
        .otherwise(line_fits)
    )
    pairs = (
        standing.join(
            actors,
            on=[
                F.col("payer_id") == F.col("actor_payer_id"),
                F.col("plan_id").eqNullSafe(F.col("actor_plan_id")),
                same_claim_id,
            ],
            how="inner",  # lines of a claim x its actors
        )
        .where(acts & (~has_prior | line_fits))
        .select("row_id", "actor_row_id", (F.col("actor_transaction") == Transaction.VOID.value).alias("is_void"))
    )
    acted_on = pairs.groupBy("row_id").agg(F.max("is_void").alias("acted_on_by_void"))
    found = pairs.groupBy(F.col("actor_row_id").alias("row_id")).agg(F.lit(True).alias("found_prior"))
    return acted_on, found


def live_rebate_claims(
    conformed: DataFrame, netting: DataFrame, hcpcs_crosswalk: DataFrame | None, products: DataFrame | None
) -> DataFrame:
    """PREPARED_REBATE_CLAIMS of the rows that stand; one row per live claim line.

    `netting`: what `net_rebate_claims` said. ndc_units: `units` by NDC or unknown basis; HCPCS units x the crosswalk's
    NDC units per HCPCS unit at the date of service (else the product's own), half-up to 0.001; NULL without either.
    """
    said = netting.select("row_id", F.col("left_as").alias("net_left_as"), "problem", "claim_key_ordinal")
    live = (
        good_rows(conformed)
        .join(F.broadcast(said), on="row_id", how="left")  # one row per row_id; sparse beside the feed
        .where(F.col("net_left_as").isNull() & F.col("problem").isNull())
        .withColumn("claim_key_ordinal", F.coalesce("claim_key_ordinal", F.lit(1)))
    )
    factor = "ndc_units_per_hcpcs_unit"
    own = products.where(F.col(factor).isNotNull()) if products is not None and hcpcs_crosswalk is None else None
    source = hcpcs_crosswalk if hcpcs_crosswalk is not None else own
    if source is None:
        converted = live.withColumn(factor, F.lit(None).cast("decimal(15,6)"))
    else:
        start, end = ("begin_date", "end_date") if hcpcs_crosswalk is not None else ("valid_from", "valid_to")
        is_hcpcs = F.col("units_basis") == "HCPCS"
        converted = join_as_of(
            live,
            source,
            key={"ndc11": F.when(is_hcpcs, F.col("ndc11")), "hcpcs_code": F.col("hcpcs_code")},
            day=F.col("date_of_service"),
            start=F.col(start),
            end=F.col(end),
            values={factor: F.col(factor)},
        )
    in_ndc_units = F.round(F.col("units") * F.col(factor), 3).try_cast("decimal(15,3)")
    units = F.when(F.col("units_basis") == "HCPCS", in_ndc_units).otherwise(F.col("units"))
    return converted.withColumn("ndc_units", units).select(
        *(F.col(field.name).cast(field.dataType) for field in PREPARED_REBATE_CLAIMS.fields)
    )
