"""Live 340B claims: submitted, not reversed since, and not reported as non-340B."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.claim_key import entity_claim_key
from engine.contracts.codes import Reason
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS
from engine.entity_families import at_parent_of_day
from engine.prepare.row_ids import good_rows, repeated_hashes, repeated_row_ids
from engine.runtime.column_names import column_names
from engine.runtime.expressions import nulls, union_all

# NULL equals NULL in the fill number only; a row without pharmacy or Rx key matches nothing.
_BEFORE_ALL_TIME, _AFTER_ALL_TIME = "0001-01-01 00:00:00", "9999-12-31 00:00:00"
_EQUAL = ("parent_entity_id", "pharmacy_key", "script_key", "date_of_service", "ndc9")


def net_entity_claims(conformed: DataFrame) -> DataFrame:
    """Netting results of entity rows, sparse: row_id, left_as, problem, reversal_unmatched, claim_ordinal.

    A REVERSED row (left_as REVERSAL_TRANSACTION) cancels the SUBMITTED rows (left_as REVERSED) of the same parent
    entity with equal pharmacy, Rx number, fill, date of service and NDC-9 that were submitted at or before it. A
    submission without a time counts as earliest, a reversal without one as latest. claim_ordinal: only values above 1;
    see PREPARED_ENTITY_CLAIMS.
    """
    rows = good_rows(conformed)
    repeated = repeated_row_ids(rows, "submitted_at")
    distinct_rows = rows.join(repeated.select("row_id"), on="row_id", how="left_anti")
    is_reversal = F.col("status") == "REVERSED"
    unknown = F.when(is_reversal, F.lit(_AFTER_ALL_TIME)).otherwise(F.lit(_BEFORE_ALL_TIME)).cast("timestamp")
    narrow = distinct_rows.select(
        "row_id", *_EQUAL, "fill_number", "status", F.coalesce("submitted_at", unknown).alias("submitted_at")
    )
    reversals = narrow.where(is_reversal)
    dispense = (*_EQUAL, "fill_number")
    # by dispense, never a submission with each reversal: a placeholder number may have thousands of both
    last = reversals.groupBy(*(F.col(name).alias(f"reversal_{name}") for name in dispense)).agg(
        F.max("submitted_at").alias("last_reversal")
    )
    submitted = narrow.where(F.col("status") == "SUBMITTED").join(last, on=_same_dispense("reversal"), how="inner")
    canceled = submitted.where(F.col("submitted_at") <= F.col("last_reversal")).select(
        "row_id", F.lit(Reason.REVERSED.value).alias("left_as")
    )
    first = submitted.groupBy(*(F.col(name).alias(f"submission_{name}") for name in dispense)).agg(
        F.min("submitted_at").alias("first_submission")
    )
    is_matched = F.coalesce(F.col("first_submission") <= F.col("submitted_at"), F.lit(False))
    reversing = reversals.join(first, on=_same_dispense("submission"), how="left").select(  # one row per dispense
        "row_id",
        F.lit(Reason.REVERSAL_TRANSACTION.value).alias("left_as"),
        (~is_matched).alias("reversal_unmatched"),
    )
    kinds: dict[str, T.DataType | str] = {
        "left_as": "string",
        "reversal_unmatched": "boolean",
        "problem": "string",
        "claim_ordinal": "int",
    }

    def padded(rows: DataFrame, *has: str) -> DataFrame:
        absent = nulls(kinds)
        return rows.select("row_id", *(name if name in has else absent[name].alias(name) for name in kinds))

    parts = [
        padded(reversing, "left_as", "reversal_unmatched"),
        padded(canceled, "left_as"),
        padded(repeated, "problem"),
        padded(_further_submissions(distinct_rows), "claim_ordinal"),
    ]
    # a further submission may also be reversed; every other row occurs once
    return union_all(parts).groupBy("row_id").agg(*(F.max(name).alias(name) for name in kinds))


def _further_submissions(rows: DataFrame) -> DataFrame:
    """row_id and claim_ordinal of submissions that are not the first of their ENTITY_CLAIM_KEY."""
    key = entity_claim_key()
    submitted = rows.where(F.col("status") == "SUBMITTED").select(
        "row_id", "source_row_id", "submitted_at", *(column.alias(f"key_{name}") for name, column in key.items())
    )
    names = [f"key_{name}" for name in key]
    in_order = Window.partitionBy(*names).orderBy(F.col("submitted_at").asc_nulls_first(), "source_row_id")
    several = F.broadcast(repeated_hashes(submitted, F.xxhash64(*names), "several"))
    return (
        submitted.join(several, on=F.xxhash64(*names) == F.col("several"), how="left_semi")
        .withColumn("claim_ordinal", F.row_number().over(in_order).cast("int"))
        .where(F.col("claim_ordinal") > 1)
    )


def _same_dispense(side: str) -> list[Column]:
    """NULL equals NULL in the fill number alone."""
    equal = [F.col(name) == F.col(f"{side}_{name}") for name in _EQUAL]
    return [*equal, F.col("fill_number").eqNullSafe(F.col(f"{side}_fill_number"))]


def live_entity_claims(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """PREPARED_ENTITY_CLAIMS of the live rows; one row per 340B claim."""
    results = netting.select("row_id", F.coalesce("left_as", "problem").alias("leaves"), "claim_ordinal")
    live = good_rows(conformed).join(F.broadcast(results), on="row_id", how="left").where(F.col("leaves").isNull())
    live = live.withColumn("claim_ordinal", F.coalesce("claim_ordinal", F.lit(1)))
    names = set(column_names(live))
    return live.select(*(F.col(f.name).cast(f.dataType) for f in PREPARED_ENTITY_CLAIMS.fields if f.name in names))


def with_parents(conformed: DataFrame, families: DataFrame | None) -> DataFrame:
    """Conformed rows with the parent entity as of the date of service; `families`: see `engine.entity_families`."""
    return at_parent_of_day(conformed, "parent_entity_id", F.col("date_of_service"), families)
