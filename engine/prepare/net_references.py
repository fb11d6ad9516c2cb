"""Netting of reference rows that share a key: an older snapshot, delivered again, or in conflict.

If rows of one key and one snapshot disagree on a value, none is preferred: the value becomes unknown. If the value is
required, or its absence has a meaning (the end of an interval), all rows of the key are quarantined.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Reason
from engine.contracts.columns import Table
from engine.contracts.prepared import JUDGEMENT
from engine.prepare.row_ids import good_rows, repeated_hashes
from engine.runtime.column_names import column_names
from engine.runtime.expressions import any_of, array_contains, differ_over, json_object, nulls

# If a key has several intervals, their start dates distinguish them.
_BEGINNINGS = ("valid_from", "participating_start")
# Columns whose NULL has a meaning (an open end, no modifier): an unknown value must not look like it.
_NULL_HAS_MEANING = {
    "covered_entities": ("valid_to", "termination_date"),
    "contract_pharmacies": ("valid_to", "termination_date"),
    "part_b_lines": ("valid_to", "modifiers"),
}
_END = ("valid_to", "end_date")


def reference_key(table: Table) -> dict[str, Column]:
    """The columns that identify a row within one snapshot of a reference table, over conformed rows; NULL equals NULL.

    If a row has its own id, only that id identifies it.
    """
    names = ["ndc11" if name == "ndc" else name for name in table.key]
    names += [name for name in _BEGINNINGS if name in table.column_names and name not in names]
    if table.own_id is None:
        return {name: F.col(name) for name in names}
    own_id = F.col(table.own_id)
    return {table.own_id: own_id, **{name: F.when(own_id.isNull(), F.col(name)) for name in names}}


def key_hash(table: Table) -> Column:
    """A hash of the reference key, to group by; equality needs the key itself."""
    return F.xxhash64(*reference_key(table).values())


def net_references(conformed: DataFrame, table: Table) -> DataFrame:
    """Netting results of reference rows whose key occurs twice: row_id, left_as, problem, contested.

    left_as: REPLACED by a later snapshot_date (NULL is the earliest), REDELIVERED if a row repeats the same values.
    problem: KEY_DUPLICATE. contested: columns of the remaining row that are unknown, NULL if there are none.
    """
    key = reference_key(table)
    rows = good_rows(conformed)
    repeated = rows.join(
        F.broadcast(repeated_hashes(rows, key_hash(table), "repeated")),
        on=key_hash(table) == F.col("repeated"),
        how="left_semi",
    )
    identifies = {table.own_id} if table.own_id else key.keys()
    values = [name for name in _received_names(table) if name not in identifies and name != "snapshot_date"]
    # one text each: windows over twenty columns take the embedded engine minutes to plan
    repeated = repeated.withColumns(
        {"same_key": _as_text(key), "same_values": _as_text({name: F.col(name) for name in values})}
    )
    by_key = Window.partitionBy("same_key")
    content = [F.col(name).asc_nulls_first() for name in values]
    disagree = {name: differ_over(name, by_key) for name in values}
    latest = F.max("snapshot_date").over(by_key)
    aged = repeated.withColumn("is_latest", F.col("snapshot_date").eqNullSafe(latest))
    newest = aged.where("is_latest").withColumns(
        {
            "nth": F.row_number().over(by_key.orderBy(*content, "row_id")),
            "nth_alike": F.row_number().over(Window.partitionBy("same_key", "same_values").orderBy("row_id")),
            "contested": F.array_compact(
                F.array(*(F.when(differs, F.lit(name)) for name, differs in disagree.items()))
            ),
        }
    )
    deciding = [name for name in values if name in (*table.required_names, *_NULL_HAS_MEANING.get(table.name, _END))]
    is_unusable = any_of(array_contains(F.col("contested"), F.lit(name)) for name in deciding)
    is_again = F.col("nth_alike") > 1
    is_conflict = ~is_again & (is_unusable | (F.col("nth") > 1))
    results = newest.select(
        "row_id",
        F.when(is_again, Reason.REDELIVERED.value).alias("left_as"),
        F.when(is_conflict, Reason.KEY_DUPLICATE.value).alias("problem"),
        F.when(~is_again & ~is_conflict & (F.size("contested") > 0), F.col("contested")).alias("contested"),
    ).where("left_as is not null or problem is not null or contested is not null")
    others = nulls({"problem": "string", "contested": "array<string>"})
    replaced = aged.where("not is_latest").select("row_id", F.lit(Reason.REPLACED.value).alias("left_as"))
    return results.unionByName(replaced.withColumns(others))


def _as_text(values: Mapping[str, Column]) -> Column:
    """The values as one text that is equal if and only if all values are; NULL equals only NULL."""
    return json_object({name: (value.cast("string"), T.StringType()) for name, value in values.items()})


def live_references(conformed: DataFrame, netting: DataFrame) -> DataFrame:
    """The live rows with every column of `good_rows`; contested values are NULL."""
    rows = good_rows(conformed)
    results = netting.withColumn("leaves", F.coalesce("left_as", "problem").isNotNull())
    results = results.select("row_id", "leaves", F.col("contested").alias("contested_names"))
    live = rows.join(F.broadcast(results), on="row_id", how="left").where(~F.coalesce("leaves", F.lit(False)))
    kept, contested = {"row_id", *JUDGEMENT.names}, F.col("contested_names")
    return live.select(
        *(
            F.col(name)
            if name in kept
            else F.when(~F.coalesce(array_contains(contested, F.lit(name)), F.lit(False)), F.col(name)).alias(name)
            for name in column_names(rows)
        )
    )


def _received_names(table: Table) -> list[str]:
    return ["ndc11" if name == "ndc" else name for name in table.column_names]
