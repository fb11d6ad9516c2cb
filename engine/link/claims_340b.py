"""The link of each rebate claim to the 340B claim for the same dispense."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.links import LINKS_340B
from engine.link.agreement import TIERS
from engine.link.assignment import Pair, assign
from engine.link.candidates import ENTITY_CLAIM, REBATE_CLAIM, SCRIPT, STREAM, candidate_pairs
from engine.settings import LinkSettings

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


def link_340b(rebate_claims: DataFrame, entity_claims: DataFrame, settings: LinkSettings) -> DataFrame:
    """The 340B claim that each rebate claim duplicates, if any: LINKS_340B, at most one row per rebate claim.

    `rebate_claims`: live PREPARED_REBATE_CLAIMS; `entity_claims`: live PREPARED_ENTITY_CLAIMS. Tiers T1 to T4 of domain
    part 4.3; one to one within program, payer and rebate type (docs/decisions/0002-one-to-one-linking.md).
    `link_score` is in log2 units; `link_candidates` counts the entity rows that met a tier, used or not.
    """
    pairs = candidate_pairs(rebate_claims, entity_claims, settings)
    # One exchange serves both branches below, which take up the same columns for that reason.
    groups = (
        pairs.repartition("dispense_hash")
        .groupBy(*SCRIPT)
        .agg(F.collect_list(F.struct(*(name for name in pairs.columns if name not in SCRIPT))).alias("pairs"))
        .select("dispense_hash", "pairs")
    )
    clear = groups.where(~_is_contested()).select(
        "dispense_hash",
        F.explode("pairs").alias("pair"),
    )
    contested = groups.where(_is_contested())
    return _links_of_clear(clear).unionByName(_links_of_contested(contested))


def _is_contested() -> Column:
    """True where a rebate row has two candidates, or an entity row two claims of a stream.

    Hashes that collide make a group contested, which costs time and nothing else.
    """
    rebate_rows = F.transform("pairs", lambda pair: pair.source_row_id)
    entity_rows = F.transform("pairs", lambda pair: F.xxhash64(pair.entity_row_id, *(pair[name] for name in STREAM)))
    one_each = (F.size(F.array_distinct(rebate_rows)) == F.size("pairs")) & (
        F.size(F.array_distinct(entity_rows)) == F.size("pairs")
    )
    return (F.size("pairs") > 1) & ~one_each


def _links_of_clear(pairs: DataFrame) -> DataFrame:
    return pairs.select(
        *_link_columns(entity_row_ids=F.array("pair.entity_row_id"), is_ambiguous=F.lit(False), candidates=F.lit(1))
    )


def _links_of_contested(groups: DataFrame) -> DataFrame:
    """The chosen ones among pairs that compete, assigned in Python one prescription at a time."""
    schema = T.StructType([*groups.schema.fields, T.StructField("choices", _CHOICES)])
    chosen = groups.mapInArrow(_with_choices, schema).select("dispense_hash", "pairs", F.inline("choices"))
    return chosen.withColumn("pair", F.get("pairs", F.col("index"))).select(
        *_link_columns(
            entity_row_ids=F.col("entity_row_ids"), is_ambiguous=F.col("is_ambiguous"), candidates=F.col("candidates")
        )
    )


def _with_choices(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        choices = [_choices(group) for group in batch.column("pairs").to_pylist()]
        columns = [*batch.columns, pa.array(choices, _ARROW_CHOICES)]
        yield pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, "choices"])


def _choices(group: list[dict]) -> list[dict]:
    """What is chosen among all pairs of a prescription, each stream for itself."""
    streams: dict[tuple, list[Pair]] = defaultdict(list)
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


def _pair(index: int, fields: dict) -> Pair:
    return Pair(
        index=index,
        rebate_row=fields["source_row_id"],
        entity_row=fields["entity_row_id"],
        rebate_claim=tuple(fields[name] for name in REBATE_CLAIM),
        entity_claim=tuple(fields[name] for name in ENTITY_CLAIM),
        tier=fields["tier"],
        score=round(fields["score"] * 1_000_000),
        days=fields["days"],
        part_of=("fill", fields["fill_number"]) if fields["is_part"] else None,
    )


def _link_columns(entity_row_ids: Column, is_ambiguous: Column, candidates: Column) -> list[Column]:
    tier = F.coalesce(*(F.when(F.col("pair.tier") == number, F.lit(name)) for number, name in TIERS.items()))
    values = {
        "source_row_id": F.col("pair.source_row_id"),
        "dispense_hash": F.col("dispense_hash"),
        "link_tier": tier,
        "link_score": F.col("pair.score"),
        "link_is_ambiguous": is_ambiguous,
        "link_source_row_ids": entity_row_ids,
        "link_entity_id": F.col("pair.entity_id"),
        "link_parent_entity_id": F.col("pair.parent_entity_id"),
        "link_date_of_service": F.col("pair.entity_date_of_service"),
        "link_fill_number": F.col("pair.entity_fill_number"),
        "link_ndc11": F.col("pair.entity_ndc11"),
        "link_quantity": F.col("pair.entity_quantity"),
        "link_is_340b_assumed": F.col("pair.is_340b_assumed"),
        "link_fields_differ": F.col("pair.fields_differ"),
        "link_candidates": candidates,
    }
    return [values[field.name].cast(field.dataType).alias(field.name) for field in LINKS_340B.fields]
