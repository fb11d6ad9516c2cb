"""Rows dropped or quarantined during preparation, and their counts by reason for the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType, Reason, Transaction
from engine.contracts.columns import Table
from engine.prepare.net_references import key_hash
from engine.prepare.row_ids import row_name
from engine.runtime.column_names import column_names
from engine.runtime.expressions import union_all

_NETTING = ("left_as", "problem")


@dataclass(frozen=True)
class Tally:
    """Row counts of a table. `dropped`: rows by reason; reasons are mutually exclusive, so rows in = rows out + their
    sum. `counted`: further counts by reason, which may overlap. null_words: values that are undeclared words for NULL.
    """

    rows_in: int
    dropped: dict[str, int]
    counted: dict[str, int]
    null_words: int = 0

    @property
    def rows_out(self) -> int:
        """Rows that remain after all dropped ones."""
        return self.rows_in - sum(self.dropped.values())

    def with_reasons(self, dropped: Mapping[str, int], counted: Mapping[str, int] | None = None) -> Tally:
        """Add further dropped and counted rows."""
        return replace(self, dropped=_summed(self.dropped, dropped), counted=_summed(self.counted, counted or {}))


def _summed(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in (*first, *(second.keys() - first.keys()))}


def quarantine(conformed: DataFrame, table: Table) -> DataFrame:
    """QUARANTINE rows: rows with problems in their own values; one row per received row."""
    return conformed.where(F.col("problems").isNotNull()).select(
        _row_name(conformed, table).alias("source_row_id"), F.col("problems").alias("reasons"), "raw"
    )


def in_conflict(conformed: DataFrame, table: Table, netting: DataFrame) -> DataFrame:
    """QUARANTINE rows for conflicts between rows, detected by netting; one row per received row.

    raw is NULL unless the rows were conformed with it: see `names_in_conflict`.
    """
    problems = netting.where(F.col("problem").isNotNull()).select("row_id", "problem")
    return conformed.join(F.broadcast(problems), on="row_id", how="inner").select(  # one problem per row
        _row_name(conformed, table).alias("source_row_id"), F.array("problem").alias("reasons"), "raw"
    )


def unread_claims(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """Quarantined rebate claims, so rules do not treat them as absent; one row per quarantined row: program, state,
    ndc11, period and units (NDC billing units), each NULL if unreadable. takes_back: the row is a VOID.
    """
    problems = netting.where(F.col("problem").isNotNull()).select("row_id", F.lit(True).alias("is_in_conflict"))
    rows = conformed.join(F.broadcast(problems), on="row_id", how="left")  # one problem per row
    is_quarantined = F.col("problems").isNotNull() | F.coalesce("is_in_conflict", F.lit(False))
    return rows.where(is_quarantined).select(
        "program",
        F.coalesce("state", "payer_id").alias("state"),
        "ndc11",
        "period",
        F.when(F.col("units_basis") != "HCPCS", F.col("units")).alias("units"),
        F.coalesce(F.col("transaction") == Transaction.VOID.value, F.lit(False)).alias("takes_back"),
    )


def left_out(conformed: DataFrame, table: Table, netting: DataFrame | None) -> DataFrame:
    """source_row_id and reasons of the rows that no rule or model sees; one row per received row."""
    name = _row_name(conformed, table).alias("source_row_id")
    own_reasons = F.coalesce(F.col("problems"), F.array("left_as")).alias("reasons")
    dropped = conformed.where(~_is_good()).select(name, own_reasons)
    if netting is None:
        return dropped
    netted = netting.select("row_id", _netted(netting).alias("reason")).where(F.col("reason").isNotNull())
    return dropped.unionByName(
        conformed.join(netted, on="row_id", how="inner").select(name, F.array("reason").alias("reasons"))  # one each
    )


def names_in_conflict(conformed: DataFrame, table: Table, netting: DataFrame) -> DataFrame:
    """`row_name` of the rows in conflict. Passed to `conform` as `among`, they yield the same conflicts again, with
    every row as received.
    """
    return in_conflict(conformed, table, netting).select(F.col("source_row_id").alias("row_name")).distinct()


def _row_name(conformed: DataFrame, table: Table) -> Column:
    return row_name(table, {name: F.col(name) for name in column_names(conformed)})


def _counted_conditions(name: str) -> dict[str, Column]:
    """Conditions counted on good rows, by table."""
    is_rx = F.lit(True) if name == "pharmacy_claims" else F.col("claim_type") == ClaimType.RX.value
    unusable = {Reason.RX_NUMBER_UNUSABLE.value: is_rx & F.col("rx_key").isNull()}
    return {
        "rebate_claims": unusable,
        "pharmacy_claims": unusable,
        "entity_claims": {**unusable, Reason.IS_340B_ASSUMED.value: F.col("is_340b_assumed")},
        "invoices": {Reason.SUPPRESSED.value: F.coalesce(F.col("suppressed"), F.lit(False))},
    }.get(name, {})


def tally(conformed: DataFrame, name: str) -> Tally:
    """Count the rows of a feed, `name`, by the outcome of conforming. A row with several problems counts under its
    first.
    """
    also = _counted_conditions(name)
    counts = (
        conformed.groupBy(_reason().alias("reason"))
        .agg(
            F.count(F.lit(1)).alias("rows"),
            _values_in("coerced").alias(Reason.COERCED_NULL.value),
            _values_in("null_words").alias("null_words"),
            *(F.count_if(_is_good() & condition).alias(name) for name, condition in also.items()),
        )
        .collect()
    )
    dropped = {row["reason"]: row["rows"] for row in counts if row["reason"] is not None}
    counted = {name: sum(row[name] or 0 for row in counts) for name in (Reason.COERCED_NULL.value, *also)}
    return Tally(sum(row["rows"] for row in counts), dropped, counted, sum(row["null_words"] or 0 for row in counts))


def tally_references(conformed: Mapping[str, DataFrame], tables: Mapping[str, Table]) -> dict[str, tuple[Tally, bool]]:
    """The tally of each reference table, and whether a key occurs more than once in it; one Spark job for all."""
    if not conformed:
        return {}
    narrow = [
        rows.select(
            F.lit(name).alias("table"),
            _reason().alias("reason"),
            "coerced",
            "null_words",
            F.when(_is_good(), key_hash(tables[name])).alias("key_hash"),
        )
        for name, rows in conformed.items()
    ]
    counts = (
        union_all(narrow)
        .groupBy("table", "reason")
        .agg(
            F.count(F.lit(1)).alias("rows"),
            _values_in("coerced").alias("coerced"),
            _values_in("null_words").alias("null_words"),
            F.count_distinct("key_hash").alias("keys"),
        )
        .collect()
    )
    tallies = {}
    for name in conformed:
        own = [row for row in counts if row["table"] == name]
        dropped = {row["reason"]: row["rows"] for row in own if row["reason"] is not None}
        counted = {Reason.COERCED_NULL.value: sum(row["coerced"] or 0 for row in own)}
        repeats = any(row["keys"] < row["rows"] for row in own if row["reason"] is None)
        words = sum(row["null_words"] or 0 for row in own)
        tallies[name] = Tally(sum(row["rows"] for row in own), dropped, counted, words), repeats
    return tallies


def with_netting(tally: Tally, netting: DataFrame) -> Tally:
    """Add the rows dropped and counted by netting."""
    flags = [name for name in ("prior_not_found", "reversal_unmatched") if name in column_names(netting)]
    counts_of = {name.upper(): F.count_if(F.col(name)) for name in flags}
    if "contested" in column_names(netting):
        counts_of[Reason.COERCED_NULL.value] = F.sum(F.coalesce(F.size("contested"), F.lit(0)))
    counts = (
        netting.groupBy(_netted(netting).alias("reason"))
        .agg(F.count(F.lit(1)).alias("rows"), *(count.alias(name) for name, count in counts_of.items()))
        .collect()
    )
    dropped = {row["reason"]: row["rows"] for row in counts if row["reason"] is not None}
    return tally.with_reasons(dropped, {name: sum(row[name] or 0 for row in counts) for name in counts_of})


def _is_good() -> Column:
    return F.col("problems").isNull() & F.col("left_as").isNull()


def _reason() -> Column:
    return F.coalesce(F.get("problems", F.lit(0)), F.col("left_as"))


def _netted(netting: DataFrame) -> Column:
    """Why netting drops a row; NULL if the row is live."""
    return F.coalesce(*(F.col(name) for name in _NETTING if name in column_names(netting)))


def _values_in(name: str) -> Column:
    return F.sum(F.coalesce(F.size(name), F.lit(0)))
