"""Choice of links among the pairs that reach a tier: one to one among competing claims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.links import LINKS_340B
from engine.link.agreement import entity_units, tier_name
from engine.link.assignment import Pair, assign
from engine.link.keys import KEY, STREAM
from engine.link.weights import probability
from engine.runtime.column_names import column_names

# Columns of a link, from columns of its pair.
_SHOWN = {
    "source_row_id": "source_row_id",
    "link_score": "score",
    "link_entity_id": "entity_id",
    "link_parent_entity_id": "parent_entity_id",
    "link_pharmacy_key": "entity_pharmacy_key",
    "link_date_of_service": "entity_date_of_service",
    "link_fill_number": "entity_fill_number",
    "link_ndc11": "entity_ndc11",
    "link_quantity": "entity_quantity",
    "link_ndc_units": "entity_ndc_units",
    "link_is_340b_assumed": "is_340b_assumed",
    "link_fields_differ": "fields_differ",
    "link_contributions": "contributions",
}
# Further columns of a pair that the choice depends on.
_CHOSEN_BY = ("rebate_claim", "entity_claim", "entity_row_id", "fill_number", "is_part", "days", "tier")

_CHOICES = T.ArrayType(
    T.StructType(
        [
            T.StructField("index", T.IntegerType()),
            T.StructField("entity_row_ids", T.ArrayType(T.StringType())),
            T.StructField("is_ambiguous", T.BooleanType()),
            T.StructField("candidates", T.IntegerType()),
        ]
    )
)
_ARROW_CHOICES = pa.list_(
    pa.struct(
        [
            ("index", pa.int32()),
            ("entity_row_ids", pa.list_(pa.string())),
            ("is_ambiguous", pa.bool_()),
            ("candidates", pa.int32()),
        ]
    )
)


def pairs_to_choose_from(pairs: DataFrame) -> DataFrame:
    """What `links_of` reads of weighed pairs: those with tier, fields_differ, contributions and score."""
    return pairs.withColumn("entity_ndc_units", entity_units()).select(*KEY, *STREAM, *_CHOSEN_BY, *_SHOWN.values())


def links_of(pairs: DataFrame) -> DataFrame:
    """LINKS_340B plus the claims they use, STREAM and entity_claim; at most one row per rebate claim.

    `pairs`: those of `pairs_to_choose_from` that reach a tier.
    """
    # Both branches below use the same columns, so Spark reuses one shuffle.
    groups = (
        pairs.repartition("key_hash")
        .groupBy(*KEY)
        .agg(F.collect_list(F.struct(*STREAM, *_CHOSEN_BY, *_SHOWN.values())).alias("pairs"))
        .select("pairs")
    )
    clear = groups.where(~_is_contested()).select(
        F.explode("pairs").alias("pair"),
        F.lit(False).alias("is_ambiguous"),
        F.lit(1).alias("candidates"),
    )
    clear = clear.withColumn("entity_row_ids", F.array("pair.entity_row_id"))
    contested = groups.where(_is_contested())
    schema = T.StructType([*contested.schema.fields, T.StructField("choices", _CHOICES)])
    chosen = contested.mapInArrow(_with_choices, schema).select("pairs", F.inline("choices"))
    chosen = chosen.withColumn("pair", F.get("pairs", F.col("index"))).select(*column_names(clear))
    return clear.unionByName(chosen).select(*_link_columns(), *(f"pair.{name}" for name in (*STREAM, "entity_claim")))


def _is_contested() -> Column:
    """True if a claim of a stream has two pairs, through one row or several rows of one dispense.

    A hash collision marks a group as contested, which only costs time.
    """

    def pairs_apart(claim: str) -> Column:
        return F.size(F.array_distinct(F.transform("pairs", lambda p: F.xxhash64(p[claim], *(p[n] for n in STREAM)))))

    is_one_to_one = (pairs_apart("rebate_claim") == F.size("pairs")) & (pairs_apart("entity_claim") == F.size("pairs"))
    return (F.size("pairs") > 1) & ~is_one_to_one


def _with_choices(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        choices = [_choices(group) for group in batch.column("pairs").to_pylist()]
        columns = [*batch.columns, pa.array(choices, _ARROW_CHOICES)]
        yield pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, "choices"])


def _choices(group: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The choices among all pairs of a key, for each stream separately."""
    streams: dict[tuple[Any, ...], list[Pair]] = defaultdict(list)
    for index, fields in enumerate(group):
        streams[tuple(fields[name] for name in STREAM)].append(_pair(index, fields))
    return [
        {
            "index": choice.index,
            "entity_row_ids": list(choice.entity_rows),
            "is_ambiguous": choice.is_ambiguous,
            "candidates": choice.candidates,
        }
        for pairs in streams.values()
        for choice in assign(pairs)
    ]


def _pair(index: int, fields: dict[str, Any]) -> Pair:
    return Pair(
        index=index,
        rebate_row=fields["source_row_id"],
        entity_row=fields["entity_row_id"],
        rebate_claim=fields["rebate_claim"],
        entity_claim=fields["entity_claim"],
        tier=fields["tier"],
        score=round(fields["score"] * 1_000_000),
        days=fields["days"],
        part_of=("fill", fields["fill_number"]) if fields["is_part"] else None,
    )


def _link_columns() -> list[Column]:
    values = {
        **{name: F.col(f"pair.{shown}") for name, shown in _SHOWN.items()},
        "link_tier": tier_name(F.col("pair.tier")),
        "link_probability": probability(F.col("pair.score")),
        "link_is_ambiguous": F.col("is_ambiguous"),
        "link_source_row_ids": F.col("entity_row_ids"),
        "link_candidates": F.col("candidates"),
    }
    return [values[field.name].cast(field.dataType).alias(field.name) for field in LINKS_340B.fields]
