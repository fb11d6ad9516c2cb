"""What left the way while preparing: quarantine rows, and counts by reason for the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType, Reason
from engine.contracts.columns import Table

_NETTING = ("left_as", "problem")


@dataclass(frozen=True)
class Tally:
    """Rows by reason. `dropped` reasons exclude one another: rows in = rows out + their sum; `counted` ones do not."""

    rows_in: int
    dropped: dict[str, int]
    counted: dict[str, int]

    @property
    def rows_out(self) -> int:
        return self.rows_in - sum(self.dropped.values())


def quarantine(conformed: DataFrame, table: Table, netting: DataFrame | None) -> DataFrame:
    """QUARANTINE rows of a table: those with problems of their own, and those that netting found in conflict.

    Tables without a source_row_id give their key joined by `/`.
    """
    row_id = F.col("source_row_id") if "source_row_id" in table.column_names else _key(table)
    own = conformed.where(F.col("problems").isNotNull()).select(
        row_id.alias("source_row_id"), F.col("problems").alias("reasons"), "raw"
    )
    if netting is None:
        return own
    in_conflict = netting.where(F.col("problem").isNotNull()).select("row_id", "problem")
    values = F.struct(
        *(name for name in conformed.columns if name not in ("row_id", "problems", "left_as", "raw", "coerced"))
    )
    found = conformed.join(in_conflict, on="row_id", how="inner").select(
        row_id.alias("source_row_id"),
        F.array("problem").alias("reasons"),
        F.to_json(values, {"ignoreNullFields": "false"}).alias("raw"),
    )
    return own.unionByName(found)


def _key(table: Table) -> Column:
    names = {"ndc": "ndc_raw"}
    parts = [F.coalesce(F.col(names.get(name, name)).cast("string"), F.lit("")) for name in table.key]
    return F.concat_ws("/", *parts)


def _noticed(name: str) -> dict[str, Column]:
    """What is worth counting on rows that stay, by table."""
    is_rx = F.lit(True) if name == "pharmacy_claims" else F.col("claim_type") == ClaimType.RX.value
    unusable = {Reason.RX_NUMBER_UNUSABLE.value: is_rx & F.col("rx_key").isNull()}
    return {
        "rebate_claims": unusable,
        "pharmacy_claims": unusable,
        "entity_claims": {**unusable, Reason.IS_340B_ASSUMED.value: F.col("is_340b_assumed")},
        "invoices": {Reason.SUPPRESSED.value: F.coalesce(F.col("suppressed"), F.lit(False))},
    }.get(name, {})


def tally(conformed: DataFrame, netting: DataFrame | None, name: str) -> Tally:
    """Counts what happened to the rows of a conformed table, `name`.

    A row with several problems counts under its first. Runs two jobs over a few narrow columns.
    """
    also = _noticed(name)
    is_good = F.col("problems").isNull() & F.col("left_as").isNull()
    reason = F.coalesce(F.get("problems", F.lit(0)), F.col("left_as"))
    counts = (
        conformed.groupBy(reason.alias("reason"))
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.sum(F.coalesce(F.size("coerced"), F.lit(0))).alias(Reason.COERCED_NULL.value),
            *(F.count_if(is_good & condition).alias(name) for name, condition in also.items()),
        )
        .collect()
    )
    dropped = {row["reason"]: row["rows"] for row in counts if row["reason"] is not None}
    counted = {name: sum(row[name] or 0 for row in counts) for name in (Reason.COERCED_NULL.value, *also)}
    if netting is not None:
        flags = [name for name in ("prior_not_found", "reversal_unmatched") if name in netting.columns]
        net_reason = F.coalesce(*(F.col(name) for name in _NETTING if name in netting.columns))
        net_counts = (
            netting.groupBy(net_reason.alias("reason"))
            .agg(F.count(F.lit(1)).alias("rows"), *(F.count_if(F.col(name)).alias(name.upper()) for name in flags))
            .collect()
        )
        for row in net_counts:
            if row["reason"] is not None:
                dropped[row["reason"]] = dropped.get(row["reason"], 0) + row["rows"]
        counted |= {name.upper(): sum(row[name.upper()] for row in net_counts) for name in flags}
    return Tally(sum(row["rows"] for row in counts), dropped, counted)
