"""Net position of rebate claims: redelivery, adjustments, voids (contract part 1, lineage).

Version order of the rows of one claim key: received_at (NULL first), then ORIGINAL, ADJUSTMENT, VOID, then
source_row_id. An ADJUSTMENT or VOID acts on

- the earlier rows of its own claim key, where it names no prior claim or names itself;
- all rows of another claim that it names (one line of it, if named) of the same payer and plan, whatever their program;
- of its own claim id, in other lines or programs: on rows that came before it by time and transaction.

What it acts on leaves as VOIDED or REPLACED, VOIDED where both do. It acts even if it leaves itself, so that a VOID of
the newest version ends the chain and revives nothing. A redelivered row adds nothing to its first delivery.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.codes import Reason, Transaction
from engine.contracts.prepared import PREPARED_REBATE_CLAIMS
from engine.intervals import join_as_of
from engine.prepare.row_ids import crowded, good_rows, repeated_row_ids
from engine.runtime.column_names import column_names
from engine.runtime.expressions import nulls

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
_BEFORE_ALL_TIME = -(2**60)  # microseconds since 1970
_AFTER_ALL_TIME = 2**62  # a moment: such microseconds times the number of transactions


def net_rebate_claims(conformed: DataFrame) -> DataFrame:
    """What netting says of rebate rows, only where it says anything: row_id, left_as, problem, claim_key_ordinal,
    prior_not_found.

    left_as: REDELIVERED, VOID_TRANSACTION, VOIDED or REPLACED. problem: SOURCE_ROW_ID_DUPLICATE. claim_key_ordinal: n
    for the n-th row of a claim key in version order. Exact comparison is done only among rows whose hashed claim key
    occurs twice or whose claim is acted on, so that the rest of the feed is neither shuffled nor sorted.
    """
    rows = good_rows(conformed)
    repeated = repeated_row_ids(rows, "received_at")
    candidates = _candidates(rows).join(F.broadcast(repeated.select("row_id")), on="row_id", how="left_anti")
    judged = (
        _judged(_with_messages(_in_order(candidates)))
        .groupBy("row_id")  # a row and its message to another claim
        .agg(
            F.max("left_as").alias("left_as"),
            F.max("position").alias("claim_key_ordinal"),
            F.bool_or("seeks_prior").alias("seeks_prior"),
            F.bool_or("finds_prior").alias("finds_prior"),
        )
        .select(
            "row_id",
            "left_as",
            F.lit(None).cast("string").alias("problem"),
            "claim_key_ordinal",
            (F.col("seeks_prior") & ~F.coalesce("finds_prior", F.lit(False))).alias("prior_not_found"),
        )
        .where(F.col("left_as").isNotNull() | (F.col("claim_key_ordinal") > 1) | F.col("prior_not_found"))
    )
    others = nulls({"left_as": "string", "claim_key_ordinal": "int", "prior_not_found": "boolean"})
    return judged.unionByName(repeated.withColumns(others))


def _candidates(rows: DataFrame) -> DataFrame:
    """Rows that another row may equal or act on, and all that act themselves."""
    key_hash = F.xxhash64(*CLAIM_KEY)
    acted_on = F.xxhash64("payer_id", "plan_id", F.coalesce("prior_claim_id", "claim_id"))
    crowded_keys = crowded(rows, key_hash, "key_hash").withColumn("is_crowded", F.lit(True))
    claims = rows.where(_acts()).select(acted_on.alias("claim_hash"), F.lit(True).alias("is_acted_on")).distinct()
    narrow = rows.select(
        *("row_id", *_DELIVERY, *_ORDER, "prior_claim_id", "prior_claim_line"),
        key_hash.alias("key_hash"),
        F.xxhash64("payer_id", "plan_id", "claim_id").alias("claim_hash"),
    )
    # at most one row per hash in both
    marked = narrow.join(F.broadcast(crowded_keys), on="key_hash", how="left").join(
        F.broadcast(claims), on="claim_hash", how="left"
    )
    return marked.where(F.coalesce("is_crowded", "is_acted_on", _acts()))


def _acts() -> Column:
    return F.col("transaction") != Transaction.ORIGINAL.value


def _in_order(candidates: DataFrame) -> DataFrame:
    """Adds is_redelivered; `position` in the claim key and `moment`, which grow with the version; and the last position
    in the claim key of a row that voids, and of one that replaces, what came before it there.
    """
    arrival = [F.col("received_at").asc_nulls_first(), F.col("source_row_id")]
    delivered = candidates.repartition("payer_id", "plan_id", "claim_id").withColumn(
        "is_redelivered", F.row_number().over(Window.partitionBy(*_DELIVERY).orderBy(*arrival)) > 1
    )
    rank = F.coalesce(*(F.when(F.col("transaction") == kind.value, place) for place, kind in enumerate(Transaction)))
    micros = F.coalesce(F.unix_micros("received_at"), F.lit(_BEFORE_ALL_TIME))
    key = Window.partitionBy("is_redelivered", *CLAIM_KEY)
    version = key.orderBy(F.col("received_at").asc_nulls_first(), rank, "source_row_id")
    placed = delivered.withColumns(
        {"position": F.row_number().over(version), "moment": micros * len(Transaction) + rank}
    )
    own_line = F.coalesce(F.col("prior_claim_line") == F.col("claim_line"), F.lit(True))
    names_itself = F.coalesce(F.col("prior_claim_id") == F.col("claim_id"), F.lit(True)) & own_line
    return placed.withColumns(
        {
            "names_itself": names_itself,
            **{
                f"last_{kind}": F.max(F.when(names_itself & _is(kind), F.col("position"))).over(key)
                for kind in (Transaction.VOID, Transaction.ADJUSTMENT)
            },
        }
    )


def _is(kind: Transaction) -> Column:
    return F.col("transaction") == kind.value


def _with_messages(ordered: DataFrame) -> DataFrame:
    """Every row under its own claim id and line (`of_claim`, `of_line`), and every row that names a prior claim id once
    more under what it names, as a message; of_line is NULL where it names all lines.
    """
    names_prior = ~F.col("is_redelivered") & _acts() & F.col("prior_claim_id").isNotNull()

    def address(claim: str, line: str, is_message: Column, exists: Column) -> Column:
        fields = F.struct(
            F.col(claim).alias("of_claim"),
            F.col(line).alias("of_line"),
            is_message.alias("is_message"),
            exists.alias("exists"),
        )
        # cast, so that both may be NULL in the same fields
        return fields.cast("struct<of_claim: string, of_line: bigint, is_message: boolean, exists: boolean>")

    own = address("claim_id", "claim_line", F.lit(False), F.lit(True))
    prior = address("prior_claim_id", "prior_claim_line", F.lit(True), names_prior)
    return ordered.select(*column_names(ordered), F.inline(F.array(own, prior))).where("exists").drop("exists")


def _judged(sent: DataFrame) -> DataFrame:
    """row_id, left_as and position of every row; whether it seeks and, by itself or its message, finds a prior.

    What is known of a claim, or of one line of it, is a maximum or minimum of moments: a claim number that stands for
    none has too many rows to give each an array of the others.
    """
    claim = Window.partitionBy("payer_id", "plan_id", "of_claim")
    line = Window.partitionBy("payer_id", "plan_id", "of_claim", "of_line")
    moment, is_message, all_lines = F.col("moment"), F.col("is_message"), F.col("of_line").isNull()
    stands = ~is_message & ~F.col("is_redelivered")
    is_other = F.col("of_claim") != F.col("claim_id")
    # a message to another claim acts on all of it, one to the claim's own id on what came before
    reaches = F.when(is_message, F.when(is_other, F.lit(_AFTER_ALL_TIME)).otherwise(moment))
    first = F.min(F.when(stands, moment))
    known: dict[str, Column] = {"first_of_claim": first.over(claim), "first_of_line": first.over(line)}
    for kind in (Transaction.VOID, Transaction.ADJUSTMENT):
        known[f"{kind}_reaches"] = F.greatest(
            F.max(F.when(_is(kind) & all_lines, reaches)).over(claim),
            F.max(F.when(_is(kind) & ~all_lines, reaches)).over(line),
        )
    told = sent.withColumns(known)

    def is_hit(kind: Transaction) -> Column:
        by_message = F.coalesce(moment < F.col(f"{kind}_reaches"), F.lit(False))
        return by_message | F.coalesce(F.col("position") < F.col(f"last_{kind}"), F.lit(False))

    left_as = (
        F.when(F.col("is_redelivered"), Reason.REDELIVERED.value)
        .when(_is(Transaction.VOID), Reason.VOID_TRANSACTION.value)
        .when(is_hit(Transaction.VOID), Reason.VOIDED.value)
        .when(is_hit(Transaction.ADJUSTMENT), Reason.REPLACED.value)
    )
    first_named = F.when(all_lines, F.col("first_of_claim")).otherwise(F.col("first_of_line"))
    finds_prior = F.when(is_other, first_named.isNotNull()).otherwise(F.coalesce(first_named < moment, F.lit(False)))
    finds_own = F.col("names_itself") & (F.col("position") > 1)
    return told.select(
        "row_id",
        F.when(~is_message, left_as).alias("left_as"),
        F.when(stands, F.col("position")).alias("position"),
        (stands & _acts()).alias("seeks_prior"),
        F.when(is_message, finds_prior).otherwise(finds_own).alias("finds_prior"),
    )


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
        converted = live.withColumn("conversion", F.struct(F.lit(None).cast("decimal(15,6)").alias(factor)))
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
            into="conversion",
        )
    in_ndc_units = F.round(F.col("units") * F.col("conversion")[factor], 3).try_cast("decimal(15,3)")
    units = F.when(F.col("units_basis") == "HCPCS", in_ndc_units).otherwise(F.col("units"))
    return converted.withColumn("ndc_units", units).select(
        *(F.col(field.name).cast(field.dataType) for field in PREPARED_REBATE_CLAIMS.fields)
    )
